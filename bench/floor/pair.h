/* The ends of a pair: two pipes, or one connected pair of UNIX sockets. */
#ifndef ROTA_BENCH_PAIR_H
#define ROTA_BENCH_PAIR_H

#include "floor.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/socket.h>

/* One side of a pair: what it reads from and what it writes to. With sockets both are the same. */
struct side {
    int in_fd, out_fd;
};

static inline bool pair_is_socket(const char *transport)
{
    return strcmp(transport, "unix") == 0;
}

static inline void pair_open(struct side sides[2], const char *transport)
{
    int there[2], back[2];
    if (pair_is_socket(transport)) {
        check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, there),
              "socketpair");
        sides[0] = (struct side){.in_fd = there[0], .out_fd = there[0]};
        sides[1] = (struct side){.in_fd = there[1], .out_fd = there[1]};
        return;
    }
    check(pipe2(there, O_NONBLOCK | O_CLOEXEC), "pipe2");
    check(pipe2(back, O_NONBLOCK | O_CLOEXEC), "pipe2");
    sides[0] = (struct side){.in_fd = back[0], .out_fd = there[1]};
    sides[1] = (struct side){.in_fd = there[0], .out_fd = back[1]};
}

#endif
