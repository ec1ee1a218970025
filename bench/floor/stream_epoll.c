/*
 * stream_epoll
 *
 * The floor of bench/questions/streaming.rb with epoll: who has asked gets one send of a piece
 * whenever there is room. Ends with TERM.
 */
#define _GNU_SOURCE /* accept4 */
#include "server.h"

#include <sys/epoll.h>

enum { BATCH = 256, PIECE = 16384 };

static void control(int epoll_fd, int operation, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};
    check(epoll_ctl(epoll_fd, operation, fd, &event), "epoll_ctl");
}

static void accept_all(int epoll_fd, int listener)
{
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        control(epoll_fd, EPOLL_CTL_ADD, fd, EPOLLIN);
    }
    if (errno != EAGAIN) die("accept4", errno);
}

static void serve(int epoll_fd, int fd, uint32_t events)
{
    static char piece[PIECE];
    if (events & EPOLLOUT) {
        if (send(fd, piece, sizeof(piece), MSG_NOSIGNAL) < 0 && errno != EAGAIN) close(fd);
    } else if (recv(fd, piece, sizeof(piece), 0) > 0) {
        control(epoll_fd, EPOLL_CTL_MOD, fd, EPOLLOUT);
    } else {
        close(fd);
    }
}

int main(void)
{
    uint16_t port;
    stop_on_term();
    int listener = listen_loopback(SOCK_NONBLOCK, &port);
    int epoll_fd = (int)check(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
    control(epoll_fd, EPOLL_CTL_ADD, listener, EPOLLIN);
    announce_port(port);
    while (!stopping) {
        struct epoll_event events[BATCH];
        int count = epoll_wait(epoll_fd, events, BATCH, -1);
        if (count < 0 && errno != EINTR) die("epoll_wait", errno);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) {
                accept_all(epoll_fd, listener);
            } else {
                serve(epoll_fd, fd, events[i].events);
            }
        }
    }
    puts("result {}");
    return 0;
}
