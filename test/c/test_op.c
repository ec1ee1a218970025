#include "check.h"
#include "op.h"

static rota_ops_t ops;

static rota_op_t *take(void)
{
    rota_op_t *op = rota_op_take(&ops);
    REQUIRE(op != NULL);
    return op;
}

static void test_a_taken_op_is_clean(void)
{
    rota_ops_init(&ops);
    rota_op_t *op = take();
    memset(op->root, 1, sizeof op->root);
    op->payload = malloc(16);
    op->memory = op;
    rota_op_release(&ops, op);
    op = take();
    CHECK(op->state == ROTA_OP_QUEUED && op->root[0] == 0 && !op->payload && !op->memory);
    CHECK(op->kind == ROTA_OP_NOP && op->flags == 0 && op->result == 0 && !op->complete);
    CHECK(!rota_list_linked(&op->link) && rota_list_empty(&op->shots));
    rota_op_release(&ops, op);
    CHECK(ops.in_use == 0 && ops.in_flight == 0);
    CHECK(rota_ops_destroy(&ops) == 0);
}

static void test_ops_do_not_move_and_are_found(void)
{
    enum { COUNT = 1000 };
    static rota_op_t *taken[COUNT];
    rota_ops_init(&ops);
    for (int i = 0; i < COUNT; i++) taken[i] = take();
    bool found = true;
    for (int i = 0; i < COUNT; i++) {
        found = found && rota_op_find(&ops, rota_op_handle(taken[i])) == taken[i];
        found = found && rota_op_at(&ops, taken[i]->index) == taken[i];
        found = found && ((uintptr_t)taken[i] & 63) == 0;
    }
    CHECK(found && ops.stale == 0);
    CHECK(ops.in_use == COUNT && rota_ops_capacity(&ops) >= COUNT);
    for (int i = 0; i < COUNT; i++) rota_op_release(&ops, taken[i]);
    CHECK(ops.in_use == 0);
    CHECK(rota_ops_destroy(&ops) == 0);
}

static void test_an_older_life_is_not_found(void)
{
    rota_ops_init(&ops);
    rota_op_t *op = take();
    uint64_t handle = rota_op_handle(op);
    rota_op_release(&ops, op);
    CHECK(!rota_op_find(&ops, handle) && ops.stale == 1);
    rota_op_t *again = take();
    CHECK(again == op && rota_op_handle(again) != handle);
    CHECK(!rota_op_find(&ops, handle) && ops.stale == 2);
    CHECK(!rota_op_find(&ops, UINT64_MAX) && ops.stale == 3);
    rota_op_release(&ops, again);
    CHECK(rota_ops_destroy(&ops) == 0);
}

static void test_generation_zero_is_never_given(void)
{
    rota_ops_init(&ops);
    rota_op_t *op = take();
    CHECK(op->generation == 1);
    rota_op_release(&ops, op);
    op->generation = UINT32_MAX;
    op = take();
    CHECK(op->generation == 1);
    rota_op_release(&ops, op);
    CHECK(rota_ops_destroy(&ops) == 0);
}

static void test_in_flight_follows_the_states(void)
{
    rota_ops_init(&ops);
    rota_op_t *op = take(), *other = take();
    rota_op_enter(&ops, op, ROTA_OP_IN_FLIGHT);
    rota_op_enter(&ops, other, ROTA_OP_IN_FLIGHT);
    CHECK(ops.in_flight == 2);
    rota_op_enter(&ops, op, ROTA_OP_DONE);
    CHECK(ops.in_flight == 1);
    rota_op_enter(&ops, other, ROTA_OP_ABANDONED);
    CHECK(ops.in_flight == 1 && ops.in_use == 2);
    rota_op_release(&ops, op);
    rota_op_release(&ops, other);
    CHECK(ops.in_flight == 0 && ops.in_use == 0);

    op = take();
    rota_op_enter(&ops, op, ROTA_OP_IN_FLIGHT);
    rota_op_enter(&ops, op, ROTA_OP_SENT);
    CHECK(ops.in_flight == 1 && rota_op_has_result(op));
    rota_op_enter(&ops, op, ROTA_OP_DONE);
    rota_op_release(&ops, op);
    CHECK(ops.in_flight == 0);
    CHECK(rota_ops_destroy(&ops) == 0);
}

static void test_destroy_frees_payloads_but_not_what_is_in_flight(void)
{
    rota_ops_init(&ops);
    rota_op_t *op = take(), *done = take();
    done->payload = malloc(8);
    rota_op_enter(&ops, op, ROTA_OP_IN_FLIGHT);
    rota_op_enter(&ops, done, ROTA_OP_DONE);
    CHECK(rota_ops_destroy(&ops) == 1);
    CHECK(op->state == ROTA_OP_IN_FLIGHT); /* still there */
    rota_op_enter(&ops, op, ROTA_OP_DONE);
    CHECK(rota_ops_destroy(&ops) == 0);
    CHECK(rota_ops_capacity(&ops) == 0);
}

int main(void)
{
    RUN(test_a_taken_op_is_clean);
    RUN(test_ops_do_not_move_and_are_found);
    RUN(test_an_older_life_is_not_found);
    RUN(test_generation_zero_is_never_given);
    RUN(test_in_flight_follows_the_states);
    RUN(test_destroy_frees_payloads_but_not_what_is_in_flight);
    return check_end();
}
