/*
 * load_churn (common arguments) BYTES
 *
 * Every connection sends one request, reads the answer, closes and is opened anew: an operation is
 * the life of a connection.
 */
#define _GNU_SOURCE /* SOCK_CLOEXEC, SOCK_NONBLOCK */
#include "load.h"

static size_t bytes;
static char *answer;

static void begin(struct load *load, struct connection *connection)
{
    uint64_t start_ns = clock_ns(CLOCK_MONOTONIC);
    load_open(load, connection);
    load_send(connection, bytes);
    connection->sent_ns = start_ns;
}

static void readable(struct load *load, struct connection *connection)
{
    connection->received += load_receive(connection, answer, bytes - connection->received, 0);
    if (connection->received < bytes) return;
    close(connection->fd);
    load_done(load, connection, 1);
    begin(load, connection);
}

int main(int argc, char **argv)
{
    struct load *load = load_new(argc, argv, 1);
    bytes = strtoul(argv[7], NULL, 10);
    answer = allocate(bytes);
    for (size_t i = 0; i < load->connections; i++) load->all[i].request = allocate(bytes);
    load_measure(load);
    return 0;
}
