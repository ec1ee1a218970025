/* The ops of both engines, one by one and through full queues: cancel and abandon in each state,
 * closing, waking. What receives into provided buffers is in test_multishot.c. */
#include "drive.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/uio.h>
#include <sys/wait.h>

static rota_engine_t *engine;

/* --- every kind --------------------------------------------------------------------------- */

static void test_reads_and_writes(void)
{
    int ends[2];
    char bytes[8] = "", more[8] = "";
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    CHECK(result_of(engine, submit_bytes(engine, ROTA_OP_WRITE, ends[1], "abc", 3)) == 3);
    CHECK(result_of(engine, submit_bytes(engine, ROTA_OP_READ, ends[0], bytes, 8)) == 3);
    CHECK(!memcmp(bytes, "abc", 3));
    struct iovec out[2] = {{"de", 2}, {"fgh", 3}}, in[2] = {{bytes, 1}, {more, 8}};
    CHECK(result_of(engine, submit_bytes(engine, ROTA_OP_WRITEV, ends[1], out, 2)) == 5);
    CHECK(result_of(engine, submit_bytes(engine, ROTA_OP_READV, ends[0], in, 2)) == 5);
    CHECK(bytes[0] == 'd' && !memcmp(more, "efgh", 4));
    CHECK(result_of(engine, submit_plain(engine, ROTA_OP_CLOSE, ends[1])) == 0);
    CHECK(result_of(engine, submit_bytes(engine, ROTA_OP_READ, ends[0], bytes, 8)) == 0);
    CHECK(result_of(engine, submit_plain(engine, ROTA_OP_CLOSE, ends[0])) == 0);
    CHECK(result_of(engine, submit_bytes(engine, ROTA_OP_READ, ends[0], bytes, 8)) == -EBADF);
}

static rota_op_t *submit_to_socket(rota_op_kind_t kind, int fd, void *memory, size_t length)
{
    return submit_flagged(engine, kind, fd, memory, length, ROTA_HINT_SOCKET);
}

static void check_pair(const int *ends)
{
    char bytes[4] = "";
    rota_op_t *reads = submit_to_socket(ROTA_OP_READ, ends[0], bytes, 4);
    turn(engine);
    CHECK(reads->state == ROTA_OP_IN_FLIGHT);
    CHECK(result_of(engine, submit_to_socket(ROTA_OP_WRITE, ends[1], "abc", 3)) == 3);
    CHECK(result_of(engine, reads) == 3 && !memcmp(bytes, "abc", 3));
    CHECK(result_of(engine, submit_to_socket(ROTA_OP_READ, ends[0], bytes, 0)) == 0);
    CHECK(result_of(engine, submit_to_socket(ROTA_OP_WRITE, ends[1], "", 0)) == 0);
    reads = submit_to_socket(ROTA_OP_READ, ends[0], bytes, 4);
    turn(engine);
    engine->api->cancel(engine, reads);
    CHECK(result_of(engine, reads) == -ECANCELED);
    close(ends[0]);
    CHECK(result_of(engine, submit_to_socket(ROTA_OP_WRITE, ends[1], "a", 1)) == -EPIPE);
    close(ends[1]);
}

