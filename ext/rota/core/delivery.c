#include "delivery.h"

#include "witness.h"

#include <pthread.h>
#include <unistd.h>

enum {
    INCREMENTAL_BUFFER_SIZE = 64 << 10,
    WHOLE_BUFFER_SIZE = 8 << 10,
    WHOLE_PER_INCREMENTAL = 4, /* whole buffers are smaller, so there are more of them */
#ifdef ROTA_HOSTILE
    INCREMENTAL_BUFFERS_MAX = 4,
#else
    INCREMENTAL_BUFFERS_MAX = 1024,
#endif
    SPARE_SHOTS_MAX = 1024,
    DRAINS_PER_DECAY = 4096,
};

/* --- the beginning and the end ------------------------------------------------------------ */

void rota_delivery_init(rota_engine_t *engine)
{
    rota_ops_init(&engine->ops);
    rota_list_init(&engine->completed);
    rota_list_init(&engine->queue);
    rota_list_init(&engine->spare_shots);
}

void rota_delivery_choose_buffers(rota_engine_t *engine, const rota_engine_options_t *options,
                                  bool incremental)
{
    uint32_t factor = incremental ? 1 : WHOLE_PER_INCREMENTAL;
    uint32_t size = incremental ? INCREMENTAL_BUFFER_SIZE : WHOLE_BUFFER_SIZE;
    engine->slow_files = options->slow_files;
    engine->buffers = rota_or_default(options->buffers, ROTA_DEFAULT_BUFFERS * factor);
    engine->buffers_max = rota_or_default(options->buffers_max, INCREMENTAL_BUFFERS_MAX * factor);
    engine->buffer_size = rota_or_default(options->buffer_size, size);
    if (engine->buffers_max < engine->buffers) engine->buffers_max = engine->buffers;
}

void rota_delivery_drop_unclaimed(rota_engine_t *engine)
{
    rota_ops_t *ops = &engine->ops;
    for (uint32_t i = 0; i < rota_ops_capacity(ops); i++) {
        rota_op_t *op = rota_op_at(ops, i);
        if (op->state == ROTA_OP_FREE) continue;
        rota_engine_drop_shots(engine, op);
        if (op->state == ROTA_OP_DONE) rota_engine_drop_result(op, op->result);
    }
}

void rota_delivery_free(rota_engine_t *engine)
{
    for (rota_list_t *link; (link = rota_list_pop(&engine->spare_shots));) {
        free(ROTA_LIST_ENTRY(link, rota_shot_t, link));
    }
    (void)rota_ops_destroy(&engine->ops);
}

static pthread_mutex_t lost_lock = PTHREAD_MUTEX_INITIALIZER;
static rota_engine_t *lost_engines;

void rota_delivery_keep_lost(rota_engine_t *engine)
{
    pthread_mutex_lock(&lost_lock);
    engine->next_lost = lost_engines;
    lost_engines = engine;
    pthread_mutex_unlock(&lost_lock);
}

/* --- ops that wait to be handed over ------------------------------------------------------ */

void rota_delivery_hold(rota_engine_t *engine, rota_list_t *held, rota_op_t *op)
{
    rota_list_push_back(held, &op->link);
    engine->stats.queued++;
}

rota_op_t *rota_delivery_let_go(rota_engine_t *engine, rota_list_t *held)
{
    rota_list_t *link = rota_list_pop(held);
    if (!link) return NULL;
    engine->stats.queued--;
    return ROTA_LIST_ENTRY(link, rota_op_t, link);
}

void rota_delivery_queue(rota_engine_t *engine, rota_op_t *op)
{
    rota_delivery_hold(engine, &engine->queue, op);
}

rota_op_t *rota_delivery_dequeue(rota_engine_t *engine)
{
    return rota_delivery_let_go(engine, &engine->queue);
}

void rota_delivery_cancel_queued(rota_engine_t *engine, rota_op_t *op)
{
    if (rota_list_linked(&op->link)) {
        rota_list_remove(&op->link);
        engine->stats.queued--;
    }
    rota_delivery_conclude(engine, op, -ECANCELED);
}

/* --- results ------------------------------------------------------------------------------ */

static void announce(rota_engine_t *engine, rota_op_t *op)
{
    if (!rota_list_linked(&op->link)) rota_list_push_back(&engine->completed, &op->link);
}

bool rota_delivery_may_go_on(const rota_engine_t *engine, const rota_op_t *op)
{
    bool own_number = !(op->flags & ROTA_OPF_SLOT) && op->fd != op->descriptor;
    return own_number || !engine->still_open || engine->still_open(engine, op);
}

/* What nobody waits for goes on: it was asked for before the close. */
void rota_delivery_end_closed(rota_engine_t *engine)
{
    rota_list_t all;
    rota_list_init(&all);
    rota_list_splice_back(&all, &engine->queue);
    for (rota_op_t *op; (op = rota_delivery_let_go(engine, &all));) {
        if (op->flags & ROTA_OPF_LEFT || rota_delivery_may_go_on(engine, op))
            rota_delivery_queue(engine, op);
        else
            rota_delivery_conclude(engine, op, ROTA_CLOSED);
    }
}

/* Who is to arm it again, or hears that there is no such number, is told why. */
static int32_t closed_or(const rota_engine_t *engine, const rota_op_t *op, int32_t result)
{
    bool doubtful = result == -EBADF || result == ROTA_ENDED_EARLY;
    return ROTA_LIKELY(!doubtful) || rota_delivery_may_go_on(engine, op) ? result : ROTA_CLOSED;
}

