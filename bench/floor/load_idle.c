/*
 * load_idle (common arguments) BYTES
 *
 * Opens all connections; each sends one request, gets its answer and is then silent. An operation
 * is a connection, and what counts is what the server's memory has grown by when all are silent.
 */
#define _GNU_SOURCE /* SOCK_CLOEXEC, SOCK_NONBLOCK */
#include "load.h"

static size_t bytes;
static char *answer;

static void begin(struct load *load, struct connection *connection)
{
    connection->request = allocate(bytes);
    load_open(load, connection);
    load_send(connection, bytes);
}

static void readable(struct load *load, struct connection *connection)
{
    connection->received += load_receive(connection, answer, bytes - connection->received, 0);
    if (connection->received == bytes) load_done(load, connection, 1);
}

int main(int argc, char **argv)
{
    struct load *load = load_new(argc, argv, 1);
    bytes = strtoul(argv[7], NULL, 10);
    answer = allocate(bytes);
    load->counting = true;
    long before_kb = rss_kb(load->server_pid);
    uint64_t cpu_ns = (uint64_t)process_cpu_ns(load->server_pid);
    uint64_t start_ns = clock_ns(CLOCK_MONOTONIC);
    for (size_t i = 0; i < load->connections; i++) {
        begin(load, &load->all[i]);
        if (i % 64 == 63) drive_until(load, 0); /* the server's backlog is finite */
    }
    while (load->operations < load->connections) drive_until(load, 0);
    uint64_t wall_ns = clock_ns(CLOCK_MONOTONIC) - start_ns;
    cpu_ns = (uint64_t)process_cpu_ns(load->server_pid) - cpu_ns;
    long rss = rss_kb(load->server_pid);
    printf("{\"ops\":%lu,\"total_ops\":%lu,\"wall_ns\":%lu,\"cpu_ns\":%lu,\"rss_kb\":%ld,"
           "\"each_bytes\":%ld}\n",
           load->operations, load->operations, wall_ns, cpu_ns, rss,
           (rss - before_kb) * 1024 / (long)load->connections);
    return 0;
}
