/* The listening socket of the echo floors, and how they tell the harness where it is. */
#ifndef ROTA_BENCH_SERVER_H
#define ROTA_BENCH_SERVER_H

#include "floor.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>

static volatile sig_atomic_t stopping;

static inline void note_stop(int signal)
{
    (void)signal;
    stopping = 1;
}

/* The harness ends a server with TERM, as does its own end; without SA_RESTART it interrupts the
 * wait. */
static inline void stop_on_term(void)
{
    check(prctl(PR_SET_PDEATHSIG, SIGTERM), "prctl");
    struct sigaction action = {.sa_handler = note_stop};
    check(sigaction(SIGTERM, &action, NULL), "sigaction");
}

/* Listens on a free port of the loopback interface; accepted sockets inherit TCP_NODELAY. */
static inline int listen_loopback(int type_flags, uint16_t *port)
{
    int fd = (int)check(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | type_flags, 0), "socket");
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof(address);
    int one = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    check(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)), "TCP_NODELAY");
    check(bind(fd, (struct sockaddr *)&address, sizeof(address)), "bind");
    check(listen(fd, 4096), "listen");
    check(getsockname(fd, (struct sockaddr *)&address, &length), "getsockname");
    *port = ntohs(address.sin_port);
    return fd;
}

static inline void announce_port(uint16_t port)
{
    printf("ready {\"port\":%u}\n", port);
    fflush(stdout);
}

#endif
