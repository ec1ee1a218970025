/* RECV_MULTI and ACCEPT_MULTI, by the kernel's multishot requests or by what the engine does in
 * their place: whole and incremental buffers, their want, ends of all sorts. */
#include "drive.h"

#include <sys/mman.h>

static rota_engine_t *engine;
static bool is_incremental;

static rota_op_t *receive_from(int fd)
{
    return submit_plain(engine, ROTA_OP_RECV_MULTI, fd);
}

/* Turns until `wanted` bytes arrived at `to`, or the op ended. */
static size_t collect_bytes(rota_op_t *op, char *to, size_t wanted)
{
    size_t got = take_bytes(engine, op, to);
    for (int i = 0; i < 1000 && got < wanted && op->state != ROTA_OP_DONE; i++) {
        turn(engine);
        got += take_bytes(engine, op, to + got);
    }
    return got;
}

/* Has the kernel nothing of it any more? */
static void end(rota_op_t *op)
{
    char rest[256];
    engine->api->cancel(engine, op);
    CHECK(until_done(engine, op));
    while (take_bytes(engine, op, rest) > 0) continue;
    rota_engine_release(engine, op);
}

static void test_bytes_arrive_as_shots(void)
{
    int pair[2];
    char got[16] = "";
    make_pair(pair);
    rota_op_t *op = receive_from(pair[0]);
    turn(engine);
    CHECK(op->state == ROTA_OP_IN_FLIGHT && rota_list_empty(&op->shots));
    for (int i = 0; i < 5; i++) {
        CHECK(send_all(pair[1], "hello", 5));
        CHECK(collect_bytes(op, got, 5) == 5 && !memcmp(got, "hello", 5));
        CHECK(op->state == ROTA_OP_IN_FLIGHT && engine->stats.buffers_lent == 0);
    }
    end(op);
    close_pair(pair);
}

static int announcements;

static void count_announcement(rota_op_t *op)
{
    (void)op;
    announcements++;
}

static void test_one_announcement_per_drain(void)
{
    int pair[2];
    char got[16];
    make_pair(pair);
    rota_op_t *op = receive_from(pair[0]);
    op->complete = count_announcement;
    turn(engine);
    announcements = 0;
    CHECK(send_all(pair[1], "ab", 2));
    turn(engine);
    CHECK(announcements == 1);
    CHECK(send_all(pair[1], "cd", 2)); /* the first shot is still there */
    turn(engine);
    CHECK(announcements == 2);
    CHECK(collect_bytes(op, got, 4) == 4 && !memcmp(got, "abcd", 4));
    op->complete = NULL;
    end(op);
    close_pair(pair);
}

/* Neighbours in an incremental buffer become one shot that counts as one segment. */
static void test_contiguous_segments_are_one_shot(void)
{
    int pair[2];
    char got[16];
    if (!is_incremental) return;
    make_pair(pair);
    rota_op_t *op = receive_from(pair[0]);
    turn(engine);
    CHECK(send_all(pair[1], "abc", 3));
    turn(engine);
    CHECK(send_all(pair[1], "defg", 4));
    turn(engine);
    REQUIRE(!rota_list_empty(&op->shots));
    rota_shot_t *shot = ROTA_LIST_ENTRY(op->shots.next, rota_shot_t, link);
    CHECK(op->shots.prev == &shot->link && shot->length == 7);
    shot->data += 2; /* a reader took two bytes */
    shot->length -= 2;
    CHECK(send_all(pair[1], "h", 1));
    turn(engine);
    CHECK(op->shots.prev == &shot->link && shot->length == 6);
    CHECK(engine->stats.buffers_lent == 1);
    CHECK(take_bytes(engine, op, got) == 6 && !memcmp(got, "cdefgh", 6));
    CHECK(engine->stats.buffers_lent == 0);
    end(op);
    close_pair(pair);
}

