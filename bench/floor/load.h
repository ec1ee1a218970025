/*
 * What the load generators share: a closed loop over many connections, on one epoll descriptor, and
 * the report. Processor time and memory of the server are read here, so that they are those of just
 * the window that is counted.
 *
 * A program defines `begin` (called once for each connection, before the clock starts) and
 * `readable` (called when something arrived), and calls `load_done` for each finished operation.
 */
#ifndef ROTA_BENCH_LOAD_H
#define ROTA_BENCH_LOAD_H

#include "floor.h"
#include "histogram.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum { BATCH = 256, GIVE_UP_MS = 5000, COMMON_ARGUMENTS = 6 };

struct connection {
    int fd;
    size_t index, received, expected;
    uint64_t sent_ns;
    char *request;
};

struct load {
    int epoll_fd, server_pid;
    struct sockaddr_in server;
    double seconds, warmup_s;
    size_t connections;
    struct connection *all;
    uint64_t operations; /* since the start, warm-up included */
    uint64_t opened;     /* connections, since the start */
    bool counting;
    struct histogram latency;
};

static void begin(struct load *load, struct connection *connection);
static void readable(struct load *load, struct connection *connection);

static inline long process_cpu_ns(int pid)
{
    clockid_t clock;
    int error = clock_getcpuclockid(pid, &clock);
    if (error) die("clock_getcpuclockid", error);
    return (long)clock_ns(clock);
}

/* Every connection has an address of its own: one address has too few ports for those that linger.
 */
static inline void bind_source(int fd, uint64_t number)
{
    struct sockaddr_in source = {.sin_family = AF_INET};
    int one = 1;
    source.sin_addr.s_addr = htonl(0x7f010001u + (uint32_t)(number / 1000 % 60000));
    check(setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one)), "NO_PORT");
    check(bind(fd, (const struct sockaddr *)&source, sizeof(source)), "bind");
}

static inline void load_open(struct load *load, struct connection *connection)
{
    int one = 1;
    connection->fd = (int)check(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
    bind_source(connection->fd, load->opened++);
    const struct sockaddr *server = (const struct sockaddr *)&load->server;
    check(connect(connection->fd, server, sizeof(load->server)), "connect");
    check(setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)), "TCP_NODELAY");
    check(fcntl(connection->fd, F_SETFL, O_NONBLOCK), "O_NONBLOCK");
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    check(epoll_ctl(load->epoll_fd, EPOLL_CTL_ADD, connection->fd, &event), "epoll_ctl");
}

static inline void load_send(struct connection *connection, size_t bytes)
{
    connection->received = 0;
    connection->sent_ns = clock_ns(CLOCK_MONOTONIC);
    long sent = check(send(connection->fd, connection->request, bytes, MSG_NOSIGNAL), "send");
    if (sent != (long)bytes) die("send", EMSGSIZE);
}

/* What arrived; a server that closes is an error. */
static inline size_t load_receive(const struct connection *connection, char *into, size_t room,
                                  int flags)
{
    long count = check(recv(connection->fd, into, room, flags), "recv");
    if (count == 0) die("the server closed a connection", ECONNRESET);
    return (size_t)count;
}

static inline void load_done(struct load *load, const struct connection *connection, uint64_t count)
{
    load->operations += count;
    if (!load->counting) return;
    histogram_add(&load->latency, clock_ns(CLOCK_MONOTONIC) - connection->sent_ns);
}

static inline void drive_until(struct load *load, uint64_t deadline_ns)
{
    do {
        struct epoll_event events[BATCH];
        int count = (int)check(epoll_wait(load->epoll_fd, events, BATCH, GIVE_UP_MS), "epoll_wait");
        if (count == 0) die("no answer from the server", ETIMEDOUT);
        for (int i = 0; i < count; i++) readable(load, events[i].data.ptr);
    } while (clock_ns(CLOCK_MONOTONIC) < deadline_ns);
}

static inline void print_report(const struct load *load, uint64_t operations, uint64_t wall_ns,
                                uint64_t cpu_ns)
{
    printf("{\"ops\":%lu,\"total_ops\":%lu,\"wall_ns\":%lu,\"cpu_ns\":%lu,\"rss_kb\":%ld",
           operations, load->operations, wall_ns, cpu_ns, rss_kb(load->server_pid));
    if (load->latency.total) {
        printf(",\"p50_ns\":%lu,\"p99_ns\":%lu", histogram_quantile(&load->latency, 0.50),
               histogram_quantile(&load->latency, 0.99));
    }
    puts("}");
}

static inline void load_measure(struct load *load)
{
    uint64_t start_ns = clock_ns(CLOCK_MONOTONIC);
    for (size_t i = 0; i < load->connections; i++) begin(load, &load->all[i]);
    drive_until(load, start_ns + (uint64_t)(load->warmup_s * 1e9));

    load->counting = true;
    uint64_t operations = load->operations, cpu_ns = (uint64_t)process_cpu_ns(load->server_pid);
    start_ns = clock_ns(CLOCK_MONOTONIC);
    drive_until(load, start_ns + (uint64_t)(load->seconds * 1e9));
    uint64_t wall_ns = clock_ns(CLOCK_MONOTONIC) - start_ns;
    print_report(load, load->operations - operations, wall_ns,
                 (uint64_t)process_cpu_ns(load->server_pid) - cpu_ns);
}

/* HOST PORT CONNECTIONS SECONDS WARMUP_S SERVER_PID, and what the program itself wants. */
static inline struct load *load_new(int argc, char **argv, int own_arguments)
{
    if (argc != 1 + COMMON_ARGUMENTS + own_arguments) {
        die("usage: HOST PORT CONNECTIONS SECONDS WARMUP_S SERVER_PID ...", EINVAL);
    }
    struct load *load = allocate(sizeof(*load));
    load->server.sin_family = AF_INET;
    load->server.sin_port = htons((uint16_t)atoi(argv[2]));
    if (inet_pton(AF_INET, argv[1], &load->server.sin_addr) != 1) die("HOST", EINVAL);
    load->connections = strtoul(argv[3], NULL, 10);
    load->seconds = atof(argv[4]);
    load->warmup_s = atof(argv[5]);
    load->server_pid = atoi(argv[6]);
    load->epoll_fd = (int)check(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
    load->all = allocate(load->connections * sizeof(*load->all));
    for (size_t i = 0; i < load->connections; i++) load->all[i].index = i;
    return load;
}

#endif
