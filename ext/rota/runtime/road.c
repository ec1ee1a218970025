#include "runtime/road.h"

#include "core/attempt.h"
#include "core/disk.h"

/* A task that never has to wait must give way all the same: after so many system calls made at once
 * the next request is the engine's; or after fewer, where what is done between them takes long (the
 * clock is asked at every fourth). */
enum { DIRECT_IN_A_ROW = 32, CLOCK_EVERY = 4 };
#define ROW_NS (100 * ROTA_NS_PER_US)

/* Measured: from some five that share an enter on, their entries cost less than calls. */
enum { FEW = 3 };

static bool takes_long(rota_loop_t *loop, uint32_t calls)
{
    uint64_t now_ns = rota_now_ns();
    if (calls > CLOCK_EVERY) return now_ns - loop->row_since_ns >= ROW_NS;
    loop->row_since_ns = now_ns;
    return false;
}

bool rota_road_has_turn(rota_loop_t *loop)
{
    uint32_t calls = ++loop->direct_in_a_row;
    bool over = calls > DIRECT_IN_A_ROW;
    if (ROTA_LIKELY(!over && (calls % CLOCK_EVERY || !takes_long(loop, calls)))) return true;
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

uint32_t rota_road_entries(const rota_loop_t *loop)
{
    const rota_engine_t *engine = loop->engine;
    uint32_t count = engine->api->unsubmitted(engine) - engine->stats.queued;
    ROTA_LIST_EACH(&loop->outgoing, link)
        if (count++ > FEW) break;
    return count;
}

/* Entries that wait already count: else the last writers of a turn would go another way than those
 * before them. */
bool rota_road_shares_enter(const rota_loop_t *loop)
{
    if (!loop->engine->batches) return false;
    return rota_road_entries(loop) > FEW || !rota_road_is_quiet(loop);
}

bool rota_road_prefers_call(rota_loop_t *loop, int fd)
{
    return !rota_road_shares_enter(loop) && !rota_road_would_overtake(loop, fd) &&
           rota_road_has_turn(loop);
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