/* Two connections share an incremental buffer; no byte strays. */
static void test_two_connections_share_a_buffer(void)
{
    int one[2], two[2];
    char got[64];
    make_pair(one);
    make_pair(two);
    rota_op_t *first = receive_from(one[0]), *second = receive_from(two[0]);
    turn(engine);
    for (int i = 0; i < 8; i++) {
        CHECK(send_all(one[1], "1111", 4) && send_all(two[1], "22", 2));
        turn(engine);
    }
    CHECK(collect_bytes(first, got, 32) == 32);
    for (int i = 0; i < 32; i++) CHECK(got[i] == '1');
    CHECK(collect_bytes(second, got, 16) == 16);
    for (int i = 0; i < 16; i++) CHECK(got[i] == '2');
    end(first);
    end(second);
    close_pair(one);
    close_pair(two);
}

static void test_end_of_stream_is_zero_after_the_bytes(void)
{
    int pair[2];
    char got[8];
    make_pair(pair);
    rota_op_t *op = receive_from(pair[0]);
    CHECK(send_all(pair[1], "last", 4));
    close(pair[1]);
    CHECK(until_done(engine, op));
    CHECK(op->result == 0);
    CHECK(take_bytes(engine, op, got) == 4 && !memcmp(got, "last", 4));
    rota_engine_release(engine, op);
    close(pair[0]);
}

/* More pieces than the kernel receives in a row, and the end right behind the last. */
static void test_the_end_comes_after_many_pieces(void)
{
    enum { TOTAL = 70000 };
    static char sent[TOTAL], got[2 * TOTAL];
    int pair[2];
    size_t in = 0;
    make_pair(pair);
    CHECK(send_all(pair[1], sent, TOTAL));
    close(pair[1]);
    rota_op_t *op = receive_from(pair[0]);
    while (until_done(engine, op)) {
        in += take_bytes(engine, op, got + in);
        if (op->result != ROTA_ENDED_EARLY && op->result != -ENOBUFS) break;
        rota_engine_release(engine, op);
        op = receive_from(pair[0]);
    }
    CHECK(in == TOTAL && result_of(engine, op) == 0);
    close(pair[0]);
}