/* True of the first pair, and not of the others. */
static void test_what_is_said_to_be_a_socket(void)
{
    int ends[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    check_pair(ends);
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    check_pair(ends);
    REQUIRE(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
    check_pair(ends);
}

/* There is nothing to wait for. */
static void test_nothing_is_moved_at_once(void)
{
    int ends[2];
    char bytes[4096] = "";
    REQUIRE(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
    struct iovec none[2] = {{bytes, 0}, {bytes, 0}};
    CHECK(result_of(engine, submit_bytes(engine, ROTA_OP_READ, ends[0], bytes, 0)) == 0);
    CHECK(result_of(engine, submit_bytes(engine, ROTA_OP_READV, ends[0], none, 2)) == 0);
    while (write(ends[1], bytes, sizeof bytes) > 0) continue;
    CHECK(result_of(engine, submit_bytes(engine, ROTA_OP_WRITE, ends[1], bytes, 0)) == 0);
    close_pair(ends);
}

static void test_files_have_positions(void)
{
    char bytes[8] = "";
    FILE *file = tmpfile();
    REQUIRE(file != NULL);
    rota_op_t *op = new_op(engine, ROTA_OP_WRITE, fileno(file));
    op->memory = "12345";
    op->length = 5;
    op->offset = 3;
    CHECK(result_of(engine, submit(engine, op)) == 5);
    op = new_op(engine, ROTA_OP_READ, fileno(file));
    op->memory = bytes;
    op->length = 8;
    op->offset = 4;
    CHECK(result_of(engine, submit(engine, op)) == 4);
    CHECK(!memcmp(bytes, "2345", 4));
    CHECK(result_of(engine, submit_plain(engine, ROTA_OP_FSYNC, fileno(file))) == 0);
    op = new_op(engine, ROTA_OP_FSYNC, fileno(file));
    op->request_flags = 1; /* data only */
    CHECK(result_of(engine, submit(engine, op)) == 0);
    fclose(file);
}

static rota_op_t *splice_op(rota_op_kind_t kind, int source, int target, uint32_t length)
{
    rota_op_t *op = new_op(engine, kind, target);
    op->request_flags = (uint32_t)source;
    op->length = length;
    return submit(engine, op);
}

static void test_splice_and_tee(void)
{
    int one[2], two[2];
    char bytes[8] = "";
    FILE *file = tmpfile();
    REQUIRE(file && pipe2(one, O_CLOEXEC) == 0 && pipe2(two, O_CLOEXEC) == 0);
    REQUIRE(pwrite(fileno(file), "abcdef", 6, 0) == 6);
    CHECK(result_of(engine, splice_op(ROTA_OP_SPLICE, one[0], two[1], 8)) == -EAGAIN);
    CHECK(result_of(engine, splice_op(ROTA_OP_SPLICE, fileno(file), one[1], 2)) == 2);
    CHECK(result_of(engine, splice_op(ROTA_OP_TEE, one[0], two[1], 8)) == 2);
    CHECK(result_of(engine, splice_op(ROTA_OP_SPLICE, one[0], two[1], 8)) == 2);
    rota_op_t *op = new_op(engine, ROTA_OP_SPLICE, two[1]);
    op->request_flags = (uint32_t)fileno(file);
    op->length = 8;
    op->offset = 5;
    CHECK(result_of(engine, submit(engine, op)) == 1);
    CHECK(read(two[0], bytes, 8) == 5 && !memcmp(bytes, "ababf", 5));
    CHECK(lseek(fileno(file), 0, SEEK_CUR) == 2);
    CHECK(result_of(engine, splice_op(ROTA_OP_SPLICE, fileno(file), fileno(file), 8)) == -EINVAL);
    close(one[1]);
    CHECK(result_of(engine, splice_op(ROTA_OP_SPLICE, one[0], two[1], 8)) == 0);
    close(one[0]);
    CHECK(result_of(engine, splice_op(ROTA_OP_SPLICE, one[0], two[1], 8)) == -EBADF);
    close(two[0]);
    close(two[1]);
    fclose(file);
}

static void test_sockets(void)
{
    struct sockaddr_in address;
    int listener = listen_tcp(&address), client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char bytes[8] = "";

    rota_op_t *accept_op = new_op(engine, ROTA_OP_ACCEPT, listener);
    accept_op->request_flags = SOCK_CLOEXEC;
    submit(engine, accept_op);
    rota_op_t *connect_op = submit_bytes(engine, ROTA_OP_CONNECT, client, &address, sizeof address);
    CHECK(result_of(engine, connect_op) == 0);
    int server = result_of(engine, accept_op);
    CHECK(server >= 0 && fcntl(server, F_GETFD) == FD_CLOEXEC);

    CHECK(result_of(engine, submit_bytes(engine, ROTA_OP_SEND, client, "hi", 2)) == 2);
    CHECK(result_of(engine, submit_bytes(engine, ROTA_OP_RECV, server, bytes, 8)) == 2);
    struct iovec out = {"yes", 3}, in = {bytes, 8};
    struct msghdr send = {.msg_iov = &out, .msg_iovlen = 1};
    struct msghdr receive = {.msg_iov = &in, .msg_iovlen = 1};
    CHECK(result_of(engine, submit_bytes(engine, ROTA_OP_SENDMSG, server, &send, 0)) == 3);
    CHECK(result_of(engine, submit_bytes(engine, ROTA_OP_RECVMSG, client, &receive, 0)) == 3);
    CHECK(!memcmp(bytes, "yes", 3));

    rota_op_t *op = new_op(engine, ROTA_OP_RECV, client);
    op->memory = bytes;
    op->length = 8;
    op->request_flags = MSG_DONTWAIT;
    CHECK(result_of(engine, submit(engine, op)) == -EAGAIN);
    close(server);
    CHECK(result_of(engine, submit_bytes(engine, ROTA_OP_RECV, client, bytes, 8)) == 0);
    close(client);
    close(listener);
}

/* A connection whose far end takes little, so that what is sent stays where it was. */
static void make_slow_connection(int ends[2])
{
    struct sockaddr_in address;
    int listener = listen_tcp(&address), room = 65536, much = 1 << 20;
    ends[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &room, sizeof room) == 0);
    REQUIRE(setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &much, sizeof much) == 0);
    REQUIRE(connect(ends[0], (struct sockaddr *)&address, sizeof address) == 0);
    ends[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    REQUIRE(ends[1] >= 0);
    close(listener);
}

static void read_all(int fd, size_t length)
{
    char bytes[4096];
    for (ssize_t got; length && (got = read(fd, bytes, sizeof bytes)) > 0;) length -= (size_t)got;
    CHECK(length == 0);
}

static uint32_t answered, notified;

static void count_announcements(rota_op_t *op)
{
    answered += op->state == ROTA_OP_SENT;
    notified += op->state == ROTA_OP_DONE;
}

/* First the result, then the word that the memory is free; a cancel comes too late for both. */
static void test_zero_copy_is_announced_twice(void)
{
    enum { MUCH = 200000 };
    static char bytes[MUCH];
    int ends[2];
    if (!rota_feature_granted(&engine->features, ROTA_FEATURE_zero_copy_send)) return;
    make_slow_connection(ends);
    for (int abandoned = 0; abandoned <= 1; abandoned++) {
        answered = notified = 0;
        rota_op_t *op = new_op(engine, ROTA_OP_SEND_ZERO_COPY, ends[0]);
        op->memory = bytes;
        op->length = MUCH;
        op->request_flags = MSG_WAITALL;
        op->complete = count_announcements;
        submit(engine, op);
        while (!rota_op_has_result(op)) turn_waiting(engine);
        CHECK(op->state == ROTA_OP_SENT && op->result == MUCH);
        CHECK(answered == 1 && notified == 0 && engine->ops.in_flight == 1);
        engine->api->cancel(engine, op);
        turn(engine);
        CHECK(op->state == ROTA_OP_SENT);
        if (abandoned) rota_engine_abandon(engine, op);
        read_all(ends[1], MUCH);
        if (!abandoned) {
            CHECK(result_of(engine, op) == MUCH);
            CHECK(notified == 1);
        }
        while (engine->ops.in_flight) turn_waiting(engine);
        CHECK(engine->ops.in_use == 0);
    }
    CHECK(engine->stats.zero_copies == 2);
    close_pair(ends);
}

static void test_zero_copy_that_is_refused_or_cancelled(void)
{
    static char bytes[4 << 20];
    int pair[2], ends[2];
    if (!rota_feature_granted(&engine->features, ROTA_FEATURE_zero_copy_send)) return;
    make_pair(pair);
    CHECK(result_of(engine, submit_bytes(engine, ROTA_OP_SEND_ZERO_COPY, pair[0], bytes, 10)) ==
          -EOPNOTSUPP);
    close_pair(pair);
    make_slow_connection(ends);
    rota_op_t *op = new_op(engine, ROTA_OP_SEND_ZERO_COPY, ends[0]);
    op->memory = bytes;
    op->length = sizeof bytes;
    op->request_flags = MSG_WAITALL;
    submit(engine, op);
    for (int i = 0; i < 5; i++) turn(engine);
    CHECK(op->state == ROTA_OP_IN_FLIGHT); /* more than there is room for */
    engine->api->cancel(engine, op);
    while (!rota_op_has_result(op)) turn_waiting(engine);
    CHECK(op->result > 0 && op->result < (int32_t)sizeof bytes);
    read_all(ends[1], (size_t)op->result);
    CHECK(result_of(engine, op) > 0);
    close_pair(ends);
}

static void test_poll(void)
{
    int ends[2];
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    rota_op_t *op = new_op(engine, ROTA_OP_POLL, ends[0]);
    op->request_flags = POLLIN;
    submit(engine, op);
    turn(engine);
    CHECK(op->state == ROTA_OP_IN_FLIGHT);
    REQUIRE(write(ends[1], "x", 1) == 1);
    CHECK(result_of(engine, op) & POLLIN);
    close_pair(ends);
}

static rota_op_t *poll_for(int fd, uint32_t events)
{
    rota_op_t *op = new_op(engine, ROTA_OP_POLL, fd);
    op->request_flags = events;
    return submit(engine, op);
}

/* A hang-up is told to whoever asked for nothing. */
static void test_a_poll_for_nothing_hears_of_the_end(void)
{
    int ends[2];
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    rota_op_t *op = poll_for(ends[0], 0);
    turn(engine);
    CHECK(op->state == ROTA_OP_IN_FLIGHT);
    close(ends[1]);
    CHECK(result_of(engine, op) == POLLHUP);
    close(ends[0]);
}

/* A file is readable and writable all the time, and never anything else. */
static void test_a_poll_that_no_file_answers(void)
{
    FILE *file = tmpfile();
    REQUIRE(file != NULL);
    CHECK(result_of(engine, poll_for(fileno(file), POLLOUT)) == POLLOUT);
    CHECK(result_of(engine, poll_for(fileno(file), POLLPRI)) == -EINVAL);
    fclose(file);
}

/* O_NONBLOCK means that nobody waits in a system call, not that the op does not wait. */
static void test_a_nonblocking_file_is_waited_for(void)
{
    char bytes[512], path[] = "/tmp/rota-XXXXXX";
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    REQUIRE(fd >= 0 && mkdtemp(path) && inotify_add_watch(fd, path, IN_DELETE_SELF) >= 0);
    rota_op_t *op = submit_bytes(engine, ROTA_OP_READ, fd, bytes, sizeof bytes);
    for (int i = 0; i < 3; i++) turn(engine);
    CHECK(op->state == ROTA_OP_IN_FLIGHT);
    rmdir(path);
    CHECK(result_of(engine, op) > 0);

    op = submit_bytes(engine, ROTA_OP_READ, fd, bytes, sizeof bytes);
    (void)!read(fd, bytes, sizeof bytes); /* IN_IGNORED */
    for (int i = 0; i < 3; i++) turn(engine);
    engine->api->cancel(engine, op);
    int result = result_of(engine, op);
    CHECK(result == -ECANCELED || result > 0);
    close(fd);
}

static pid_t child_that_ends_after_a_byte(int from)
{
    pid_t pid = fork();
    REQUIRE(pid >= 0);
    if (pid > 0) return pid;
    char byte;
    _exit(read(from, &byte, 1) == 1 ? 7 : 1);
}

static rota_op_t *submit_waitid(idtype_t type, id_t id)
{
    rota_op_t *op = new_op(engine, ROTA_OP_WAITID, (int)id);
    op->length = type;
    op->request_flags = WEXITED | WNOWAIT;
    return submit(engine, op);
}

/* It says that a child has ended, and leaves it to be waited for. */
static void test_children(void)
{
    int ends[2], status = 0;
    if (!rota_feature_granted(&engine->features, ROTA_FEATURE_waitid)) {
        CHECK(result_of(engine, submit_waitid(P_ALL, 0)) < 0);
        return;
    }
    CHECK(result_of(engine, submit_waitid(P_ALL, 0)) == -ECHILD);
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    pid_t pid = child_that_ends_after_a_byte(ends[0]);
    rota_op_t *one = submit_waitid(P_PID, (id_t)pid), *any = submit_waitid(P_ALL, 0);
    rota_op_t *cancelled = submit_waitid(P_PID, (id_t)pid);
    turn(engine);
    CHECK(one->state == ROTA_OP_IN_FLIGHT || one->state == ROTA_OP_QUEUED);
    engine->api->cancel(engine, cancelled);
    CHECK(result_of(engine, cancelled) == -ECANCELED);
    CHECK(write(ends[1], "x", 1) == 1);
    CHECK(result_of(engine, one) == 0);
    CHECK(result_of(engine, any) == 0);
    CHECK(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 7);
    CHECK(result_of(engine, submit_waitid(P_PID, (id_t)pid)) == -ECHILD);
    close(ends[0]);
    close(ends[1]);
}

static void test_slots(void)
{
    int ends[2];
    char byte = 0;
    if (!rota_feature_granted(&engine->features, ROTA_FEATURE_registered_files)) return;
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    int slot = engine->api->slot_hold(engine, ends[0]);
    CHECK(slot >= 0 && engine->stats.slots_used == 1);
    close(ends[0]); /* the table does not know yet */
    ends[0] = -1;
    rota_op_t *op = new_op(engine, ROTA_OP_READ, slot);
    op->flags |= ROTA_OPF_SLOT;
    op->memory = &byte;
    op->length = 1;
    CHECK(result_of(engine, submit(engine, op)) == -EBADF);
    engine->api->slot_drop(engine, slot);
    turn(engine);
    CHECK(engine->stats.slots_used == 0);
    close(ends[1]);

    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    slot = engine->api->slot_hold(engine, ends[0]);
    turn(engine);
    close(ends[0]);
    REQUIRE(write(ends[1], "x", 1) == 1);
    op = new_op(engine, ROTA_OP_READ, slot);
    op->flags |= ROTA_OPF_SLOT;
    op->memory = &byte;
    op->length = 1;
    CHECK(result_of(engine, submit(engine, op)) == 1 && byte == 'x');
    engine->api->slot_drop(engine, slot);
    turn(engine);
    close(ends[1]);
}

/* --- full queues -------------------------------------------------------------------------- */

enum { MANY = 100 };

static int completed_count;

static void count_completion(rota_op_t *op)
{
    (void)op;
    completed_count++;
}

static void test_more_ops_than_entries(void)
{
    rota_op_t *ops[MANY];
    completed_count = 0;
    for (int i = 0; i < MANY; i++) {
        ops[i] = new_op(engine, ROTA_OP_NOP, -1);
        ops[i]->complete = count_completion;
        submit(engine, ops[i]);
    }
    for (int i = 0; i < 1000 && completed_count < MANY; i++) turn(engine);
    CHECK(completed_count == MANY);
    for (int i = 0; i < MANY; i++) CHECK(result_of(engine, ops[i]) == 0);
}

/* What does not fit waits on the overflow list, and nothing overtakes it. */
static void test_the_overflow_list_keeps_the_order(void)
{
    int ends[2];
    char bytes[MANY], got[MANY];
    rota_op_t *ops[MANY];
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    for (int i = 0; i < MANY; i++) {
        bytes[i] = (char)i;
        ops[i] = submit_bytes(engine, ROTA_OP_WRITE, ends[1], &bytes[i], 1);
        if (i == MANY / 2) turn(engine);
    }
    for (int i = 0; i < MANY; i++) CHECK(result_of(engine, ops[i]) == 1);
    CHECK(read(ends[0], got, MANY) == MANY && !memcmp(got, bytes, MANY));
    close_pair(ends);
}

static void test_completions_beyond_the_queue_are_not_lost(void)
{
    int ends[2];
    char bytes[MANY], out[MANY] = "";
    rota_op_t *ops[MANY];
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    for (int i = 0; i < MANY; i++) {
        ops[i] = submit_bytes(engine, ROTA_OP_READ, ends[0], &bytes[i], 1);
    }
    turn(engine);
    REQUIRE(write(ends[1], out, MANY) == MANY);
    for (int i = 0; i < MANY; i++) CHECK(result_of(engine, ops[i]) == 1);
    close_pair(ends);
}

/* --- cancel in each state ----------------------------------------------------------------- */

static void test_cancel_before_the_kernel_saw_it(void)
{
    int ends[2];
    char byte;
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    rota_op_t *op = submit_bytes(engine, ROTA_OP_READ, ends[0], &byte, 1);
    engine->api->cancel(engine, op);
    engine->api->cancel(engine, op); /* harmless */
    CHECK(op->flags & ROTA_OPF_CANCELLED);
    CHECK(result_of(engine, op) == -ECANCELED);
    close_pair(ends);
}

static void test_cancel_in_flight(void)
{
    int ends[2];
    char byte;
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    rota_op_t *op = submit_bytes(engine, ROTA_OP_READ, ends[0], &byte, 1);
    turn(engine);
    CHECK(op->state == ROTA_OP_IN_FLIGHT);
    engine->api->cancel(engine, op);
    CHECK(result_of(engine, op) == -ECANCELED);
    close_pair(ends);
}

static void test_completed_before_the_cancel_keeps_its_result(void)
{
    int ends[2];
    char byte = 0;
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    REQUIRE(write(ends[1], "x", 1) == 1);
    rota_op_t *op = submit_bytes(engine, ROTA_OP_READ, ends[0], &byte, 1);
    CHECK(engine->api->flush(engine) == 0); /* complete, but not drained */
    engine->api->cancel(engine, op);
    CHECK(result_of(engine, op) == 1 && byte == 'x');

    op = submit_plain(engine, ROTA_OP_NOP, -1);
    CHECK(until_done(engine, op));
    engine->api->cancel(engine, op); /* DONE: harmless */
    CHECK(op->state == ROTA_OP_DONE && op->result == 0);
    rota_engine_release(engine, op);
    turn(engine); /* the first cancel finds nothing, and may */
    close_pair(ends);
}

/* A full submission queue, so that the next op waits on the overflow list. */
static void fill_queue(void)
{
    while (engine->stats.queued == 0) submit_plain(engine, ROTA_OP_NOP, -1);
}

/* Takes all NOPs that are done. */
static void release_done_nops(void)
{
    while (engine->api->unsubmitted(engine) > 0 || engine->ops.in_flight > 0) turn(engine);
    for (uint32_t i = 0; i < rota_ops_capacity(&engine->ops); i++) {
        rota_op_t *op = rota_op_at(&engine->ops, i);
        if (op->state == ROTA_OP_DONE && op->kind == ROTA_OP_NOP) rota_engine_release(engine, op);
    }
}

static void test_cancel_on_the_overflow_list(void)
{
    char byte;
    fill_queue();
    uint32_t queued = engine->stats.queued;
    rota_op_t *op = submit_bytes(engine, ROTA_OP_READ, 0, &byte, 1);
    CHECK(op->state == ROTA_OP_QUEUED && engine->stats.queued == queued + 1);
    engine->api->cancel(engine, op);
    CHECK(op->state == ROTA_OP_DONE && op->result == -ECANCELED);
    CHECK(engine->stats.queued == queued && engine->completed.next == &op->link);
    engine->api->cancel(engine, op); /* harmless */
    rota_engine_release(engine, op);
    CHECK(rota_list_empty(&engine->completed));
    release_done_nops();
}

static void test_many_cancels_at_once(void)
{
    int ends[2];
    char bytes[MANY];
    rota_op_t *ops[MANY];
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    for (int i = 0; i < MANY; i++) {
        ops[i] = submit_bytes(engine, ROTA_OP_READ, ends[0], &bytes[i], 1);
    }
    turn(engine);
    for (int i = 0; i < MANY; i++) engine->api->cancel(engine, ops[i]);
    for (int i = 0; i < MANY; i++) CHECK(result_of(engine, ops[i]) == -ECANCELED);
    CHECK(engine->api->unsubmitted(engine) == 0);
    close_pair(ends);
}

/* --- abandon in each state ---------------------------------------------------------------- */

static void test_abandon_what_was_never_submitted(void)
{
    rota_op_t *op = new_op(engine, ROTA_OP_READ, 0);
    op->payload = malloc(10);
    rota_engine_abandon(engine, op);
    CHECK(engine->ops.in_use == 0);
}

/* A write and a close that nobody waits for still happen. */
static void test_abandon_on_the_overflow_list(void)
{
    int ends[2];
    char bytes[4] = "";
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    fill_queue();
    rota_op_t *op = submit_bytes(engine, ROTA_OP_WRITE, ends[1], "bye", 3);
    rota_engine_abandon(engine, op);
    rota_engine_abandon(engine, submit_plain(engine, ROTA_OP_CLOSE, ends[1]));
    rota_op_t *cancelled = submit_bytes(engine, ROTA_OP_WRITE, ends[1], "no", 2);
    rota_engine_abandon(engine, cancelled);
    engine->api->cancel(engine, cancelled);
    CHECK(cancelled->state == ROTA_OP_FREE);
    release_done_nops();
    CHECK(read(ends[0], bytes, 4) == 3 && !memcmp(bytes, "bye", 3));
    CHECK(read(ends[0], bytes, 4) == 0);
    close(ends[0]);
}

static void test_abandon_in_flight(void)
{
    int ends[2];
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    rota_op_t *op = new_op(engine, ROTA_OP_READ, ends[0]);
    op->payload = op->memory = malloc(4);
    op->length = 4;
    submit(engine, op);
    turn(engine);
    engine->api->cancel(engine, op);
    rota_engine_abandon(engine, op);
    CHECK(op->state == ROTA_OP_ABANDONED && engine->ops.in_flight == 1);
    for (int i = 0; i < 5 && engine->ops.in_use; i++) turn(engine);
    CHECK(engine->ops.in_use == 0 && rota_list_empty(&engine->completed));
    close_pair(ends);
}

static void test_abandon_when_done_and_announced(void)
{
    rota_op_t *op = submit_plain(engine, ROTA_OP_NOP, -1);
    CHECK(engine->api->flush(engine) == 0);
    engine->api->drain(engine);
    CHECK(op->state == ROTA_OP_DONE && rota_list_linked(&op->link));
    rota_engine_abandon(engine, op);
    CHECK(engine->ops.in_use == 0 && rota_list_empty(&engine->completed));
}

/* The client sees the end of its connection, whenever the accept was given up. */
static void test_abandoned_accepts_close_what_they_accept(void)
{
    struct sockaddr_in address;
    int listener = listen_tcp(&address);
    char byte;
    for (int done_first = 0; done_first < 2; done_first++) {
        rota_op_t *op = submit_plain(engine, ROTA_OP_ACCEPT, listener);
        turn(engine);
        if (!done_first) rota_engine_abandon(engine, op);
        int client = connect_tcp(&address);
        turn_waiting(engine);
        if (done_first) {
            CHECK(until_done(engine, op));
            rota_engine_abandon(engine, op);
        }
        CHECK(engine->ops.in_use == 0);
        CHECK(recv(client, &byte, 1, 0) == 0);
        close(client);
    }
    close(listener);
}

/* --- waiting ------------------------------------------------------------------------------ */

static void test_wait_has_a_limit(void)
{
    turn(engine);
    uint64_t before = rota_now_ns();
    CHECK(engine->api->wait(engine, 5 * ROTA_NS_PER_MS) == -ETIME);
    CHECK(rota_now_ns() - before >= 5 * (uint64_t)ROTA_NS_PER_MS);
    CHECK(engine->api->wait(engine, 0) == 0);
    CHECK(engine->api->drain(engine) == 0 && !engine->api->ready(engine));
}

static void test_wait_does_not_sleep_over_completions(void)
{
    rota_op_t *op = submit_plain(engine, ROTA_OP_NOP, -1);
    CHECK(engine->api->unsubmitted(engine) > 0);
    CHECK(engine->api->flush(engine) == 0);
    CHECK(engine->api->ready(engine));
    CHECK(engine->api->wait(engine, -1) == 0); /* would sleep for ever */
    CHECK(result_of(engine, op) == 0);
}

static atomic_int woken;

/* Three times: wakes, and waits until it was noticed. */
static void *wake_and_see(void *unused)
{
    (void)unused;
    for (int i = 0; i < 3; i++) {
        usleep(2000);
        rota_wake_up(&engine->wake);
        while (atomic_load(&woken) == i) usleep(100);
    }
    return NULL;
}

static void sleep_until_woken(void)
{
    bool sleeps = rota_wake_prepare(&engine->wake);
    int status = engine->api->wait(engine, sleeps ? 5 * ROTA_NS_PER_S : 0);
    CHECK(status == 0);
    engine->api->drain(engine);
    if (rota_wake_finish(&engine->wake)) atomic_fetch_add(&woken, 1);
}

static void test_another_thread_wakes(void)
{
    pthread_t thread;
    atomic_store(&woken, 0);
    pthread_create(&thread, NULL, wake_and_see, NULL);
    while (atomic_load(&woken) < 3) sleep_until_woken();
    pthread_join(thread, NULL);
    CHECK(rota_list_empty(&engine->completed));
}

static void ignore_signal(int signal)
{
    (void)signal;
}

static void test_a_signal_interrupts_the_wait(void)
{
    struct sigaction action = {.sa_handler = ignore_signal}, old;
    sigaction(SIGALRM, &action, &old);
    ualarm(3000, 0);
    turn(engine);
    CHECK(engine->api->wait(engine, 5 * ROTA_NS_PER_S) == -EINTR);
    sigaction(SIGALRM, &old, NULL);
}

static void *use_foreign_engine(void *status)
{
    *(int *)status = engine->api->flush(engine);
    return NULL;
}

static void test_a_thread_that_is_not_the_owner_is_told(void)
{
    pthread_t thread;
    int status = 0;
    if (!rota_feature_granted(&engine->features, ROTA_FEATURE_defer_taskrun)) return;
    turn(engine);
    pthread_create(&thread, NULL, use_foreign_engine, &status);
    pthread_join(thread, NULL);
    CHECK(status == -EEXIST || status == -EINVAL || status == -EBADF);
}

/* --- closing ------------------------------------------------------------------------------ */

static void test_close_counts_what_the_kernel_keeps(void)
{
    static char byte;
    int ends[2];
    rota_engine_t *other = open_engine((rota_engine_options_t){0});
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    submit_bytes(other, ROTA_OP_READ, ends[0], &byte, 1);
    turn(other);
    CHECK(other->api->close(other) == (on_epoll ? 0 : 1)); /* epoll's kernel keeps nothing */
    close_pair(ends);
}

static void test_close_frees_what_was_not_taken(void)
{
    struct sockaddr_in address;
    int listener = listen_tcp(&address);
    char byte;
    rota_engine_t *other = open_engine((rota_engine_options_t){0});
    rota_op_t *op = submit_plain(other, ROTA_OP_ACCEPT, listener);
    rota_op_t *unsubmitted = new_op(other, ROTA_OP_NOP, -1);
    unsubmitted->payload = malloc(8);
    int client = connect_tcp(&address);
    CHECK(until_done(other, op));
    CHECK(other->api->close(other) == 0);
    CHECK(recv(client, &byte, 1, 0) == 0);
    close(client);
    close(listener);
}

static rota_engine_options_t closing_options;

static rota_op_t *read_slot(rota_engine_t *own, int slot, char *byte)
{
    rota_op_t *op = new_op(own, ROTA_OP_READ, slot);
    op->memory = byte;
    op->length = 1;
    op->flags |= ROTA_OPF_SLOT;
    return submit(own, op);
}

/* As a finalizer does, whose thread has a loop of its own: that one keeps its registered files and
 * its buffers. */
static void *close_foreign_engine(void *other)
{
    int files[2], sockets[2];
    char byte = 0;
    make_pair(sockets);
    REQUIRE(pipe2(files, O_CLOEXEC) == 0);
    rota_engine_t *own = open_engine(closing_options);
    rota_engine_t *foreign = other;
    rota_op_t *receiving = submit_plain(own, ROTA_OP_RECV_MULTI, sockets[0]);
    int slot = own->api->slot_hold(own, files[0]);
    turn(own);
    CHECK(foreign->api->close(foreign) == 0);
    CHECK(result_of(own, submit_plain(own, ROTA_OP_NOP, -1)) == 0);
    CHECK(send_all(sockets[1], "a", 1));
    while (receiving->state != ROTA_OP_DONE && rota_list_empty(&receiving->shots))
        turn_waiting(own);
    CHECK(take_bytes(own, receiving, &byte) == 1 && byte == 'a');
    if (slot >= 0) {
        REQUIRE(write(files[1], "b", 1) == 1);
        CHECK(result_of(own, read_slot(own, slot, &byte)) == 1 && byte == 'b');
        own->api->slot_drop(own, slot);
    }
    rota_engine_abandon(own, receiving);
    close_clean(own);
    close_pair(sockets);
    close_pair(files);
    return NULL;
}

static void test_another_thread_closes(void)
{
    pthread_t thread;
    int pair[2];
    make_pair(pair);
    rota_engine_t *other = open_engine(closing_options);
    rota_op_t *op = submit_plain(other, ROTA_OP_RECV_MULTI, pair[0]);
    turn(other);
    rota_engine_abandon(other, op);
    turn(other);
    CHECK(other->api->slot_hold(other, pair[0]) >= 0 || on_epoll);
    pthread_create(&thread, NULL, close_foreign_engine, other);
    pthread_join(thread, NULL);
    close_pair(pair);
}

/* Of two that wait in one socket the kernel tells the first. Here that never looks, as one would
 * not whose process was killed. */
static void test_a_connection_of_which_another_ring_was_told(void)
{
    struct sockaddr_in address;
    rota_engine_t *other = open_engine((rota_engine_options_t){0});
    engine = open_engine((rota_engine_options_t){0});
    int listener = listen_tcp(&address);
    rota_op_t *told = submit_plain(other, ROTA_OP_ACCEPT, listener);
    turn(other);
    rota_op_t *op = submit_plain(engine, ROTA_OP_ACCEPT, listener);
    turn(engine);
    int client = connect_tcp(&address);
    uint64_t limit = rota_now_ns() + 5 * (uint64_t)ROTA_NS_PER_S;
    while (op->state != ROTA_OP_DONE && rota_now_ns() < limit) {
        engine->api->wait(engine, ROTA_NS_PER_S);
        engine->api->drain(engine);
        hear(engine);
    }
    CHECK(result_of(engine, op) == ROTA_ENDED_EARLY);
    int fd = result_of(engine, submit_plain(engine, ROTA_OP_ACCEPT, listener));
    CHECK(fd >= 0);
    other->api->cancel(other, told);
    CHECK(result_of(other, told) == -ECANCELED);
    close(fd);
    close(client);
    close(listener);
    close_clean(engine);
    close_clean(other);
}

static void test_refusals_say_why(void)
{
    char why[256] = "";
    rota_engine_t *none = NULL;
    rota_engine_options_t options = {.hidden = HIDE(io_uring)};
    CHECK(rota_ring_open(&options, &none, why, sizeof why) == -ENOSYS && !none);
    CHECK(strstr(why, "no io_uring"));
    options.hidden = HIDE(defer_taskrun) | HIDE(coop_taskrun);
    CHECK(rota_ring_open(&options, &none, why, sizeof why) < 0 && !none);
}

/* --- all of it, on several rings ---------------------------------------------------------- */

static void run_all(const char *name, rota_engine_options_t options)
{
    printf("%s\n", name);
    int descriptors = count_descriptors();
    engine = open_engine(options);
    RUN(test_reads_and_writes);
    RUN(test_what_is_said_to_be_a_socket);
    RUN(test_nothing_is_moved_at_once);
    RUN(test_files_have_positions);
    RUN(test_splice_and_tee);
    RUN(test_sockets);
    RUN(test_zero_copy_is_announced_twice);
    RUN(test_zero_copy_that_is_refused_or_cancelled);
    RUN(test_poll);
    RUN(test_a_poll_for_nothing_hears_of_the_end);
    RUN(test_a_poll_that_no_file_answers);
    RUN(test_a_nonblocking_file_is_waited_for);
    RUN(test_children);
    RUN(test_slots);
    RUN(test_more_ops_than_entries);
    RUN(test_the_overflow_list_keeps_the_order);
    RUN(test_completions_beyond_the_queue_are_not_lost);
    RUN(test_cancel_before_the_kernel_saw_it);
    RUN(test_cancel_in_flight);
    RUN(test_completed_before_the_cancel_keeps_its_result);
    RUN(test_cancel_on_the_overflow_list);
    RUN(test_many_cancels_at_once);
    RUN(test_abandon_what_was_never_submitted);
    RUN(test_abandon_on_the_overflow_list);
    RUN(test_abandon_in_flight);
    RUN(test_abandon_when_done_and_announced);
    RUN(test_abandoned_accepts_close_what_they_accept);
    RUN(test_wait_has_a_limit);
    RUN(test_wait_does_not_sleep_over_completions);
    RUN(test_another_thread_wakes);
    RUN(test_a_signal_interrupts_the_wait);
    RUN(test_a_thread_that_is_not_the_owner_is_told);
    close_clean(engine);
    CHECK(count_descriptors() == descriptors);
}

static void run_closing(void)
{
    RUN(test_close_counts_what_the_kernel_keeps);
    RUN(test_close_frees_what_was_not_taken);
    RUN(test_another_thread_closes);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    on_epoll = true;
    run_all("epoll", (rota_engine_options_t){0});
    run_closing();
    on_epoll = false;
    run_all("defaults", (rota_engine_options_t){0});
    run_all("tiny queues", (rota_engine_options_t){.entries = 2, .cq_entries = 4});
    run_all("one entry", (rota_engine_options_t){.entries = 1, .cq_entries = 1});
    run_all("lower rung", (rota_engine_options_t){.hidden = HIDE(defer_taskrun)});
    run_all("lower rung, tiny queues",
            (rota_engine_options_t){.hidden = HIDE(defer_taskrun), .entries = 2, .cq_entries = 4});
    run_all("bare", (rota_engine_options_t){.hidden = HIDE(registered_ring) | HIDE(no_iowait) |
                                                      HIDE(registered_files)});
    closing_options.hidden = HIDE(defer_taskrun); /* there the kernel does not know the owner */
    run_closing();
    closing_options.hidden = 0;
    run_closing();
    RUN(test_a_connection_of_which_another_ring_was_told);
    RUN(test_refusals_say_why);
    return check_end();
}