void rota_delivery_conclude(rota_engine_t *engine, rota_op_t *op, int32_t result)
{
    rota_witness_result(op, result);
    result = closed_or(engine, op, result);
    if (op->state == ROTA_OP_ABANDONED || op->flags & ROTA_OPF_LEFT) {
        rota_engine_drop_result(op, result);
        rota_op_release(&engine->ops, op);
        return;
    }
    op->result = result;
    rota_op_enter(&engine->ops, op, ROTA_OP_DONE);
    announce(engine, op);
}

void rota_delivery_answer(rota_engine_t *engine, rota_op_t *op, int32_t result)
{
    rota_witness_result(op, result);
    if (op->state != ROTA_OP_IN_FLIGHT) return; /* nobody wants it */
    op->result = result;
    rota_op_enter(&engine->ops, op, ROTA_OP_SENT);
    announce(engine, op);
}

void rota_delivery_notify(rota_engine_t *engine, rota_op_t *op, bool copied)
{
    engine->stats.zero_copies++;
    engine->stats.copies += copied;
    op->offset = copied;
    if (op->state == ROTA_OP_SENT) {
        rota_op_enter(&engine->ops, op, ROTA_OP_DONE);
        announce(engine, op);
    } else {
        rota_delivery_conclude(engine, op, op->result);
    }
}

static rota_shot_t *new_shot(rota_engine_t *engine)
{
    rota_list_t *spare = rota_list_pop(&engine->spare_shots);
    if (spare) {
        engine->spare_shot_count--;
        return ROTA_LIST_ENTRY(spare, rota_shot_t, link);
    }
    rota_shot_t *shot = malloc(sizeof *shot);
    if (shot) rota_list_init(&shot->link);
    return shot;
}

static void recycle_shot(rota_engine_t *engine, rota_shot_t *shot)
{
    assert(!rota_list_linked(&shot->link));
    if (engine->spare_shot_count >= SPARE_SHOTS_MAX) {
        free(shot);
        return;
    }
    rota_list_push_front(&engine->spare_shots, &shot->link);
    engine->spare_shot_count++;
}

/* The last shot, when the segment continues it in the same buffer. */
static rota_shot_t *shot_before(const rota_op_t *op, const rota_segment_t *segment)
{
    if (rota_list_empty(&op->shots)) return NULL;
    rota_shot_t *last = ROTA_LIST_ENTRY(op->shots.prev, rota_shot_t, link);
    bool continues = last->bid == segment->bid && last->data + last->length == segment->bytes;
    return continues ? last : NULL;
}

bool rota_delivery_keep_segment(rota_engine_t *engine, rota_op_t *op, const rota_segment_t *segment)
{
    rota_witness_bytes(segment->bytes, segment->length);
    rota_shot_t *shot = shot_before(op, segment);
    if (shot) {
        shot->length += segment->length;
        rota_delivery_give_back(engine, segment); /* the shot holds one already */
    } else if ((shot = new_shot(engine))) {
        shot->data = segment->bytes;
        shot->length = segment->length;
        shot->bid = segment->bid;
        shot->fd = -1;
        rota_list_push_back(&op->shots, &shot->link);
    } else {
        rota_delivery_give_back(engine, segment);
        op->flags |= ROTA_OPF_FAILED;
        return false;
    }
    announce(engine, op);
    return true;
}

bool rota_delivery_keep_descriptor(rota_engine_t *engine, rota_op_t *op, int fd)
{
    rota_shot_t *shot = new_shot(engine);
    if (!shot) {
        close(fd);
        op->flags |= ROTA_OPF_FAILED;
        return false;
    }
    *shot = (rota_shot_t){.fd = fd};
    rota_list_init(&shot->link);
    rota_list_push_back(&op->shots, &shot->link);
    announce(engine, op);
    return true;
}

/* --- buffers ------------------------------------------------------------------------------ */

void rota_delivery_note_buffers(rota_engine_t *engine)
{
    const rota_bufring_t *pool = &engine->pool;
    engine->stats.buffers = pool->count;
    engine->stats.buffers_lent = pool->lent;
    engine->buffers_low = rota_bufring_low(pool);
    if (engine->starved && !engine->buffers_low && pool->provided > 0) {
        engine->starved = false;
        engine->buffers_back = true;
    }
}

void rota_delivery_note_starved(rota_engine_t *engine)
{
    engine->stats.starved++;
    engine->buffers_back = false;
    engine->starved = true;
    (void)rota_bufring_grow(&engine->pool);
}

void rota_delivery_decay(rota_engine_t *engine)
{
    if (++engine->drains < DRAINS_PER_DECAY) return;
    engine->drains = 0;
    rota_bufring_decay(&engine->pool);
}

void rota_delivery_give_back(rota_engine_t *engine, const rota_segment_t *segment)
{
    if (segment->bytes) rota_bufring_give_back(&engine->pool, segment->bid);
}

void rota_delivery_shot_release(rota_engine_t *engine, rota_shot_t *shot)
{
    /* after a fork the pool is the parent's */
    if (shot->data && !engine->dead) {
        rota_bufring_give_back(&engine->pool, shot->bid);
        rota_delivery_note_buffers(engine);
    }
    recycle_shot(engine, shot);
}