static void test_a_reset_is_an_error_after_the_bytes(void)
{
    struct sockaddr_in address;
    struct linger hard = {.l_onoff = 1};
    char got[8];
    int listener = listen_tcp(&address), client = connect_tcp(&address);
    int server = accept(listener, NULL, NULL);
    rota_op_t *op = receive_from(server);
    CHECK(send_all(client, "last", 4));
    CHECK(collect_bytes(op, got, 4) == 4);
    setsockopt(client, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(client);
    CHECK(result_of(engine, op) == -ECONNRESET);
    close(server);
    close(listener);
}

static void test_what_is_no_socket_is_refused(void)
{
    int ends[2];
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    CHECK(result_of(engine, receive_from(ends[0])) == -ENOTSOCK);
    close_pair(ends);
}

static void test_cancel_keeps_what_was_received(void)
{
    int pair[2];
    char got[16];
    make_pair(pair);
    rota_op_t *op = receive_from(pair[0]);
    turn(engine);
    CHECK(send_all(pair[1], "kept", 4));
    turn(engine);
    engine->api->cancel(engine, op);
    engine->api->cancel(engine, op);
    CHECK(until_done(engine, op));
    CHECK(op->result == -ECANCELED);
    CHECK(take_bytes(engine, op, got) == 4 && !memcmp(got, "kept", 4));
    rota_engine_release(engine, op);
    CHECK(send_all(pair[1], "more", 4)); /* goes to whoever reads next, not to nobody */
    op = receive_from(pair[0]);
    CHECK(collect_bytes(op, got, 4) == 4 && !memcmp(got, "more", 4));
    end(op);
    close_pair(pair);
}

/* Each byte goes either into a shot or stays in the socket. */
static void test_cancel_races_with_arriving_bytes(void)
{
    int pair[2];
    char got[16] = "";
    make_pair(pair);
    rota_op_t *op = receive_from(pair[0]);
    turn(engine);
    CHECK(send_all(pair[1], "abc", 3));
    engine->api->cancel(engine, op); /* nothing was collected yet */
    CHECK(until_done(engine, op));
    CHECK(op->result == -ECANCELED);
    size_t received = take_bytes(engine, op, got);
    rota_engine_release(engine, op);
    ssize_t left = recv(pair[0], got + received, sizeof got - received, MSG_DONTWAIT);
    CHECK(received + (size_t)(left > 0 ? left : 0) == 3 && !memcmp(got, "abc", 3));
    close_pair(pair);
}

static void test_abandon_gives_the_buffers_back(void)
{
    int pair[2];
    make_pair(pair);
    rota_op_t *op = receive_from(pair[0]);
    turn(engine);
    CHECK(send_all(pair[1], "lost", 4));
    turn(engine);
    CHECK(engine->stats.buffers_lent == 1);
    CHECK(send_all(pair[1], "lost too", 8));
    rota_engine_abandon(engine, op); /* cancels by itself */
    for (int i = 0; i < 5 && engine->ops.in_use; i++) turn(engine);
    CHECK(engine->ops.in_use == 0 && engine->stats.buffers_lent == 0);
    CHECK(rota_list_empty(&engine->completed));
    close_pair(pair);
}

/* --- want of buffers ---------------------------------------------------------------------- */

/* Reads slowly: shots are kept until no buffer is left, then given back. The peer sends more than
 * all buffers hold; nothing is lost or reordered. */
static void test_starved_receivers_come_back(void)
{
    enum { CHUNK = 4096, TOTAL = 64 * CHUNK };
    static char sent[TOTAL], got[TOTAL + CHUNK];
    int pair[2];
    size_t out = 0, in = 0;
    uint64_t starved = engine->stats.starved;
    for (int i = 0; i < TOTAL; i++) sent[i] = (char)(i * 7 + i / 256);
    make_pair(pair);
    fcntl(pair[1], F_SETFL, O_NONBLOCK);
    rota_op_t *op = receive_from(pair[0]);
    for (int i = 0; i < 20000 && in < TOTAL; i++) {
        if (out < TOTAL) {
            ssize_t n = write(pair[1], sent + out, TOTAL - out < CHUNK ? TOTAL - out : CHUNK);
            if (n > 0) out += (size_t)n;
        }
        turn(engine);
        if (op->state != ROTA_OP_DONE) continue;
        CHECK(op->result == -ENOBUFS);
        in += take_bytes(engine, op, got + in);
        CHECK(engine->buffers_back);
        engine->buffers_back = false;
        rota_engine_release(engine, op);
        op = receive_from(pair[0]);
    }
    in += collect_bytes(op, got + in, TOTAL - in);
    CHECK(in == TOTAL && !memcmp(sent, got, TOTAL));
    CHECK(engine->stats.starved > starved);
    end(op);
    close_pair(pair);
}

static void test_low_buffers_are_announced(void)
{
    static char chunk[64 << 10];
    int pair[2];
    make_pair(pair);
    fcntl(pair[1], F_SETFL, O_NONBLOCK);
    rota_op_t *op = receive_from(pair[0]);
    bool low = false;
    for (int i = 0; i < 2000 && op->state != ROTA_OP_DONE; i++) {
        (void)!write(pair[1], chunk, sizeof chunk);
        turn(engine);
        low = low || engine->buffers_low;
    }
    CHECK(low && op->state == ROTA_OP_DONE);
    rota_engine_abandon(engine, op);
    CHECK(!engine->buffers_low);
    close_pair(pair);
}

/* --- accept ------------------------------------------------------------------------------- */

static rota_op_t *accept_from(int listener)
{
    rota_op_t *op = new_op(engine, ROTA_OP_ACCEPT_MULTI, listener);
    op->request_flags = SOCK_CLOEXEC | SOCK_NONBLOCK;
    return submit(engine, op);
}

static void test_accepts_arrive_as_shots(void)
{
    enum { CLIENTS = 10 };
    struct sockaddr_in address;
    int listener = listen_tcp(&address), clients[CLIENTS], accepted = 0;
    rota_op_t *op = accept_from(listener);
    turn(engine);
    for (int i = 0; i < CLIENTS; i++) clients[i] = connect_tcp(&address);
    for (int i = 0; i < 100 && accepted < CLIENTS; i++) {
        turn_waiting(engine);
        for (rota_shot_t *shot; (shot = first_shot(op));) {
            CHECK(!shot->data && fcntl(shot->fd, F_GETFD) == FD_CLOEXEC);
            CHECK(fcntl(shot->fd, F_GETFL) & O_NONBLOCK);
            close(shot->fd);
            engine->api->shot_release(engine, shot);
            accepted++;
        }
        if (op->state == ROTA_OP_DONE) { /* a tiny completion queue overflowed */
            CHECK(op->result == ROTA_ENDED_EARLY);
            rota_engine_release(engine, op);
            op = accept_from(listener);
        }
    }
    CHECK(accepted == CLIENTS);
    end(op);
    for (int i = 0; i < CLIENTS; i++) close(clients[i]);
    close(listener);
}

static void test_abandoned_accepts_are_closed(void)
{
    struct sockaddr_in address;
    int listener = listen_tcp(&address), descriptors = count_descriptors();
    char byte;
    rota_op_t *op = submit_plain(engine, ROTA_OP_ACCEPT_MULTI, listener);
    turn(engine);
    int first = connect_tcp(&address);
    turn_waiting(engine);
    CHECK(!rota_list_empty(&op->shots));
    int second = connect_tcp(&address); /* completes, but is not drained yet */
    rota_engine_abandon(engine, op);
    for (int i = 0; i < 5 && engine->ops.in_use; i++) turn(engine);
    CHECK(engine->ops.in_use == 0);
    CHECK(recv(first, &byte, 1, 0) == 0);
    close(first);
    close(second);
    CHECK(count_descriptors() == descriptors);
    close(listener);
}

static void test_accept_errors_end_it(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(result_of(engine, submit_plain(engine, ROTA_OP_ACCEPT_MULTI, fd)) == -EINVAL);
    close(fd);
}

/* --- overflow of the completion queue ----------------------------------------------------- */

static int ended_early;
static uint64_t cq_overflows;

static void rearm(rota_op_t **op, int fd)
{
    if ((*op)->result == ROTA_ENDED_EARLY) ended_early++;
    CHECK((*op)->result == ROTA_ENDED_EARLY || (*op)->result == -ENOBUFS);
    rota_engine_release(engine, *op);
    *op = receive_from(fd);
}

/* Many connections, all at once, nobody drains: what does not fit ends multishots early, and no
 * end of stream is seen before the stream's end. */
static void test_overflow_does_not_look_like_the_end(void)
{
    enum { PAIRS = 24, ROUNDS = 20 };
    int pairs[PAIRS][2];
    rota_op_t *ops[PAIRS];
    size_t got[PAIRS] = {0};
    char bytes[256];
    for (int i = 0; i < PAIRS; i++) {
        make_pair(pairs[i]);
        ops[i] = receive_from(pairs[i][0]);
    }
    turn(engine);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < PAIRS; i++) CHECK(send_all(pairs[i][1], "xy", 2));
        CHECK(engine->api->flush(engine) == 0);
        for (int i = 0; i < PAIRS; i++) CHECK(send_all(pairs[i][1], "z", 1));
        CHECK(engine->api->flush(engine) == 0);
        turn(engine);
        for (int i = 0; i < PAIRS; i++) {
            got[i] += take_bytes(engine, ops[i], bytes);
            if (ops[i]->state == ROTA_OP_DONE) rearm(&ops[i], pairs[i][0]);
        }
    }
    for (int i = 0; i < PAIRS; i++) {
        close(pairs[i][1]);
        while (CHECK(until_done(engine, ops[i]))) {
            got[i] += take_bytes(engine, ops[i], bytes);
            if (ops[i]->result == 0) break;
            rearm(&ops[i], pairs[i][0]);
        }
        CHECK(got[i] == 3 * ROUNDS);
        rota_engine_release(engine, ops[i]);
        close(pairs[i][0]);
    }
}

