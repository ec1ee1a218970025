#include "engine.h"

#include <unistd.h>

static void drop_shot(rota_engine_t *engine, rota_shot_t *shot)
{
    if (!shot->data) close(shot->fd);
    engine->api->shot_release(engine, shot);
}

void rota_engine_drop_shots(rota_engine_t *engine, rota_op_t *op)
{
    for (rota_list_t *link; (link = rota_list_pop(&op->shots));) {
        drop_shot(engine, ROTA_LIST_ENTRY(link, rota_shot_t, link));
    }
}

void rota_engine_drop_result(const rota_op_t *op, int32_t result)
{
    bool descriptor = op->kind == ROTA_OP_ACCEPT || op->kind == ROTA_OP_OPENAT;
    if (descriptor && result >= 0) close(result);
}

static void release_done(rota_engine_t *engine, rota_op_t *op)
{
    rota_engine_drop_shots(engine, op);
    rota_engine_drop_result(op, op->result);
    rota_engine_release(engine, op);
}

static bool is_multishot(const rota_op_t *op)
{
    return op->kind == ROTA_OP_RECV_MULTI || op->kind == ROTA_OP_ACCEPT_MULTI;
}

/* In the overflow list it stays where it is: a close or a write that nobody waits for must still
 * reach the kernel. */
static void leave_queued(rota_engine_t *engine, rota_op_t *op)
{
    if (rota_list_linked(&op->link)) {
        op->flags |= ROTA_OPF_LEFT;
    } else {
        rota_engine_release(engine, op);
    }
}

static void leave_in_flight(rota_engine_t *engine, rota_op_t *op)
{
    rota_list_remove(&op->link);
    rota_engine_drop_shots(engine, op);
    rota_op_enter(&engine->ops, op, ROTA_OP_ABANDONED);
}

void rota_engine_abandon(rota_engine_t *engine, rota_op_t *op)
{
    assert(op->state != ROTA_OP_FREE && op->state != ROTA_OP_ABANDONED);
    op->complete = NULL;
    op->owner = NULL;
    /* A multishot op has no end of its own; nobody would be left to ask for one. */
    if (is_multishot(op)) engine->api->cancel(engine, op);

    if (op->state == ROTA_OP_DONE) {
        release_done(engine, op);
    } else if (op->state == ROTA_OP_QUEUED) {
        leave_queued(engine, op);
    } else {
        leave_in_flight(engine, op);
    }
}
