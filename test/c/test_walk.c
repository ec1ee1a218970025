/* What the kernel at hand does not do by itself: no memory in the middle of a walk, an enter that
 * fails, a file that will not wait, a completion of an older life. The engine is compiled into this
 * program once more, with an allocator and an enter that fail when told. */
#include "drive.h"

#include <liburing.h>

static bool memory_is_out;
static int enters_to_fail, enter_error;

static void *scarce_malloc(size_t size)
{
    return memory_is_out ? NULL : malloc(size);
}

static int flaky_enter(unsigned fd, unsigned count, unsigned wait_nr, unsigned flags,
                       void *argument, size_t size)
{
    if (enters_to_fail > 0) {
        enters_to_fail--;
        return enter_error;
    }
    return io_uring_enter2(fd, count, wait_nr, flags, argument, size);
}

#define malloc                        scarce_malloc
#define io_uring_enter2               flaky_enter
#define rota_ring_open                open_scarce_ring
#define rota_delivery_init            scarce_init
#define rota_delivery_choose_buffers  scarce_choose_buffers
#define rota_delivery_hold            scarce_hold
#define rota_delivery_let_go          scarce_let_go
#define rota_delivery_answer          scarce_answer
#define rota_delivery_may_go_on       scarce_may_go_on
#define rota_delivery_notify          scarce_notify
#define rota_delivery_drop_unclaimed  scarce_drop_unclaimed
#define rota_delivery_free            scarce_free
#define rota_delivery_keep_lost       scarce_keep_lost
#define rota_delivery_queue           scarce_queue
#define rota_delivery_dequeue         scarce_dequeue
#define rota_delivery_end_closed      scarce_end_closed
#define rota_delivery_cancel_queued   scarce_cancel_queued
#define rota_delivery_conclude        scarce_conclude
#define rota_delivery_keep_segment    scarce_keep_segment
#define rota_delivery_keep_descriptor scarce_keep_descriptor
#define rota_delivery_note_buffers    scarce_note_buffers
#define rota_delivery_note_starved    scarce_note_starved
#define rota_delivery_decay           scarce_decay
#define rota_delivery_give_back       scarce_give_back
#define rota_delivery_shot_release    scarce_shot_release
int open_scarce_ring(const rota_engine_options_t *options, rota_engine_t **engine, char *why,
                     size_t why_size);
#include "delivery.c"
#include "ring.c"
#undef malloc
#undef io_uring_enter2
#undef rota_ring_open

static rota_engine_t *engine;

static void open_scarce(uint32_t hidden)
{
    char why[256];
    rota_engine_options_t options = {.hidden = hidden};
    memory_is_out = false;
    int status = open_scarce_ring(&options, &engine, why, sizeof why);
    if (status == -EPERM || status == -ENOSYS) check_skip(why);
    REQUIRE(status == 0);
}

/* One shot each way: the spare one is used by the first, so the second needs memory. */
static void lose_a_receive(uint32_t hidden)
{
    int pair[2];
    char got[8];
    make_pair(pair);
    open_scarce(hidden | HIDE(incremental_buffers)); /* no merging: each receive needs a shot */
    rota_op_t *op = submit_plain(engine, ROTA_OP_RECV_MULTI, pair[0]);
    turn(engine);
    CHECK(send_all(pair[1], "first", 5));
    turn(engine);
    memory_is_out = true;
    CHECK(send_all(pair[1], "lost", 4));
    turn(engine);
    memory_is_out = false;
    CHECK(send_all(pair[1], "later", 5)); /* must not follow the hole */
    CHECK(until_done(engine, op));
    CHECK(op->result == -ENOMEM);
    CHECK(take_bytes(engine, op, got) == 5 && !memcmp(got, "first", 5));
    CHECK(engine->stats.buffers_lent == 0);
    rota_engine_release(engine, op);
    close_clean(engine);
    close_pair(pair);
}

static void test_a_receive_that_cannot_be_kept_ends_the_op(void)
{
    lose_a_receive(0);
    lose_a_receive(HIDE(multishot_recv));
}

