#include "runtime/held.h"

#include "core/delivery.h"
#include "runtime/road.h"

#include <sys/socket.h>
#include <sys/uio.h>

enum {
    HELD_MAX = 8,
    DOUBT_MAX = 6, /* at most one read in 64 is tried */
};

static bool may_hold(rota_loop_t *loop)
{
    if (loop->held_count >= HELD_MAX || !rota_road_is_quiet(loop)) return false;
    if (ROTA_LIKELY(loop->untried == 0)) return true;
    loop->untried--;
    return false;
}

void rota_held_submit(rota_loop_t *loop, rota_op_t *op, bool tries)
{
    if (tries && may_hold(loop)) {
        rota_delivery_hold(loop->engine, &loop->held, op);
        loop->held_count++;
        loop->direct_in_a_row = 0; /* it gives way */
    } else {
        if (ROTA_UNLIKELY(loop->held_count)) rota_held_release(loop);
        loop->direct_in_a_row = 0;
        loop->engine->api->submit(loop->engine, op);
    }
}

void rota_held_release(rota_loop_t *loop)
{
    rota_op_t *op;
    loop->held_count = 0;
    while ((op = rota_delivery_let_go(loop->engine, &loop->held)))
        loop->engine->api->submit(loop->engine, op);
}

/* Only what is there, or the end; an error is the engine's to find, and to tell. */
static ssize_t attempt(const rota_op_t *op)
{
    struct iovec part = {op->memory, op->length};
    if (op->kind == ROTA_OP_POLL) return ROTA_HELD_TRY;
    assert(op->kind == ROTA_OP_RECV || op->kind == ROTA_OP_READ);
    return op->kind == ROTA_OP_RECV ? recv(op->descriptor, op->memory, op->length, MSG_DONTWAIT)
                                    : preadv2(op->descriptor, &part, 1, -1, RWF_NOWAIT);
}

void rota_held_learn(rota_loop_t *loop, bool in_vain)
{
    if (!in_vain) {
        loop->doubt = 0;
        return;
    }
    if (loop->doubt < DOUBT_MAX) loop->doubt++;
    loop->untried = 1u << loop->doubt;
}

bool rota_held_try(rota_loop_t *loop)
{
    rota_op_t *op = rota_delivery_let_go(loop->engine, &loop->held);
    if (!op) {
        loop->held_count = 0;
        return false;
    }
    ssize_t result = attempt(op);
    if (op->kind != ROTA_OP_POLL) rota_held_learn(loop, result < 0);
    if (ROTA_LIKELY(result >= 0)) {
        loop->held_count--;
        rota_delivery_conclude(loop->engine, op, (int32_t)result);
        return true;
    }
    loop->engine->api->submit(loop->engine, op);
    rota_held_release(loop);
    return false;
}