static void test_the_tiny_queue_did_overflow(void)
{
    CHECK(ended_early > 0 && cq_overflows > 0);
}

static void test_hidden_buffers_refuse_receives(void)
{
    rota_engine_options_t without = {.hidden = HIDE(provided_buffers)};
    rota_engine_t *outer = engine;
    int pair[2];
    make_pair(pair);
    engine = open_engine(without);
    rota_op_t *op = receive_from(pair[0]);
    CHECK(op->state == ROTA_OP_DONE && op->result == -ENOSYS);
    rota_engine_release(engine, op);
    close_clean(engine);
    engine = outer;
    close_pair(pair);
}

/* --- all of it, on several rings ---------------------------------------------------------- */

static void run_all(const char *name, rota_engine_options_t options)
{
    printf("%s\n", name);
    options.buffers = 128; /* want of them has its own tests */
    int descriptors = count_descriptors();
    engine = open_engine(options);
    is_incremental =
        on_epoll ? !(options.hidden & HIDE(incremental_buffers))
                 : rota_feature_granted(&engine->features, ROTA_FEATURE_incremental_buffers);
    RUN(test_bytes_arrive_as_shots);
    RUN(test_one_announcement_per_drain);
    RUN(test_contiguous_segments_are_one_shot);
    RUN(test_two_connections_share_a_buffer);
    RUN(test_end_of_stream_is_zero_after_the_bytes);
    RUN(test_the_end_comes_after_many_pieces);
    RUN(test_a_reset_is_an_error_after_the_bytes);
    RUN(test_what_is_no_socket_is_refused);
    RUN(test_cancel_keeps_what_was_received);
    RUN(test_cancel_races_with_arriving_bytes);
    RUN(test_abandon_gives_the_buffers_back);
    RUN(test_accepts_arrive_as_shots);
    RUN(test_abandoned_accepts_are_closed);
    RUN(test_accept_errors_end_it);
    RUN(test_overflow_does_not_look_like_the_end);
    cq_overflows = engine->stats.cq_overflows;
    close_clean(engine);
    CHECK(count_descriptors() == descriptors);
}