static void lose_an_accept(uint32_t hidden)
{
    struct sockaddr_in address;
    int listener = listen_tcp(&address);
    char byte;
    open_scarce(hidden);
    rota_op_t *op = submit_plain(engine, ROTA_OP_ACCEPT_MULTI, listener);
    turn(engine);
    memory_is_out = true;
    int client = connect_tcp(&address);
    turn_waiting(engine);
    memory_is_out = false;
    CHECK(result_of(engine, op) == -ENOMEM);
    CHECK(recv(client, &byte, 1, 0) == 0); /* closed, not leaked */
    close(client);
    close_clean(engine);
    close(listener);
}

static void test_an_accept_that_cannot_be_kept_is_closed(void)
{
    lose_an_accept(0);
    lose_an_accept(HIDE(multishot_accept));
}

/* --- enters that fail --------------------------------------------------------------------- */

static void fail_enters(int count, int error)
{
    enters_to_fail = count;
    enter_error = error;
}

static void test_a_kernel_short_of_memory_only_delays(void)
{
    enum { COUNT = 20 };
    rota_op_t *ops[COUNT];
    open_scarce(0);
    fail_enters(1000, -EAGAIN);
    for (int i = 0; i < COUNT; i++) {
        ops[i] = submit_plain(engine, ROTA_OP_NOP, -1);
        CHECK(engine->api->flush(engine) == 0);
        engine->api->drain(engine);
        CHECK(ops[i]->state != ROTA_OP_DONE);
    }
    CHECK(engine->api->unsubmitted(engine) >= COUNT);
    fail_enters(1, -EBUSY);
    CHECK(engine->api->wait(engine, ROTA_NS_PER_S) == 0);
    fail_enters(1, -EINTR);
    CHECK(engine->api->flush(engine) == 0);
    for (int i = 0; i < COUNT; i++) CHECK(result_of(engine, ops[i]) == 0);
    close_clean(engine);
}

/* With the queue stuck, cancels and re-armed requests wait for entries; the sleep does not start
 * before they have them. */
static void test_wishes_are_granted_later(void)
{
    int pair[2], other[2];
    char got[8], byte;
    make_pair(pair);
    make_pair(other);
    open_scarce(HIDE(multishot_recv));
    rota_op_t *reading = submit_bytes(engine, ROTA_OP_RECV, other[0], &byte, 1);
    rota_op_t *op = submit_plain(engine, ROTA_OP_RECV_MULTI, pair[0]);
    turn(engine);
    CHECK(send_all(pair[1], "ab", 2));
    CHECK(engine->api->flush(engine) == 0);
    rota_op_t *idle[512];
    int count = 0;
    while (engine->stats.queued == 0) {
        idle[count++] = submit_bytes(engine, ROTA_OP_RECV, other[0], &byte, 1);
    }
    engine->api->cancel(engine, reading);
    engine->api->drain(engine); /* finds no entry to arm the receive again */
    CHECK(reading->flags & ROTA_OPF_CANCEL_WANTED && op->flags & ROTA_OPF_ENTRY_WANTED);
    CHECK(engine->api->unsubmitted(engine) >= (uint32_t)count + 2);
    fail_enters(2, -EBUSY); /* the third enter works, and must not sleep */
    CHECK(engine->api->wait(engine, -1) == 0);
    CHECK(enters_to_fail == 0);
    CHECK(result_of(engine, reading) == -ECANCELED);
    CHECK(!(op->flags & ROTA_OPF_ENTRY_WANTED));
    CHECK(send_all(pair[1], "cd", 2));
    turn_waiting(engine);
    CHECK(take_bytes(engine, op, got) == 4 && !memcmp(got, "abcd", 4));
    for (int i = 0; i < count; i++) engine->api->cancel(engine, idle[i]);
    for (int i = 0; i < count; i++) CHECK(result_of(engine, idle[i]) == -ECANCELED);
    rota_engine_abandon(engine, op);
    close_clean(engine);
    close_pair(pair);
    close_pair(other);
}

