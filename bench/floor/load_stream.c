/*
 * load_stream (common arguments) PIECE_BYTES
 *
 * Every connection asks once and then takes what comes, throwing it away in the kernel. An
 * operation is PIECE_BYTES that arrived.
 */
#define _GNU_SOURCE /* SOCK_CLOEXEC, SOCK_NONBLOCK */
#include "load.h"

enum { CHUNK = 1 << 20 };

static size_t piece_bytes;
static uint64_t bytes;

static void begin(struct load *load, struct connection *connection)
{
    (void)load;
    load_send(connection, 1);
}

static void readable(struct load *load, struct connection *connection)
{
    bytes += load_receive(connection, NULL, CHUNK, MSG_TRUNC);
    load->operations = bytes / piece_bytes;
}

int main(int argc, char **argv)
{
    struct load *load = load_new(argc, argv, 1);
    piece_bytes = strtoul(argv[7], NULL, 10);
    for (size_t i = 0; i < load->connections; i++) {
        load->all[i].request = allocate(1);
        load_open(load, &load->all[i]);
    }
    load_measure(load);
    return 0;
}
