/*
 * echo_epoll
 *
 * The floor of bench/questions/tcp_echo.rb with epoll: level-triggered, each connection registered
 * once, one recv and one send per message. Ends with TERM.
 */
#define _GNU_SOURCE /* accept4 */
#include "server.h"

#include <sys/epoll.h>

enum { BATCH = 256, CHUNK = 16384 };

static void watch(int epoll_fd, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    check(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
}

static void accept_all(int epoll_fd, int listener)
{
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        watch(epoll_fd, fd);
    }
    if (errno != EAGAIN) die("accept4", errno);
}

/* A peer that does not read what it sent is not what is measured: a short send is an error. */
static void echo(int fd)
{
    static char buffer[CHUNK];
    ssize_t count = recv(fd, buffer, sizeof(buffer), 0);
    if (count <= 0) {
        close(fd);
    } else if (check(send(fd, buffer, (size_t)count, MSG_NOSIGNAL), "send") != count) {
        die("send", EMSGSIZE);
    }
}

int main(void)
{
    uint16_t port;
    stop_on_term();
    int listener = listen_loopback(SOCK_NONBLOCK, &port);
    int epoll_fd = (int)check(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
    watch(epoll_fd, listener);
    announce_port(port);
    while (!stopping) {
        struct epoll_event events[BATCH];
        int count = epoll_wait(epoll_fd, events, BATCH, -1);
        if (count < 0 && errno != EINTR) die("epoll_wait", errno);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == listener) {
                accept_all(epoll_fd, listener);
            } else {
                echo(events[i].data.fd);
            }
        }
    }
    puts("result {}");
    return 0;
}