/* The kernel holds nothing of an op that waits for its next entry: it ends at once. */
static void test_cancel_and_abandon_between_two_entries(void)
{
    for (int abandoned = 0; abandoned < 2; abandoned++) {
        int pair[2];
        make_pair(pair);
        open_scarce(HIDE(multishot_recv));
        rota_op_t *op = submit_plain(engine, ROTA_OP_RECV_MULTI, pair[0]);
        turn(engine);
        CHECK(send_all(pair[1], "ab", 2));
        CHECK(engine->api->flush(engine) == 0);
        while (engine->stats.queued == 0) {
            rota_engine_abandon(engine, submit_plain(engine, ROTA_OP_NOP, -1));
        }
        engine->api->drain(engine);
        CHECK(op->flags & ROTA_OPF_ENTRY_WANTED);
        if (abandoned) {
            rota_engine_abandon(engine, op);
            CHECK(op->state == ROTA_OP_FREE);
        } else {
            engine->api->cancel(engine, op);
            CHECK(op->state == ROTA_OP_DONE && op->result == -ECANCELED);
            rota_engine_drop_shots(engine, op);
            rota_engine_release(engine, op);
        }
        close_clean(engine);
        close_pair(pair);
    }
}

/* --- made-up completions ------------------------------------------------------------------ */

static void deliver(uint64_t handle, int32_t result, uint32_t flags)
{
    struct io_uring_cqe cqe = {.user_data = handle, .res = result, .flags = flags};
    absorb(ROTA_CONTAINER_OF(engine, ring_t, engine), &cqe);
}

/* The kernel's own completion of the op that `deliver` speaks for is never asked for. */
static rota_op_t *pretend_in_flight(rota_op_kind_t kind, int fd, void *memory)
{
    rota_op_t *op = new_op(engine, kind, fd);
    op->memory = memory;
    op->length = 1;
    rota_op_enter(&engine->ops, op, ROTA_OP_IN_FLIGHT);
    return op;
}

static bool open_still;

static bool is_still_open(const rota_engine_t *asking, const rota_op_t *op)
{
    CHECK(asking == engine && op->state == ROTA_OP_IN_FLIGHT);
    return open_still;
}

/* Of an op that was refused, and of one whose poll is over. */
static void test_what_goes_on_by_itself_meets_no_other_file(void)
{
    int ends[2];
    char byte = 0;
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0 && write(ends[1], "other", 5) == 5);
    open_scarce(0);
    engine->still_open = is_still_open;
    open_still = false;
    rota_op_t *op = pretend_in_flight(ROTA_OP_READ, ends[0], &byte);
    op->descriptor = ends[0];
    deliver(rota_op_handle(op), -EAGAIN, 0);
    CHECK(result_of(engine, op) == ROTA_CLOSED);

    open_still = true;
    op = pretend_in_flight(ROTA_OP_READ, ends[0], &byte);
    op->descriptor = ends[0];
    deliver(rota_op_handle(op), -EAGAIN, 0);
    CHECK(op->flags & ROTA_OPF_POLLING);
    open_still = false; /* and the poll is of what has its number now */
    CHECK(result_of(engine, op) == ROTA_CLOSED && byte == 0);

    /* With no room for its entry it is asked again when there is. */
    open_still = true;
    op = pretend_in_flight(ROTA_OP_READ, ends[0], &byte);
    op->descriptor = ends[0];
    while (engine->stats.queued == 0)
        rota_engine_abandon(engine, submit_plain(engine, ROTA_OP_NOP, -1));
    deliver(rota_op_handle(op), -EAGAIN, 0);
    CHECK(op->flags & ROTA_OPF_ENTRY_WANTED);
    open_still = false;
    CHECK(result_of(engine, op) == ROTA_CLOSED && byte == 0);
    close_clean(engine);
    close_pair(ends);
}

