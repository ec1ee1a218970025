/*
 * load_http (common arguments) TARGET BODY_BYTES
 *
 * Every connection has one GET on its way and sends the next when the answer is whole. An answer
 * has to be a 200 with a Content-Length, which is BODY_BYTES unless that is 0. What it says is not
 * looked at: large bodies are thrown away in the kernel.
 */
#define _GNU_SOURCE /* SOCK_CLOEXEC, SOCK_NONBLOCK, strcasestr */
#include "load.h"

enum { HEAD_BYTES = 2048 };

static char request[HEAD_BYTES];
static size_t request_bytes, body_bytes;

static void begin(struct load *load, struct connection *connection)
{
    (void)load;
    connection->expected = 0;
    load_send(connection, request_bytes);
}

/* How long the whole answer is, by its head; the body may follow in other pieces. */
static size_t answer_bytes(char *head, size_t count)
{
    head[count] = '\0';
    if (strncmp(head, "HTTP/1.1 200", 12) != 0) die("not a 200", EBADMSG);
    const char *end = strstr(head, "\r\n\r\n");
    const char *length = strcasestr(head, "\r\nContent-Length:");
    if (!end || !length || length > end) die("no Content-Length in the first piece", EBADMSG);
    size_t announced = strtoul(length + strlen("\r\nContent-Length:"), NULL, 10);
    if (body_bytes && announced != body_bytes) die("another Content-Length", EBADMSG);
    return (size_t)(end + 4 - head) + announced;
}

static void readable(struct load *load, struct connection *connection)
{
    static char head[HEAD_BYTES];
    if (!connection->expected) {
        size_t count = load_receive(connection, head, HEAD_BYTES - 1, 0);
        connection->received += count;
        connection->expected = answer_bytes(head, count);
    } else {
        size_t missing = connection->expected - connection->received;
        connection->received += load_receive(connection, NULL, missing, MSG_TRUNC);
    }
    if (connection->received > connection->expected) die("more than was announced", EBADMSG);
    if (connection->received < connection->expected) return;
    load_done(load, connection, 1);
    begin(load, connection);
}

int main(int argc, char **argv)
{
    struct load *load = load_new(argc, argv, 2);
    int length =
        snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", argv[7]);
    request_bytes = (size_t)length;
    body_bytes = strtoul(argv[8], NULL, 10);
    for (size_t i = 0; i < load->connections; i++) {
        load->all[i].request = request;
        load_open(load, &load->all[i]);
    }
    load_measure(load);
    return 0;
}
