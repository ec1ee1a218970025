/* What is the epoll engine's alone: lines of ops on one descriptor, numbers that are closed and
 * used again, registrations that outlive them, files that block. What both engines do is in
 * test_ring.c and test_multishot.c. */
#include "drive.h"
#include "watch.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>

static rota_engine_t *engine;

static void open_poller(void)
{
    on_epoll = true;
    engine = open_engine((rota_engine_options_t){0});
}

static rota_op_t *reading(int fd, void *memory, size_t length)
{
    return submit_bytes(engine, ROTA_OP_READ, fd, memory, length);
}

/* --- lines -------------------------------------------------------------------------------- */

static void test_both_directions_wait_at_once(void)
{
    static char much[1 << 20];
    char byte = 0;
    int pair[2];
    make_pair(pair);
    rota_op_t *receives = submit_bytes(engine, ROTA_OP_RECV, pair[0], &byte, 1);
    rota_op_t *sends = new_op(engine, ROTA_OP_SEND, pair[0]);
    sends->memory = much;
    sends->length = sizeof much;
    sends->request_flags = MSG_WAITALL;
    submit(engine, sends);
    turn(engine);
    CHECK(receives->state == ROTA_OP_IN_FLIGHT && sends->state == ROTA_OP_IN_FLIGHT);
    CHECK(send_all(pair[1], "x", 1));
    CHECK(result_of(engine, receives) == 1 && byte == 'x');
    size_t got = 0;
    for (ssize_t n; got < sizeof much && (n = read(pair[1], much, 65536)) > 0; turn(engine)) {
        got += (size_t)n;
    }
    CHECK(got == sizeof much && result_of(engine, sends) == sizeof much);
    close_pair(pair);
}

/* Who came first is served first, also when the later one's bytes are there at once. */
static void test_a_direction_is_a_line(void)
{
    enum { COUNT = 20 };
    char bytes[COUNT];
    rota_op_t *ops[COUNT];
    int ends[2];
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    for (int i = 0; i < COUNT / 2; i++) ops[i] = reading(ends[0], &bytes[i], 1);
    turn(engine);
    REQUIRE(write(ends[1], "abcdefghijklmnopqrst", COUNT) == COUNT);
    for (int i = COUNT / 2; i < COUNT; i++) ops[i] = reading(ends[0], &bytes[i], 1);
    for (int i = 0; i < COUNT; i++) CHECK(result_of(engine, ops[i]) == 1 && bytes[i] == 'a' + i);
    close_pair(ends);
}

static void test_a_cancel_in_the_middle_of_a_line(void)
{
    char bytes[3] = "";
    rota_op_t *ops[3];
    int ends[2];
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    for (int i = 0; i < 3; i++) ops[i] = reading(ends[0], &bytes[i], 1);
    turn(engine);
    engine->api->cancel(engine, ops[1]);
    CHECK(result_of(engine, ops[1]) == -ECANCELED);
    REQUIRE(write(ends[1], "xy", 2) == 2);
    CHECK(result_of(engine, ops[0]) == 1 && result_of(engine, ops[2]) == 1);
    CHECK(bytes[0] == 'x' && bytes[2] == 'y');
    close_pair(ends);
}

static void test_polls_hold_up_nobody(void)
{
    char byte;
    int ends[2];
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    rota_op_t *polls[3];
    for (int i = 0; i < 3; i++) {
        polls[i] = new_op(engine, ROTA_OP_POLL, ends[0]);
        polls[i]->request_flags = POLLIN;
        submit(engine, polls[i]);
    }
    turn(engine);
    rota_op_t *op = reading(ends[0], &byte, 1);
    turn(engine);
    REQUIRE(write(ends[1], "x", 1) == 1);
    for (int i = 0; i < 3; i++) CHECK(result_of(engine, polls[i]) & POLLIN);
    CHECK(result_of(engine, op) == 1);
    close_pair(ends);
}