/* A slot may have been dropped, and be another file's. */
static void test_what_goes_on_by_itself_goes_by_the_number(void)
{
    int ends[2], others[2];
    char byte = 0;
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0 && pipe2(others, O_CLOEXEC) == 0);
    open_scarce(0);
    int slot = engine->api->slot_hold(engine, others[0]);
    REQUIRE(slot >= 0 && write(others[1], "o", 1) == 1 && write(ends[1], "x", 1) == 1);
    rota_op_t *op = pretend_in_flight(ROTA_OP_READ, slot, &byte);
    op->descriptor = ends[0];
    op->flags |= ROTA_OPF_SLOT;
    deliver(rota_op_handle(op), -EAGAIN, 0);
    CHECK(result_of(engine, op) == 1 && byte == 'x');
    engine->api->slot_drop(engine, slot);
    close_clean(engine);
    close_pair(ends);
    close_pair(others);
}

static void test_a_read_that_will_not_wait_is_polled_first(void)
{
    int ends[2];
    char byte = 0;
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    open_scarce(0);
    rota_op_t *op = pretend_in_flight(ROTA_OP_READ, ends[0], &byte);
    deliver(rota_op_handle(op), -EAGAIN, 0);
    CHECK(op->state == ROTA_OP_IN_FLIGHT && op->flags & ROTA_OPF_POLLING);
    turn(engine);
    CHECK(op->state == ROTA_OP_IN_FLIGHT && rota_list_empty(&engine->completed));
    CHECK(write(ends[1], "x", 1) == 1);
    CHECK(result_of(engine, op) == 1 && byte == 'x');

    op = pretend_in_flight(ROTA_OP_READ, ends[0], &byte);
    deliver(rota_op_handle(op), -EAGAIN, 0);
    turn(engine);
    engine->api->cancel(engine, op);
    CHECK(result_of(engine, op) == -ECANCELED);

    op = pretend_in_flight(ROTA_OP_READ, ends[0], &byte);
    op->flags |= ROTA_OPF_CANCELLED;
    deliver(rota_op_handle(op), -EAGAIN, 0);
    CHECK(result_of(engine, op) == -ECANCELED);

    op = pretend_in_flight(ROTA_OP_WRITE, ends[1], "y");
    deliver(rota_op_handle(op), -EAGAIN, 0);
    CHECK(result_of(engine, op) == 1);
    CHECK(engine->api->unsubmitted(engine) == 0);
    op = pretend_in_flight(ROTA_OP_RECV, ends[0], &byte);
    deliver(rota_op_handle(op), -EAGAIN, 0); /* MSG_DONTWAIT: that is the answer */
    CHECK(result_of(engine, op) == -EAGAIN);
    close_clean(engine);
    close_pair(ends);
}

static void test_an_older_lifes_completion_gives_its_buffer_back(void)
{
    int pair[2];
    make_pair(pair);
    open_scarce(0);
    rota_op_t *op = submit_plain(engine, ROTA_OP_RECV_MULTI, pair[0]);
    turn(engine);
    const rota_bufring_t *pool = &engine->pool;
    deliver(rota_op_handle(op) + (UINT64_C(7) << 32), 3, IORING_CQE_F_BUFFER | 1u << 16 | 1u << 4);
    CHECK(engine->ops.stale == 1 && pool->lent == 0);
    CHECK(rota_list_empty(&op->shots) && op->state == ROTA_OP_IN_FLIGHT);
    engine->ops.stale = 0;
    rota_engine_abandon(engine, op);
    close_clean(engine);
    close_pair(pair);
}

int main(void)
{
    RUN(test_a_kernel_short_of_memory_only_delays);
    RUN(test_wishes_are_granted_later);
    RUN(test_cancel_and_abandon_between_two_entries);
    RUN(test_a_read_that_will_not_wait_is_polled_first);
    RUN(test_what_goes_on_by_itself_meets_no_other_file);
    RUN(test_what_goes_on_by_itself_goes_by_the_number);
    RUN(test_an_older_lifes_completion_gives_its_buffer_back);
    int descriptors = count_descriptors();
    RUN(test_a_receive_that_cannot_be_kept_ends_the_op);
    RUN(test_an_accept_that_cannot_be_kept_is_closed);
    CHECK(count_descriptors() == descriptors);
    return check_end();
}
