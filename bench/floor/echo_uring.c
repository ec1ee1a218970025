/*
 * echo_uring [BODY_BYTES]
 *
 * The floor of bench/questions/tcp_echo.rb with io_uring: multishot accept, one multishot receive
 * per connection into a provided-buffer ring, bytes copied out and the buffer given back in the
 * same turn, sends of all connections submitted together with the next wait. Ends with TERM.
 *
 * With BODY_BYTES it is the floor of the HTTP questions: whatever arrives is taken for one request,
 * and the answer is always the same.
 */
#include "ring.h"
#include "server.h"

#include <sys/mman.h>

enum { ENTRIES = 1024, BUFFERS = 512, BUFFER_BYTES = 4096, GROUP = 0 };

/* What a completion is about: the kind stands in the low bits of a connection's address. */
enum kind { RECEIVED, SENT, ACCEPTED };

/* Bytes on their way out. */
struct outgoing {
    char *bytes;
    size_t used, room;
};

/*
 * At most one send is in flight on a connection (two would reorder bytes): `sending` belongs to the
 * kernel while its `used` is not 0, and what arrives meanwhile collects in `next`.
 * Freed when the receive has ended and no send is in flight.
 */
struct connection {
    int fd;
    bool ended;
    struct outgoing sending, next;
};

struct server {
    struct io_uring ring;
    struct io_uring_buf_ring *buffers;
    char *memory;
    int listener;
    uint64_t enters, entries;
    struct outgoing response; /* empty for an echo */
};

static struct io_uring_sqe *entry(struct server *server, struct connection *about, enum kind kind)
{
    struct io_uring_sqe *sqe = ring_entry(&server->ring, &server->enters);
    server->entries++;
    /* The prep functions of liburing 2.3 do not touch user_data. */
    sqe->user_data = (uintptr_t)about | (unsigned)kind;
    return sqe;
}

