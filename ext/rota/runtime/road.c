#include "runtime/road.h"

#include "core/attempt.h"
#include "core/disk.h"

/* A task that never has to wait must give way all the same: after so many system calls made at once
 * the next request is the engine's. */
enum { DIRECT_IN_A_ROW = 32 };

/* Measured: from some five that share an enter on, their entries cost less than calls. */
enum { FEW = 3 };

bool rota_road_has_turn(rota_loop_t *loop)
{
    if (loop->direct_in_a_row++ < DIRECT_IN_A_ROW) return true;
    loop->direct_in_a_row = 0;
    return false;
}

bool rota_road_asks_files(rota_loop_t *loop)
{
    return !loop->engine->slow_files && rota_road_has_turn(loop);
}

bool rota_road_is_quiet(const rota_loop_t *loop)
{
    uint32_t count = 0;
    ROTA_LIST_EACH(&loop->ready, link)
        if (++count > FEW) return false;
    return true;
}

/* Will an enter be made anyway, or be shared by others? Entries that wait already count: else the
 * last writers of a turn would go another way than those before them. */
static bool carries_more(const rota_loop_t *loop)
{
    const rota_engine_t *engine = loop->engine;
    if (!engine->batches) return false;
    return engine->api->unsubmitted(engine) - engine->stats.queued > FEW ||
           !rota_road_is_quiet(loop);
}

bool rota_road_prefers_call(rota_loop_t *loop)
{
    return !carries_more(loop) && rota_road_has_turn(loop);
}

static bool is_for_disk(const rota_op_t *op)
{
    bool transfer = op->kind >= ROTA_OP_READ && op->kind <= ROTA_OP_WRITEV;
    return transfer ? op->offset != UINT64_MAX : rota_disk_serves(op);
}

bool rota_road_attempt(rota_loop_t *loop, rota_op_t *op, int32_t *result)
{
    if (!is_for_disk(op) || !rota_road_asks_files(loop)) return false;
    int32_t slot_or_number = op->fd;
    if (op->flags & ROTA_OPF_SLOT) op->fd = op->descriptor;
    *result = rota_disk_attempt(op);
    op->fd = slot_or_number;
    if (*result == ROTA_ATTEMPT_BLOCKS) {
        loop->direct_in_a_row = 0;
        return false;
    }
    rota_engine_release(loop->engine, op);
    return true;
}
