/* What tests of an engine share: opening one, making ops, taking turns, counting descriptors. */
#ifndef ROTA_DRIVE_H
#define ROTA_DRIVE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* pipe2; before any other header */
#endif

#include "check.h"
#include "engine.h"

#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#define HIDE(name) (1u << ROTA_FEATURE_##name)

/* Which engine a test drives: io_uring's, or epoll's. */
static bool on_epoll;

static inline rota_engine_t *open_engine(rota_engine_options_t options)
{
    char why[256] = "";
    rota_engine_t *engine = NULL;
    int status = on_epoll ? rota_poller_open(&options, &engine, why, sizeof why)
                          : rota_ring_open(&options, &engine, why, sizeof why);
    if (status == -EPERM || status == -ENOSYS) check_skip(why);
    if (status < 0) printf("%s\n", why);
    REQUIRE(status == 0);
    return engine;
}

static inline rota_op_t *new_op(rota_engine_t *engine, rota_op_kind_t kind, int fd)
{
    rota_op_t *op = rota_op_take(&engine->ops);
    REQUIRE(op != NULL);
    op->kind = (uint8_t)kind;
    op->fd = op->descriptor = fd;
    op->offset = UINT64_MAX;
    return op;
}

static inline rota_op_t *submit(rota_engine_t *engine, rota_op_t *op)
{
    engine->api->submit(engine, op);
    return op;
}

static inline rota_op_t *submit_flagged(rota_engine_t *engine, rota_op_kind_t kind, int fd,
                                        void *memory, size_t length, uint32_t flags)
{
    rota_op_t *op = new_op(engine, kind, fd);
    op->memory = memory;
    op->length = (uint32_t)length;
    op->request_flags = flags;
    return submit(engine, op);
}

static inline rota_op_t *submit_bytes(rota_engine_t *engine, rota_op_kind_t kind, int fd,
                                      void *memory, size_t length)
{
    return submit_flagged(engine, kind, fd, memory, length, 0);
}

static inline rota_op_t *submit_plain(rota_engine_t *engine, rota_op_kind_t kind, int fd)
{
    return submit(engine, new_op(engine, kind, fd));
}

/* Takes the announcements off their list, as the runtime does; calls what asked to be called. */
static inline void hear(rota_engine_t *engine)
{
    for (rota_list_t *link; (link = rota_list_pop(&engine->completed));) {
        rota_op_t *op = ROTA_LIST_ENTRY(link, rota_op_t, link);
        if (op->complete) op->complete(op);
    }
}

static inline uint32_t turn(rota_engine_t *engine)
{
    CHECK(engine->api->flush(engine) == 0);
    uint32_t walked = engine->api->drain(engine);
    hear(engine);
    return walked;
}

/* Waits, for at most a second. */
static inline void turn_waiting(rota_engine_t *engine)
{
    int status = engine->api->wait(engine, ROTA_NS_PER_S);
    CHECK(status == 0);
    engine->api->drain(engine);
    hear(engine);
}

static inline bool until_done(rota_engine_t *engine, const rota_op_t *op)
{
    uint64_t limit = rota_now_ns() + 5 * (uint64_t)ROTA_NS_PER_S;
    while (op->state != ROTA_OP_DONE && rota_now_ns() < limit) turn_waiting(engine);
    return op->state == ROTA_OP_DONE;
}

/* The result of an op that nobody needs any more. */
static inline int32_t result_of(rota_engine_t *engine, rota_op_t *op)
{
    if (!CHECK(until_done(engine, op))) return -ETIME;
    int32_t result = op->result;
    rota_engine_release(engine, op);
    return result;
}

static inline rota_shot_t *first_shot(rota_op_t *op)
{
    rota_list_t *link = rota_list_pop(&op->shots);
    return link ? ROTA_LIST_ENTRY(link, rota_shot_t, link) : NULL;
}

/* Appends all received bytes to `to`; returns how many there were. */
static inline size_t take_bytes(rota_engine_t *engine, rota_op_t *op, char *to)
{
    size_t total = 0;
    for (rota_shot_t *shot; (shot = first_shot(op));) {
        memcpy(to + total, shot->data, shot->length);
        total += shot->length;
        engine->api->shot_release(engine, shot);
    }
    return total;
}

static inline int count_descriptors(void)
{
    int count = 0;
    DIR *directory = opendir("/proc/self/fd");
    REQUIRE(directory != NULL);
    while (readdir(directory)) count++;
    closedir(directory);
    return count;
}

/* Nothing may be left when a test is over. */
static inline void close_clean(rota_engine_t *engine)
{
    for (int i = 0; i < 50 && engine->ops.in_flight; i++) turn(engine);
    CHECK(engine->ops.in_use == 0);
    CHECK(engine->ops.in_flight == 0);
    CHECK(engine->ops.stale == 0);
    CHECK(engine->stats.queued == 0);
    CHECK(engine->stats.buffers_lent == 0);
    CHECK(engine->api->close(engine) == 0);
}

static inline void make_pair(int pair[2])
{
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
}

static inline void close_pair(int pair[2])
{
    close(pair[0]);
    close(pair[1]);
}

/* A listener on a free port of the loopback; *address says where. */
static inline int listen_tcp(struct sockaddr_in *address)
{
    socklen_t size = sizeof *address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *address = (struct sockaddr_in){.sin_family = AF_INET};
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(fd >= 0 && bind(fd, (struct sockaddr *)address, size) == 0 && listen(fd, 128) == 0);
    REQUIRE(getsockname(fd, (struct sockaddr *)address, &size) == 0);
    return fd;
}

static inline int connect_tcp(const struct sockaddr_in *address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(fd >= 0);
    REQUIRE(connect(fd, (const struct sockaddr *)address, sizeof *address) == 0);
    return fd;
}

static inline bool send_all(int fd, const void *bytes, size_t length)
{
    return send(fd, bytes, length, MSG_NOSIGNAL) == (ssize_t)length;
}

#endif
