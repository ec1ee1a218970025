/* Chains of ops: one begins when the one before it is done. */
#include "drive.h"

static rota_engine_t *engine;

static rota_op_t *transfer(rota_op_kind_t kind, int fd, void *memory, uint32_t length)
{
    rota_op_t *op = new_op(engine, kind, fd);
    op->memory = memory;
    op->length = length;
    return op;
}

/* Submits them, takes turns until all are done, and checks what they resulted in. */
static void check_chain(rota_op_t *const *ops, const int32_t *results, uint32_t count)
{
    REQUIRE(engine->api->submit_linked(engine, ops, count));
    for (uint32_t i = 0; i < count; i++) CHECK(result_of(engine, ops[i]) == results[i]);
}

static void check_in_order(rota_file_hint_t hint)
{
    int ends[2];
    char bytes[4] = "";
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    rota_op_t *ops[] = {transfer(ROTA_OP_WRITE, ends[1], "ab", 2),
                        transfer(ROTA_OP_READ, ends[0], bytes, 2)};
    for (int i = 0; i < 2; i++) ops[i]->request_flags = hint;
    check_chain(ops, (int32_t[]){2, 2}, 2);
    CHECK(!memcmp(bytes, "ab", 2));
    close(ends[0]);
    close(ends[1]);
}

static void test_in_order(void)
{
    check_in_order(ROTA_HINT_NONE);
}

/* As by a socket that was reopened. A link that is asked for a second time is none. */
static void test_what_is_said_to_be_a_socket(void)
{
    check_in_order(ROTA_HINT_SOCKET);
}

static void test_cut_by_a_failure(void)
{
    int ends[2];
    char byte;
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    rota_op_t *ops[] = {transfer(ROTA_OP_READ, 999, &byte, 1),
                        transfer(ROTA_OP_WRITE, ends[1], "a", 1)};
    check_chain(ops, (int32_t[]){-EBADF, -ECANCELED}, 2);
    close(ends[0]);
    close(ends[1]);
}

static void test_cut_by_less_than_asked_for(void)
{
    int ends[2];
    char bytes[4];
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    REQUIRE(write(ends[1], "abc", 3) == 3);
    rota_op_t *ops[] = {transfer(ROTA_OP_READ, ends[0], bytes, 4),
                        transfer(ROTA_OP_WRITE, ends[1], "d", 1)};
    check_chain(ops, (int32_t[]){3, -ECANCELED}, 2);
    close(ends[0]);
    close(ends[1]);
}

static void test_cancel_ends_all(void)
{
    int ends[2];
    char byte;
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    rota_op_t *ops[] = {transfer(ROTA_OP_READ, ends[0], &byte, 1),
                        transfer(ROTA_OP_WRITE, ends[1], "a", 1)};
    REQUIRE(engine->api->submit_linked(engine, ops, 2));
    turn(engine);
    CHECK(ops[0]->state == ROTA_OP_IN_FLIGHT && ops[1]->state == ROTA_OP_IN_FLIGHT);
    engine->api->cancel(engine, ops[0]);
    CHECK(result_of(engine, ops[0]) == -ECANCELED && result_of(engine, ops[1]) == -ECANCELED);
    close(ends[0]);
    close(ends[1]);
}

/* It may end before anything was done. */
static void wait_once(int64_t timeout_ns)
{
    int status = engine->api->wait(engine, timeout_ns);
    CHECK(status == 0 || status == -ETIME);
    engine->api->drain(engine);
    hear(engine);
}

static void wait_for(const rota_op_t *op)
{
    uint64_t limit = rota_now_ns() + 5 * (uint64_t)ROTA_NS_PER_S;
    while (!rota_op_has_result(op) && rota_now_ns() < limit) wait_once(ROTA_NS_PER_S);
}

static void wait_until(uint64_t end_ns)
{
    for (uint64_t now_ns; (now_ns = rota_now_ns()) < end_ns;) wait_once((int64_t)(end_ns - now_ns));
}

/* Two links, of which the second is cancelled before its turn: the kernel does not find it. */
struct links {
    int first[2], second[2];
    char bytes[2];
    rota_op_t *ops[2];
};

static void cancel_second(struct links *links)
{
    REQUIRE(pipe2(links->first, O_CLOEXEC) == 0 && pipe2(links->second, O_CLOEXEC) == 0);
    links->ops[0] = transfer(ROTA_OP_READ, links->first[0], &links->bytes[0], 1);
    links->ops[1] = transfer(ROTA_OP_READ, links->second[0], &links->bytes[1], 1);
    REQUIRE(engine->api->submit_linked(engine, links->ops, 2));
    turn(engine);
    engine->api->cancel(engine, links->ops[1]);
    turn(engine);
}

static void end_first(struct links *links)
{
    REQUIRE(write(links->first[1], "a", 1) == 1);
    wait_for(links->ops[1]);
    CHECK(result_of(engine, links->ops[0]) == 1);
    CHECK(result_of(engine, links->ops[1]) == -ECANCELED);
    close_pair(links->first);
    close_pair(links->second);
}

static void test_cancel_before_its_turn(void)
{
    struct links links;
    cancel_second(&links);
    CHECK(links.ops[0]->state == ROTA_OP_IN_FLIGHT && links.ops[1]->state == ROTA_OP_IN_FLIGHT);
    end_first(&links);
}

