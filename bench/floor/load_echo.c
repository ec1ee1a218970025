/*
 * load_echo HOST PORT CONNECTIONS BYTES SECONDS WARMUP_S SERVER_PID
 *
 * A closed loop: every connection has one request on its way and sends the next when the last came
 * back whole. Each answer is compared with its request. Prints one line of JSON; processor time and
 * memory of SERVER_PID are read here, so that they are those of just the window that is counted.
 */
#define _GNU_SOURCE /* SOCK_CLOEXEC, SOCK_NONBLOCK */
#include "floor.h"
#include "histogram.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum { BATCH = 256, GIVE_UP_MS = 5000 };

struct connection {
    int fd;
    size_t received;
    uint64_t sent_ns;
    char *request;
};

struct load {
    int epoll_fd;
    size_t connections, bytes;
    struct connection *all;
    char *answer;
    uint64_t requests; /* since the start, warm-up included */
    bool counting;
    struct histogram latency;
};

static void send_request(const struct load *load, struct connection *connection)
{
    connection->received = 0;
    connection->sent_ns = clock_ns(CLOCK_MONOTONIC);
    long sent = check(send(connection->fd, connection->request, load->bytes, MSG_NOSIGNAL), "send");
    if (sent != (long)load->bytes) die("send", EMSGSIZE);
}

/* Each connection says something of its own, so that a mix-up of answers is noticed. */
static char *make_request(size_t bytes, size_t index)
{
    char *request = allocate(bytes);
    for (size_t i = 0; i < bytes; i++) request[i] = (char)('a' + (index * 31 + i) % 26);
    return request;
}

static void open_connection(struct load *load, size_t index, const struct sockaddr_in *server)
{
    struct connection *connection = &load->all[index];
    int one = 1;
    connection->fd = (int)check(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
    check(connect(connection->fd, (const struct sockaddr *)server, sizeof(*server)), "connect");
    check(setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)), "TCP_NODELAY");
    check(fcntl(connection->fd, F_SETFL, O_NONBLOCK), "O_NONBLOCK");
    connection->request = make_request(load->bytes, index);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    check(epoll_ctl(load->epoll_fd, EPOLL_CTL_ADD, connection->fd, &event), "epoll_ctl");
}

static void receive_answer(struct load *load, struct connection *connection)
{
    size_t missing = load->bytes - connection->received;
    long count = check(recv(connection->fd, load->answer, missing, 0), "recv");
    if (count == 0) die("the server closed a connection", ECONNRESET);
    if (memcmp(load->answer, connection->request + connection->received, (size_t)count) != 0) {
        die("the answer differs from the request", EBADMSG);
    }
    connection->received += (size_t)count;
    if (connection->received < load->bytes) return;
    load->requests++;
    if (load->counting) {
        histogram_add(&load->latency, clock_ns(CLOCK_MONOTONIC) - connection->sent_ns);
    }
    send_request(load, connection);
}

static void drive_until(struct load *load, uint64_t deadline_ns)
{
    do {
        struct epoll_event events[BATCH];
        int count = (int)check(epoll_wait(load->epoll_fd, events, BATCH, GIVE_UP_MS), "epoll_wait");
        if (count == 0) die("no answer from the server", ETIMEDOUT);
        for (int i = 0; i < count; i++) receive_answer(load, events[i].data.ptr);
    } while (clock_ns(CLOCK_MONOTONIC) < deadline_ns);
}

static uint64_t process_cpu_ns(int pid)
{
    clockid_t clock;
    int error = clock_getcpuclockid(pid, &clock);
    if (error) die("clock_getcpuclockid", error);
    return clock_ns(clock);
}

static void measure(struct load *load, double seconds, double warmup_s, int server_pid)
{
    uint64_t start_ns = clock_ns(CLOCK_MONOTONIC);
    for (size_t i = 0; i < load->connections; i++) send_request(load, &load->all[i]);
    drive_until(load, start_ns + (uint64_t)(warmup_s * 1e9));

    load->counting = true;
    uint64_t requests = load->requests, cpu_ns = process_cpu_ns(server_pid);
    uint64_t own_cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    start_ns = clock_ns(CLOCK_MONOTONIC);
    drive_until(load, start_ns + (uint64_t)(seconds * 1e9));
    uint64_t wall_ns = clock_ns(CLOCK_MONOTONIC) - start_ns;
    own_cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - own_cpu_ns;
    cpu_ns = process_cpu_ns(server_pid) - cpu_ns;
    printf("{\"ops\":%lu,\"total_ops\":%lu,\"wall_ns\":%lu,\"cpu_ns\":%lu,\"load_cpu_ns\":%lu,"
           "\"p50_ns\":%lu,\"p99_ns\":%lu,\"rss_kb\":%ld}\n",
           load->requests - requests, load->requests, wall_ns, cpu_ns, own_cpu_ns,
           histogram_quantile(&load->latency, 0.50), histogram_quantile(&load->latency, 0.99),
           rss_kb(server_pid));
}

int main(int argc, char **argv)
{
    if (argc != 8) {
        die("usage: load_echo HOST PORT CONNECTIONS BYTES SECONDS WARMUP_S SERVER_PID", EINVAL);
    }
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[2]))};
    if (inet_pton(AF_INET, argv[1], &server.sin_addr) != 1) die("HOST is not an address", EINVAL);
    struct load *load = allocate(sizeof(*load));
    load->epoll_fd = (int)check(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
    load->connections = strtoul(argv[3], NULL, 10);
    load->bytes = strtoul(argv[4], NULL, 10);
    load->all = allocate(load->connections * sizeof(*load->all));
    load->answer = allocate(load->bytes);
    for (size_t i = 0; i < load->connections; i++) open_connection(load, i, &server);
    measure(load, atof(argv[5]), atof(argv[6]), atoi(argv[7]));
    return 0;
}
