/*
 * pairs_epoll PAIRS BYTES WARMUP_S WINDOW_S TRANSPORT
 *
 * The floor of the questions about pairs of pipes and of UNIX sockets with epoll: every end is
 * registered once, level-triggered, so an operation is one read and one write, and waits are shared
 * by all pairs.
 */
#define _GNU_SOURCE /* pipe2 */
#include "pair.h"

#include <sys/epoll.h>

enum { BATCH = 256 };

static void watch_end(int epoll_fd, struct side *end)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = end};
    check(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, end->in_fd, &event), "epoll_ctl");
}

/* A pair with one message on its way. */
static void open_pair(int epoll_fd, struct side ends[2], const char *transport, const char *message,
                      size_t bytes)
{
    pair_open(ends, transport);
    watch_end(epoll_fd, &ends[0]);
    watch_end(epoll_fd, &ends[1]);
    check(write(ends[0].out_fd, message, bytes), "write");
}

/* Of a socket recv and send are the shorter way. */
static void bounce(const struct side *end, char *buffer, size_t bytes, bool socket)
{
    ssize_t got = socket ? recv(end->in_fd, buffer, bytes, 0) : read(end->in_fd, buffer, bytes);
    if (check(got, "read") != (long)bytes) die("read", EMSGSIZE);
    ssize_t put =
        socket ? send(end->out_fd, buffer, bytes, MSG_NOSIGNAL) : write(end->out_fd, buffer, bytes);
    if (check(put, "write") != (long)bytes) die("write", EMSGSIZE);
}

int main(int argc, char **argv)
{
    if (argc != 6) die("usage: pairs_epoll PAIRS BYTES WARMUP_S WINDOW_S TRANSPORT", EINVAL);
    size_t pairs = strtoul(argv[1], NULL, 10), bytes = strtoul(argv[2], NULL, 10);
    struct side(*ends)[2] = allocate(pairs * sizeof(*ends));
    char *buffer = allocate(bytes);
    bool sockets = pair_is_socket(argv[5]);
    int epoll_fd = (int)check(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
    for (size_t i = 0; i < pairs; i++) open_pair(epoll_fd, ends[i], argv[5], buffer, bytes);

    struct stint stint = {0};
    await_go();
    stint_start(&stint, atof(argv[3]), atof(argv[4]));
    do {
        struct epoll_event events[BATCH];
        int count = (int)check(epoll_wait(epoll_fd, events, BATCH, -1), "epoll_wait");
        for (int i = 0; i < count; i++) bounce(events[i].data.ptr, buffer, bytes, sockets);
        stint.ops += (uint64_t)count;
    } while (stint_goes_on(&stint));
    stint_report(&stint);
    return 0;
}