static void run_starving(const char *name, uint32_t size, uint32_t hidden)
{
    printf("starving: %s\n", name);
    rota_engine_options_t few = {
        .buffers = 2, .buffers_max = 4, .buffer_size = size, .hidden = hidden};
    engine = open_engine(few);
    RUN(test_starved_receivers_come_back);
    RUN(test_low_buffers_are_announced);
    RUN(test_the_end_comes_after_many_pieces);
    RUN(test_starved_receivers_come_back);
    close_clean(engine);
}

static const uint32_t one_shot = HIDE(multishot_recv) | HIDE(multishot_accept);

static void run_epoll(void)
{
    on_epoll = true;
    run_all("epoll", (rota_engine_options_t){0});
    run_all("epoll, whole buffers", (rota_engine_options_t){.hidden = HIDE(incremental_buffers)});
    run_all("epoll, many small buffers",
            (rota_engine_options_t){.buffers_max = 256, .buffer_size = 256});
    run_starving("epoll, incremental", 4096, 0);
    run_starving("epoll, incremental, small", 512, 0);
    run_starving("epoll, whole", 4096, HIDE(incremental_buffers));
    RUN(test_hidden_buffers_refuse_receives);
    on_epoll = false;
}

int main(void)
{
    run_epoll();
    ended_early = 0;
    run_all("defaults", (rota_engine_options_t){0});
    run_all("tiny queues", (rota_engine_options_t){.entries = 2, .cq_entries = 4});
    RUN(test_the_tiny_queue_did_overflow);
    run_all("whole buffers", (rota_engine_options_t){.hidden = HIDE(incremental_buffers)});
    run_all("lower rung", (rota_engine_options_t){.hidden = HIDE(defer_taskrun)});
    run_all("one-shot", (rota_engine_options_t){.hidden = one_shot});
    run_all("one-shot, whole buffers, tiny queues",
            (rota_engine_options_t){
                .hidden = one_shot | HIDE(incremental_buffers), .entries = 2, .cq_entries = 4});
    run_all("many small buffers", (rota_engine_options_t){.buffers_max = 256, .buffer_size = 256});
    run_starving("incremental", 4096, 0);
    run_starving("incremental, small", 512, 0);
    run_starving("whole", 4096, HIDE(incremental_buffers));
    run_starving("one-shot", 4096, one_shot | HIDE(incremental_buffers));
    run_starving("lower rung", 4096, HIDE(defer_taskrun));
    RUN(test_hidden_buffers_refuse_receives);
    return check_end();
}