/* What a send with MSG_WAITALL has moved is told when it is cancelled. */
static void test_a_cancelled_send_says_how_much_went_out(void)
{
    static char much[4 << 20];
    int pair[2];
    make_pair(pair);
    rota_op_t *op = new_op(engine, ROTA_OP_SEND, pair[0]);
    op->memory = much;
    op->length = sizeof much;
    op->request_flags = MSG_WAITALL;
    submit(engine, op);
    turn(engine);
    engine->api->cancel(engine, op);
    int32_t sent = result_of(engine, op);
    CHECK(sent > 0 && sent < (int32_t)sizeof much);
    fcntl(pair[1], F_SETFL, O_NONBLOCK);
    int32_t got = 0;
    for (ssize_t n; (n = read(pair[1], much, sizeof much)) > 0;) got += (int32_t)n;
    CHECK(got == sent);
    close_pair(pair);
}

static void test_a_receive_waits_for_all_of_it(void)
{
    char bytes[8] = "";
    int pair[2];
    make_pair(pair);
    rota_op_t *op = new_op(engine, ROTA_OP_RECV, pair[0]);
    op->memory = bytes;
    op->length = 8;
    op->request_flags = MSG_WAITALL;
    submit(engine, op);
    CHECK(send_all(pair[1], "abc", 3));
    turn(engine);
    CHECK(op->state == ROTA_OP_IN_FLIGHT);
    CHECK(send_all(pair[1], "defgh", 5));
    CHECK(result_of(engine, op) == 8 && !memcmp(bytes, "abcdefgh", 8));
    close_pair(pair);
}

/* --- O_NONBLOCK --------------------------------------------------------------------------- */

static bool blocks(int fd)
{
    return !(fcntl(fd, F_GETFL) & O_NONBLOCK);
}

/* Nothing blocks on blocking descriptors, and nobody's flags are changed. */
static void test_blocking_descriptors_stay_blocking(void)
{
    static char much[1 << 20];
    char bytes[16];
    int ends[2], pair[2];
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    make_pair(pair);
    rota_op_t *ops[] = {
        reading(ends[0], bytes, 1),
        submit_bytes(engine, ROTA_OP_WRITE, ends[1], much, sizeof much),
        reading(pair[0], bytes + 1, 1),
        submit_bytes(engine, ROTA_OP_WRITE, pair[1], much, sizeof much),
    };
    turn(engine);
    for (int i = 0; i < 4; i++) {
        engine->api->cancel(engine, ops[i]);
        CHECK(until_done(engine, ops[i]));
        rota_engine_release(engine, ops[i]);
    }
    for (int i = 0; i < 2; i++) {
        CHECK(blocks(ends[i]) && blocks(pair[i]));
    }
    close_pair(ends);
    close_pair(pair);
}

/* Another process may take the connection that was reported. */
static void test_accepting_never_blocks(void)
{
    struct sockaddr_in address;
    int listener = listen_tcp(&address), pair[2];
    make_pair(pair);
    CHECK(result_of(engine, submit_plain(engine, ROTA_OP_ACCEPT, pair[0])) == -EINVAL);
    CHECK(blocks(listener) && blocks(pair[0]));
    rota_op_t *op = submit_plain(engine, ROTA_OP_ACCEPT, listener);
    turn(engine);
    CHECK(op->state == ROTA_OP_IN_FLIGHT && !blocks(listener));
    int first = connect_tcp(&address);
    REQUIRE(engine->api->flush(engine) == 0);
    int taken = accept(listener, NULL, NULL);
    engine->api->drain(engine);
    CHECK(taken >= 0 && op->state == ROTA_OP_IN_FLIGHT);
    int second = connect_tcp(&address);
    int32_t accepted = result_of(engine, op);
    CHECK(accepted >= 0);
    int fds[] = {listener, first, taken, second, accepted};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) close(fds[i]);
    close_pair(pair);
}

static void test_who_may_not_is_told(void)
{
    char byte;
    int ends[2];
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    CHECK(result_of(engine, reading(ends[1], &byte, 1)) == -EBADF);
    CHECK(result_of(engine, submit_bytes(engine, ROTA_OP_WRITE, ends[0], "x", 1)) == -EBADF);
    CHECK(result_of(engine, reading(-1, &byte, 1)) == -EBADF);
    CHECK(result_of(engine, submit_plain(engine, ROTA_OP_CLOSE, 99999)) == -EBADF);
    rota_op_t *op = new_op(engine, ROTA_OP_POLL, 99999);
    op->request_flags = POLLIN;
    CHECK(result_of(engine, submit(engine, op)) == -EBADF);
    close_pair(ends);
}

