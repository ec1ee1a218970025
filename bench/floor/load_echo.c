/*
 * load_echo (common arguments) BYTES LINE_BYTES
 *
 * Every connection has one request on its way and sends the next when the last came back whole.
 * Each answer is compared with its request. With LINE_BYTES a request is that many bytes' lines,
 * sent together, each of which is an operation; with 0 the request is one operation.
 */
#define _GNU_SOURCE /* SOCK_CLOEXEC, SOCK_NONBLOCK */
#include "load.h"

static size_t bytes, line_bytes;
static char *answer;

/* Each connection says something of its own, so that a mix-up of answers is noticed. */
static char *make_request(size_t index)
{
    char *request = allocate(bytes);
    for (size_t i = 0; i < bytes; i++) {
        bool ends = line_bytes && (i + 1) % line_bytes == 0;
        request[i] = ends ? '\n' : (char)('a' + (index * 31 + i) % 26);
    }
    return request;
}

static void begin(struct load *load, struct connection *connection)
{
    (void)load;
    load_send(connection, bytes);
}

static void readable(struct load *load, struct connection *connection)
{
    size_t count = load_receive(connection, answer, bytes - connection->received, 0);
    if (memcmp(answer, connection->request + connection->received, count) != 0) {
        die("the answer differs from the request", EBADMSG);
    }
    connection->received += count;
    if (connection->received < bytes) return;
    load_done(load, connection, line_bytes ? bytes / line_bytes : 1);
    load_send(connection, bytes);
}

int main(int argc, char **argv)
{
    struct load *load = load_new(argc, argv, 2);
    bytes = strtoul(argv[7], NULL, 10);
    line_bytes = strtoul(argv[8], NULL, 10);
    answer = allocate(bytes);
    for (size_t i = 0; i < load->connections; i++) {
        load->all[i].request = make_request(i);
        load_open(load, &load->all[i]);
    }
    load_measure(load);
    return 0;
}