static void queue_accept(struct server *server)
{
    struct io_uring_sqe *sqe = entry(server, NULL, ACCEPTED);
    io_uring_prep_multishot_accept(sqe, server->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

static void queue_receive(struct server *server, struct connection *connection)
{
    struct io_uring_sqe *sqe = entry(server, connection, RECEIVED);
    io_uring_prep_recv_multishot(sqe, connection->fd, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = GROUP;
}

static void queue_send(struct server *server, struct connection *connection)
{
    struct outgoing full = connection->next;
    connection->next = connection->sending;
    connection->next.used = 0;
    connection->sending = full;
    struct io_uring_sqe *sqe = entry(server, connection, SENT);
    io_uring_prep_send(sqe, connection->fd, full.bytes, full.used, MSG_WAITALL | MSG_NOSIGNAL);
}

static void append(struct outgoing *out, const char *bytes, size_t count)
{
    if (out->used + count > out->room) {
        out->room = (out->used + count) * 2;
        out->bytes = realloc(out->bytes, out->room);
        if (!out->bytes) die("realloc", ENOMEM);
    }
    memcpy(out->bytes + out->used, bytes, count);
    out->used += count;
}

/* The answer is sent from where it stands: a client asks again only when it has the last one. */
static void queue_response(struct server *server, struct connection *connection)
{
    if (connection->sending.used) die("two requests at once", EBADMSG);
    connection->sending.used = server->response.used;
    struct io_uring_sqe *sqe = entry(server, connection, SENT);
    io_uring_prep_send(sqe, connection->fd, server->response.bytes, server->response.used,
                       MSG_WAITALL | MSG_NOSIGNAL);
}

static void give_back(struct server *server, unsigned bid)
{
    io_uring_buf_ring_add(server->buffers, server->memory + (size_t)bid * BUFFER_BYTES,
                          BUFFER_BYTES, (unsigned short)bid, io_uring_buf_ring_mask(BUFFERS), 0);
    io_uring_buf_ring_advance(server->buffers, 1);
}

static void release_when_over(struct connection *connection)
{
    if (!connection->ended || connection->sending.used) return;
    close(connection->fd);
    free(connection->sending.bytes);
    free(connection->next.bytes);
    free(connection);
}

static void on_accepted(struct server *server, const struct io_uring_cqe *cqe)
{
    struct connection *connection = allocate(sizeof(*connection));
    connection->fd = check_uring(cqe->res, "accept");
    queue_receive(server, connection);
    if (!(cqe->flags & IORING_CQE_F_MORE)) queue_accept(server);
}

static void on_received(struct server *server, struct connection *connection,
                        const struct io_uring_cqe *cqe)
{
    if (cqe->res > 0) {
        unsigned bid = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
        if (server->response.used) {
            queue_response(server, connection);
        } else {
            append(&connection->next, server->memory + (size_t)bid * BUFFER_BYTES,
                   (size_t)cqe->res);
        }
        give_back(server, bid);
        if (!connection->sending.used) queue_send(server, connection);
    }
    if (cqe->flags & IORING_CQE_F_MORE) return;
    /* Out of buffers, or the kernel ended the multishot after a good receive: go on. */
    if (cqe->res > 0 || cqe->res == -ENOBUFS) {
        queue_receive(server, connection);
    } else {
        connection->ended = true;
        release_when_over(connection);
    }
}

static void on_sent(struct server *server, struct connection *connection,
                    const struct io_uring_cqe *cqe)
{
    bool gone = cqe->res < 0;
    connection->sending.used = 0;
    if (connection->next.used && !gone) queue_send(server, connection);
    release_when_over(connection);
}

static void dispatch(struct server *server, const struct io_uring_cqe *cqe)
{
    struct connection *connection = (struct connection *)(uintptr_t)(cqe->user_data & ~3ull);
    switch ((enum kind)(cqe->user_data & 3)) {
    case RECEIVED: on_received(server, connection, cqe); break;
    case SENT: on_sent(server, connection, cqe); break;
    case ACCEPTED: on_accepted(server, cqe); break;
    }
}

static void *map_memory(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED) die("mmap", errno);
    return memory;
}

static void provide_buffers(struct server *server)
{
    server->buffers = map_memory(BUFFERS * sizeof(struct io_uring_buf));
    server->memory = map_memory((size_t)BUFFERS * BUFFER_BYTES);
    struct io_uring_buf_reg reg = {
        .ring_addr = (uintptr_t)server->buffers, .ring_entries = BUFFERS, .bgid = GROUP};
    check_uring(io_uring_register_buf_ring(&server->ring, &reg, 0), "register_buf_ring");
    io_uring_buf_ring_init(server->buffers);
    for (unsigned bid = 0; bid < BUFFERS; bid++) give_back(server, bid);
}

static void make_response(struct server *server, size_t body_bytes)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ";
    char text[128];
    int count = snprintf(text, sizeof(text), "%s%zu\r\n\r\n", head, body_bytes);
    append(&server->response, text, (size_t)count);
    char *body = allocate(body_bytes);
    memset(body, 'x', body_bytes);
    append(&server->response, body, body_bytes);
    free(body);
}

static void turn(struct server *server)
{
    int result = io_uring_submit_and_wait(&server->ring, 1);
    if (result < 0 && result != -EINTR) die("io_uring_submit_and_wait", -result);
    server->enters++;
    struct io_uring_cqe *cqe;
    unsigned head, count = 0;
    io_uring_for_each_cqe(&server->ring, head, cqe)
    {
        dispatch(server, cqe);
        count++;
    }
    io_uring_cq_advance(&server->ring, count);
}

int main(int argc, char **argv)
{
    uint16_t port;
    struct server server = {0};
    stop_on_term();
    if (argc > 1) make_response(&server, strtoul(argv[1], NULL, 10));
    server.listener = listen_loopback(0, &port);
    ring_open(&server.ring, ENTRIES);
    provide_buffers(&server);
    queue_accept(&server);
    announce_port(port);
    while (!stopping) turn(&server);
    printf("result {\"enters\":%lu,\"entries\":%lu}\n", server.enters, server.entries);
    return 0;
}