/* Whoever only polls needs no right to read. */
static void test_a_poll_proves_no_right(void)
{
    char byte;
    int ends[2];
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    rota_op_t *op = new_op(engine, ROTA_OP_POLL, ends[1]);
    op->request_flags = POLLIN;
    submit(engine, op);
    turn(engine);
    CHECK(result_of(engine, reading(ends[1], &byte, 1)) == -EBADF);
    engine->api->cancel(engine, op);
    CHECK(result_of(engine, op) == -ECANCELED);
    close_pair(ends);
}

/* The engine closes it, and the number is somebody's who wants no events of it. */
static void test_a_refused_descriptor_of_its_own_is_forgotten(void)
{
    rota_watches_t watches;
    REQUIRE(rota_watches_open(&watches) == 0);
    CHECK(rota_watches_add_own(&watches, 99999, 2) == -EBADF);
    watches.stale = true;
    CHECK(rota_watches_renew(&watches) == 0);
    rota_watches_close(&watches);
}

/* The master of a terminal: full, with nobody who reads, then gone. */
static void test_a_terminal_never_blocks(void)
{
    static char much[1 << 18];
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), written = 0;
    REQUIRE(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    REQUIRE(slave >= 0);
    for (int fd = master, end = 0; end < 2; fd = slave, end++) {
        rota_op_t *op = NULL;
        for (int i = 0; i < 2000; i++) {
            op = new_op(engine, ROTA_OP_WRITE, fd);
            op->memory = much;
            op->length = sizeof much;
            op->request_flags = ROTA_HINT_TERMINAL;
            submit(engine, op);
            for (int j = 0; j < 3 && op->state != ROTA_OP_DONE; j++) turn(engine);
            if (op->state != ROTA_OP_DONE) break;
            CHECK(op->result > 0);
            written += op->result;
            rota_engine_release(engine, op);
        }
        CHECK(op->state == ROTA_OP_IN_FLIGHT && written > 0);
        engine->api->cancel(engine, op);
        CHECK(result_of(engine, op) == -ECANCELED);
    }
    rota_op_t *op = new_op(engine, ROTA_OP_WRITE, master);
    op->memory = much;
    op->length = 1;
    op->request_flags = ROTA_HINT_TERMINAL;
    submit(engine, op);
    turn(engine);
    close(slave);
    CHECK(until_done(engine, op));
    CHECK(op->result == -EIO || op->result == 1);
    rota_engine_release(engine, op);
    close(master);
}

/* --- numbers ------------------------------------------------------------------------------ */

/* Closed by others, used again by others: the ones that wait for the old file never get a byte of
 * the new one. */
static void test_a_number_that_is_another_files(void)
{
    char old = 0, new = 0;
    int first[2], second[2];
    REQUIRE(pipe2(first, O_CLOEXEC) == 0 && pipe2(second, O_CLOEXEC) == 0);
    rota_op_t *waits = reading(first[0], &old, 1);
    turn(engine);
    REQUIRE(dup3(second[0], first[0], O_CLOEXEC) == first[0]);
    rota_op_t *comes = reading(first[0], &new, 1);
    rota_op_t *poll_op = new_op(engine, ROTA_OP_POLL, first[0]);
    poll_op->request_flags = POLLIN;
    submit(engine, poll_op);
    turn(engine);
    CHECK(write(second[1], "ne", 2) == 2);
    CHECK(result_of(engine, waits) == -EBADF && old == 0);
    CHECK(result_of(engine, comes) == 1 && new == 'n');
    CHECK(result_of(engine, poll_op) & POLLIN);
    close_pair(first);
    close_pair(second);
}

/* A level-triggered registration lives on with a duplicate when its number is closed behind the
 * engine's back. It must not keep the loop awake. */