/* What is not found for long is asked for ever more rarely. */
static void test_patience_grows(void)
{
    struct links links;
    cancel_second(&links);
    uint64_t entries = engine->stats.entries;
    wait_until(rota_now_ns() + 200 * ROTA_NS_PER_MS);
    CHECK(engine->stats.entries > entries && engine->stats.entries < entries + 8);
    end_first(&links);
}

/* A single accept is begun anew every half second; in a chain that would cut it. */
static void test_an_accept_is_left_alone(void)
{
    struct sockaddr_in address;
    int listener = listen_tcp(&address);
    rota_op_t *ops[] = {new_op(engine, ROTA_OP_ACCEPT, listener), new_op(engine, ROTA_OP_NOP, -1)};
    REQUIRE(engine->api->submit_linked(engine, ops, 2));
    wait_until(rota_now_ns() + 600 * ROTA_NS_PER_MS);
    int client = connect_tcp(&address);
    wait_for(ops[1]);
    int fd = result_of(engine, ops[0]);
    CHECK(fd >= 0 && result_of(engine, ops[1]) == 0);
    close(fd);
    close(client);
    close(listener);
}

/* Nor one whose turn it is, but which the kernel has yet to begin: with few completions to spare it
 * stops behind the one before. */
static void test_cancel_as_its_turn_comes(void)
{
    int first[2], second[2];
    char bytes[2];
    if (engine->links_max < 3) return;
    REQUIRE(pipe2(first, O_CLOEXEC) == 0 && pipe2(second, O_CLOEXEC) == 0);
    rota_op_t *ops[] = {transfer(ROTA_OP_READ, first[0], &bytes[0], 1),
                        new_op(engine, ROTA_OP_NOP, -1),
                        transfer(ROTA_OP_READ, second[0], &bytes[1], 1)};
    REQUIRE(engine->api->submit_linked(engine, ops, 3));
    turn(engine);
    rota_op_t *nop = submit_plain(engine, ROTA_OP_NOP, -1);
    REQUIRE(write(first[1], "a", 1) == 1);
    while (ops[1]->state != ROTA_OP_DONE) turn(engine);
    engine->api->cancel(engine, ops[2]);
    wait_for(ops[2]);
    CHECK(result_of(engine, ops[0]) == 1 && result_of(engine, ops[1]) == 0);
    CHECK(result_of(engine, ops[2]) == -ECANCELED && result_of(engine, nop) == 0);
    close_pair(first);
    close_pair(second);
}

/* Entries that wait for a submission make room for a chain; what waits on the overflow list goes
 * first. */
static void test_behind_a_full_queue(void)
{
    rota_op_t *nops[8];
    for (uint32_t i = 0; i < 8; i++) nops[i] = submit_plain(engine, ROTA_OP_NOP, -1);
    rota_op_t *ops[] = {new_op(engine, ROTA_OP_NOP, -1), new_op(engine, ROTA_OP_NOP, -1)};
    if (!engine->api->submit_linked(engine, ops, 2)) {
        CHECK(ops[0]->state == ROTA_OP_QUEUED && ops[1]->state == ROTA_OP_QUEUED);
        for (uint32_t i = 0; i < 2; i++) submit(engine, ops[i]);
    }
    for (uint32_t i = 0; i < 8; i++) CHECK(result_of(engine, nops[i]) == 0);
    for (uint32_t i = 0; i < 2; i++) CHECK(result_of(engine, ops[i]) == 0);
}

static void test_no_longer_than_the_queue(void)
{
    uint32_t count = engine->links_max + 1;
    rota_op_t **ops = calloc(count, sizeof *ops);
    REQUIRE(ops != NULL);
    for (uint32_t i = 0; i < count; i++) ops[i] = new_op(engine, ROTA_OP_NOP, -1);
    CHECK(!engine->api->submit_linked(engine, ops, count));
    for (uint32_t i = 0; i < count; i++) rota_op_release(&engine->ops, ops[i]);
    free(ops);
}

static void run_all(const char *name, rota_engine_options_t options)
{
    printf("%s\n", name);
    engine = open_engine(options);
    if (engine->links_max >= 2) {
        RUN(test_in_order);
        RUN(test_what_is_said_to_be_a_socket);
        RUN(test_cut_by_a_failure);
        RUN(test_cut_by_less_than_asked_for);
        RUN(test_cancel_ends_all);
        RUN(test_cancel_before_its_turn);
        RUN(test_cancel_as_its_turn_comes);
        RUN(test_behind_a_full_queue);
    }
    RUN(test_no_longer_than_the_queue);
    close_clean(engine);
}

static void run_slow(void)
{
    engine = open_engine((rota_engine_options_t){0});
    if (engine->links_max >= 2) {
        RUN(test_patience_grows);
        RUN(test_an_accept_is_left_alone);
    }
    close_clean(engine);
}

int main(void)
{
    on_epoll = true;
    run_all("epoll", (rota_engine_options_t){0});
    on_epoll = false;
    run_all("defaults", (rota_engine_options_t){0});
    run_all("tiny queues", (rota_engine_options_t){.entries = 2, .cq_entries = 4});
    run_all("few completions", (rota_engine_options_t){.entries = 4, .cq_entries = 4});
    run_all("one entry", (rota_engine_options_t){.entries = 1, .cq_entries = 1});
    run_all("lower rung", (rota_engine_options_t){.hidden = HIDE(defer_taskrun)});
    run_slow();
    return check_end();
}