static void test_a_registration_that_outlives_its_number(void)
{
    int pair[2];
    char got[8];
    make_pair(pair);
    rota_op_t *op = submit_plain(engine, ROTA_OP_RECV_MULTI, pair[0]);
    turn(engine);
    int copy = fcntl(pair[0], F_DUPFD_CLOEXEC, 0);
    rota_engine_abandon(engine, op);
    turn(engine);
    close(pair[0]);
    CHECK(send_all(pair[1], "noise", 5));
    turn_waiting(engine); /* it is heard once */
    turn(engine);
    CHECK(engine->api->wait(engine, 5 * ROTA_NS_PER_MS) == -ETIME);
    op = submit_plain(engine, ROTA_OP_RECV_MULTI, copy);
    turn(engine);
    CHECK(take_bytes(engine, op, got) == 5);
    rota_engine_abandon(engine, op);
    turn(engine);
    close(copy);
    close(pair[1]);
}

/* The same when the engine closes, and a child holds the file. */
static void test_a_child_holds_what_was_closed(void)
{
    int pair[2], status = 0, go[2];
    char byte;
    make_pair(pair);
    REQUIRE(pipe2(go, O_CLOEXEC) == 0);
    rota_op_t *op = submit_plain(engine, ROTA_OP_RECV_MULTI, pair[0]);
    turn(engine);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) _exit(read(go[0], &byte, 1) == 1 ? 0 : 1);
    rota_engine_abandon(engine, op);
    CHECK(result_of(engine, submit_plain(engine, ROTA_OP_CLOSE, pair[0])) == 0);
    CHECK(send_all(pair[1], "noise", 5));
    turn(engine);
    CHECK(engine->api->wait(engine, 5 * ROTA_NS_PER_MS) == -ETIME);
    CHECK(write(go[1], "g", 1) == 1 && waitpid(pid, &status, 0) == pid && status == 0);
    close(pair[1]);
    close_pair(go);
}

/* As in the kernel: what was asked for before the close still has its file, and the number is free.
 */
static void test_closing_leaves_those_that_wait_their_file(void)
{
    static char much[1 << 20];
    int pair[2], descriptors = count_descriptors();
    make_pair(pair);
    rota_op_t *op = new_op(engine, ROTA_OP_SEND, pair[0]);
    op->memory = much;
    op->length = sizeof much;
    op->request_flags = MSG_WAITALL;
    submit(engine, op);
    turn(engine);
    CHECK(op->state == ROTA_OP_IN_FLIGHT);
    CHECK(result_of(engine, submit_plain(engine, ROTA_OP_CLOSE, pair[0])) == 0);
    CHECK(fcntl(pair[0], F_GETFD) < 0 && errno == EBADF);
    size_t got = 0;
    for (ssize_t n; got < sizeof much && (n = read(pair[1], much, 65536)) > 0; turn(engine)) {
        got += (size_t)n;
    }
    CHECK(got == sizeof much && result_of(engine, op) == sizeof much);
    CHECK(read(pair[1], much, 1) == 0); /* the duplicate is closed */
    close(pair[1]);
    CHECK(count_descriptors() == descriptors);

    make_pair(pair);
    op = submit_bytes(engine, ROTA_OP_RECV, pair[0], much, 1);
    CHECK(result_of(engine, submit_plain(engine, ROTA_OP_CLOSE, pair[0])) == 0);
    engine->api->cancel(engine, op);
    CHECK(result_of(engine, op) == -ECANCELED);
    CHECK(read(pair[1], much, 1) == 0);
    close(pair[1]);
    CHECK(count_descriptors() == descriptors);
}

/* An error queue is a state that a receive does not change: reported once, not for ever. */
static void test_a_state_that_helps_nobody_is_no_reason_to_spin(void)
{
    int sockets[2], on = 1;
    char got[8];
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int i = 0; i < 2; i++) {
        sockets[i] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        REQUIRE(bind(sockets[i], (struct sockaddr *)&address, size) == 0);
    }
    REQUIRE(getsockname(sockets[1], (struct sockaddr *)&address, &size) == 0);
    REQUIRE(connect(sockets[0], (struct sockaddr *)&address, size) == 0);
    setsockopt(sockets[0], IPPROTO_IP, IP_RECVERR, &on, sizeof on);
    close(sockets[1]); /* so that a datagram comes back as an error */
    CHECK(send(sockets[0], "x", 1, 0) == 1);
    usleep(1000);
    (void)recv(sockets[0], got, 1, MSG_DONTWAIT); /* takes the pending error, leaves the queue */
    rota_op_t *op = submit_bytes(engine, ROTA_OP_RECV, sockets[0], got, 8);
    for (int i = 0; i < 4; i++) turn(engine);
    CHECK(op->state == ROTA_OP_IN_FLIGHT);
    CHECK(engine->api->wait(engine, 2 * ROTA_NS_PER_MS) == -ETIME);
    engine->api->cancel(engine, op);
    CHECK(result_of(engine, op) == -ECANCELED);
    close(sockets[0]);
}

/* --- what blocks -------------------------------------------------------------------------- */

static int open_file(void)
{
    char path[] = "/tmp/rota-XXXXXX";
    int fd = mkostemp(path, O_CLOEXEC);
    REQUIRE(fd >= 0);
    unlink(path);
    return fd;
}

static void drop_cache(int fd)
{
    fsync(fd);
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

/* Writes and reads at the file's own position, in the order in which they were asked for. */
static void test_files_keep_the_order(void)
{
    enum { COUNT = 50, SIZE = 4096 };
    static char out[COUNT][SIZE], in[COUNT][SIZE];
    rota_op_t *ops[COUNT];
    int fd = open_file();
    for (int i = 0; i < COUNT; i++) {
        memset(out[i], i + 1, SIZE);
        ops[i] = submit_bytes(engine, ROTA_OP_WRITE, fd, out[i], SIZE);
    }
    rota_op_t *sync = submit_plain(engine, ROTA_OP_FSYNC, fd);
    for (int i = 0; i < COUNT; i++) CHECK(result_of(engine, ops[i]) == SIZE);
    CHECK(result_of(engine, sync) == 0);
    drop_cache(fd);
    CHECK(lseek(fd, 0, SEEK_SET) == 0);
    for (int i = 0; i < COUNT; i++) ops[i] = reading(fd, in[i], SIZE);
    for (int i = 0; i < COUNT; i++) CHECK(result_of(engine, ops[i]) == SIZE);
    CHECK(!memcmp(in, out, sizeof in));
    close(fd);
}

/* The number stays open until those that have it are through. */
static void test_close_waits_for_helpers(void)
{
    enum { COUNT = 20, SIZE = 1 << 16 };
    static char bytes[COUNT][SIZE];
    rota_op_t *ops[COUNT];
    int fd = open_file();
    for (int i = 0; i < COUNT; i++) CHECK(write(fd, bytes[i], SIZE) == SIZE);
    drop_cache(fd);
    for (int i = 0; i < COUNT; i++) {
        ops[i] = new_op(engine, ROTA_OP_READ, fd);
        ops[i]->memory = bytes[i];
        ops[i]->length = SIZE;
        ops[i]->offset = (uint64_t)i * SIZE;
        submit(engine, ops[i]);
    }
    rota_op_t *sync = submit_plain(engine, ROTA_OP_FSYNC, fd);
    rota_op_t *closing = submit_plain(engine, ROTA_OP_CLOSE, fd);
    for (int i = 0; i < COUNT; i++) CHECK(result_of(engine, ops[i]) == SIZE);
    CHECK(result_of(engine, sync) == 0);
    CHECK(result_of(engine, closing) == 0);
    CHECK(fcntl(fd, F_GETFD) < 0);
}

/* One that is cancelled lets those behind it go on, and the close comes behind them all. */
static void test_close_behind_an_order_that_is_cancelled(void)
{
    enum { COUNT = 4, SIZE = 1 << 16 };
    static char bytes[COUNT][SIZE];
    rota_op_t *ops[COUNT];
    int fd = open_file();
    for (int i = 0; i < COUNT; i++) CHECK(write(fd, bytes[i], SIZE) == SIZE);
    drop_cache(fd);
    REQUIRE(lseek(fd, 0, SEEK_SET) == 0);
    for (int i = 0; i < COUNT; i++) ops[i] = reading(fd, bytes[i], SIZE);
    rota_op_t *closing = submit_plain(engine, ROTA_OP_CLOSE, fd);
    CHECK(engine->api->flush(engine) == 0);
    for (int i = 0; i < COUNT; i++) engine->api->cancel(engine, ops[i]);
    for (int i = 0; i < COUNT; i++) {
        int32_t result = result_of(engine, ops[i]);
        CHECK(result == SIZE || result == -ECANCELED);
    }
    CHECK(result_of(engine, closing) == 0);
    CHECK(fcntl(fd, F_GETFD) < 0);
}

static void test_helpers_and_cancels(void)
{
    enum { COUNT = 200 };
    rota_op_t *ops[COUNT];
    int fd = open_file();
    for (int i = 0; i < COUNT; i++) ops[i] = submit_plain(engine, ROTA_OP_FSYNC, fd);
    turn(engine);
    for (int i = 0; i < COUNT; i += 2) engine->api->cancel(engine, ops[i]);
    for (int i = 1; i < COUNT; i += 4) rota_engine_abandon(engine, ops[i]);
    for (int i = 0; i < COUNT; i++) {
        if (i % 4 == 1) continue;
        int32_t result = result_of(engine, ops[i]);
        CHECK(result == 0 || (i % 2 == 0 && result == -ECANCELED));
    }
    for (int i = 0; i < 100 && engine->ops.in_use; i++) turn_waiting(engine);
    CHECK(engine->ops.in_use == 0);
    close(fd);
}

/* A UNIX listener whose backlog is full gives no sign when it has room again. */
static void test_a_connect_waits_for_the_backlog(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t size = sizeof address;
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), clients[8], count = 0;
    REQUIRE(bind(listener, (struct sockaddr *)&address, sizeof(sa_family_t)) == 0);
    REQUIRE(listen(listener, 0) == 0);
    REQUIRE(getsockname(listener, (struct sockaddr *)&address, &size) == 0);
    for (; count < 8; count++) {
        clients[count] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (connect(clients[count], (struct sockaddr *)&address, size) < 0) break;
    }
    REQUIRE(count < 8 && errno == EAGAIN);
    rota_op_t *op = submit_bytes(engine, ROTA_OP_CONNECT, clients[count], &address, size);
    for (int i = 0; i < 3; i++) turn(engine);
    CHECK(op->state == ROTA_OP_IN_FLIGHT);
    close(accept(listener, NULL, NULL));
    CHECK(result_of(engine, op) == 0);
    int other = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    op = submit_bytes(engine, ROTA_OP_CONNECT, other, &address, size);
    turn(engine);
    engine->api->cancel(engine, op);
    CHECK(result_of(engine, op) == -ECANCELED);
    close(other);
    for (int i = 0; i <= count; i++) close(clients[i]);
    close(listener);
}

/* A blocking socket connects beside the loop, and stops when nobody wants it. */
static void test_a_blocking_connect(void)
{
    struct sockaddr_in nowhere = {.sin_family = AF_INET, .sin_port = htons(9)};
    nowhere.sin_addr.s_addr = htonl(0xC6336401); /* 198.51.100.1: for documentation, unreachable */
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    rota_op_t *op = submit_bytes(engine, ROTA_OP_CONNECT, fd, &nowhere, sizeof nowhere);
    uint64_t start_ns = rota_now_ns();
    turn(engine);
    CHECK(rota_now_ns() - start_ns < (uint64_t)ROTA_NS_PER_S);
    usleep(2000);
    engine->api->cancel(engine, op);
    int32_t result = result_of(engine, op);
    CHECK(result <= 0); /* what the network of this machine says to it is no matter here */
    close(fd);
}

/* --- the rest ----------------------------------------------------------------------------- */

static void test_features_are_refused(void)
{
    CHECK(engine->features.granted == 0 && engine->receives_many);
    CHECK(engine->api->slot_hold(engine, 0) == -EOPNOTSUPP);
    CHECK(!strcmp(engine->api->name, "epoll"));
}

static void test_peek_sees_what_ready_cannot(void)
{
    char byte;
    int ends[2];
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    rota_op_t *op = reading(ends[0], &byte, 1);
    turn(engine);
    CHECK(!engine->api->peek(engine));
    REQUIRE(write(ends[1], "x", 1) == 1);
    CHECK(!engine->api->ready(engine) && engine->api->peek(engine));
    CHECK(engine->api->ready(engine));
    CHECK(result_of(engine, op) == 1);
    close_pair(ends);
}

/* More events than one look brings; several hundred descriptors in both directions. */
static void test_many_descriptors(void)
{
    enum { COUNT = 300 };
    static int pairs[COUNT][2];
    static rota_op_t *ops[COUNT];
    char bytes[COUNT] = "";
    for (int i = 0; i < COUNT; i++) {
        make_pair(pairs[i]);
        ops[i] = submit_bytes(engine, ROTA_OP_RECV, pairs[i][0], &bytes[i], 1);
    }
    turn(engine);
    for (int i = 0; i < COUNT; i++) CHECK(send_all(pairs[i][1], "x", 1));
    for (int i = 0; i < COUNT; i++) {
        CHECK(result_of(engine, ops[i]) == 1);
        close_pair(pairs[i]);
    }
}

static void test_close_with_helpers_at_work(void)
{
    static char bytes[1 << 16];
    int fd = open_file();
    CHECK(write(fd, bytes, sizeof bytes) == sizeof bytes);
    rota_engine_t *other = open_engine((rota_engine_options_t){0});
    for (int i = 0; i < 50; i++) submit_plain(other, ROTA_OP_FSYNC, fd);
    turn(other);
    uint32_t lost = other->api->close(other); /* what is under way may be lost, nothing else */
    CHECK(lost <= 8);
    close(fd);
}

/* Of those that wait for one another a helper has one. */
static void test_close_with_an_order_at_work(void)
{
    enum { COUNT = 8, SIZE = 1 << 16 };
    static char bytes[COUNT][SIZE];
    int fd = open_file();
    for (int i = 0; i < COUNT; i++) CHECK(write(fd, bytes[i], SIZE) == SIZE);
    drop_cache(fd);
    REQUIRE(lseek(fd, 0, SEEK_SET) == 0);
    rota_engine_t *other = open_engine((rota_engine_options_t){0});
    for (int i = 0; i < COUNT; i++) submit_bytes(other, ROTA_OP_READ, fd, bytes[i], SIZE);
    CHECK(other->api->flush(other) == 0);
    CHECK(other->api->close(other) <= 1);
    close(fd);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    int descriptors = count_descriptors();
    open_poller();
    RUN(test_features_are_refused);
    RUN(test_both_directions_wait_at_once);
    RUN(test_a_direction_is_a_line);
    RUN(test_a_cancel_in_the_middle_of_a_line);
    RUN(test_polls_hold_up_nobody);
    RUN(test_a_cancelled_send_says_how_much_went_out);
    RUN(test_a_receive_waits_for_all_of_it);
    RUN(test_blocking_descriptors_stay_blocking);
    RUN(test_accepting_never_blocks);
    RUN(test_who_may_not_is_told);
    RUN(test_a_poll_proves_no_right);
    RUN(test_a_terminal_never_blocks);
    RUN(test_a_number_that_is_another_files);
    RUN(test_a_registration_that_outlives_its_number);
    RUN(test_a_child_holds_what_was_closed);
    RUN(test_a_refused_descriptor_of_its_own_is_forgotten);
    RUN(test_closing_leaves_those_that_wait_their_file);
    RUN(test_a_state_that_helps_nobody_is_no_reason_to_spin);
    RUN(test_files_keep_the_order);
    RUN(test_close_waits_for_helpers);
    RUN(test_close_behind_an_order_that_is_cancelled);
    RUN(test_helpers_and_cancels);
    RUN(test_a_connect_waits_for_the_backlog);
    RUN(test_a_blocking_connect);
    RUN(test_peek_sees_what_ready_cannot);
    RUN(test_many_descriptors);
    close_clean(engine);
    CHECK(count_descriptors() == descriptors);
    RUN(test_close_with_helpers_at_work);
    RUN(test_close_with_an_order_at_work);
    return check_end();
}
