/* From a completion to its op, for every engine alike: results and announcements, shots and the
 * buffers that they lie in, the ops that wait to be handed over, and what is left of all that when
 * an engine ends. An engine adds only how it asks the kernel. */
#ifndef ROTA_DELIVERY_H
#define ROTA_DELIVERY_H

#include "engine.h"

/* How long a connection may wait of which nobody was told, and who accepts from what was closed
 * without a word. The coarse clock is a few milliseconds behind. */
#define ROTA_RENEW_EVERY_NS (490 * ROTA_NS_PER_MS)
#define ROTA_RENEW_WAIT_NS  (500 * ROTA_NS_PER_MS)

/* A received piece, counted as one segment of its buffer. */
typedef struct rota_segment {
    uint8_t *bytes; /* NULL: no buffer */
    uint32_t length, bid;
} rota_segment_t;

/* --- the beginning and the end of an engine --- */

void rota_delivery_init(rota_engine_t *engine);

/* How many buffers of which size RECV_MULTI receives into; the pool itself is opened by the first
 * one. `incremental`: they are filled piece by piece. */
void rota_delivery_choose_buffers(rota_engine_t *engine, const rota_engine_options_t *options,
                                  bool incremental);

/* Closes the descriptors and gives back the buffers of results that nobody took. */
void rota_delivery_drop_unclaimed(rota_engine_t *engine);

/* Frees what the engine owns here, but for the pool. Nothing may be in flight. */
void rota_delivery_free(rota_engine_t *engine);

/* An engine that was closed with ops in flight: the kernel may still write to their memory, so it
 * stays, where a debugger and a leak checker find it. */
void rota_delivery_keep_lost(rota_engine_t *engine);

/* --- ops that wait to be handed to the kernel --- */

void rota_delivery_queue(rota_engine_t *engine, rota_op_t *op);
/* The first one, taken off; NULL when none waits. */
rota_op_t *rota_delivery_dequeue(rota_engine_t *engine);
/* The same two for a list of the caller's own, which the engine does not hand over by itself. */
void rota_delivery_hold(rota_engine_t *engine, rota_list_t *held, rota_op_t *op);
rota_op_t *rota_delivery_let_go(rota_engine_t *engine, rota_list_t *held);
/* Ends those whose io was closed since they were queued. With the interpreter lock held, before
 * queued ops are handed over. */
void rota_delivery_end_closed(rota_engine_t *engine);
/* Off whichever list it is on, and completed with -ECANCELED. */
void rota_delivery_cancel_queued(rota_engine_t *engine, rota_op_t *op);

/* --- results --- */

/* The final completion. The op is nobody's when its task left, DONE and announced otherwise. */
void rota_delivery_conclude(rota_engine_t *engine, rota_op_t *op, int32_t result);

/* May the op, which has waited, be asked of its number once more? False: that may be another file's
 * by now, and the op is to end with ROTA_CLOSED. A number of its own (a later link's, a moved
 * watch's, an armed stream's) is nobody else's in any case. */
bool rota_delivery_may_go_on(const rota_engine_t *engine, const rota_op_t *op);

/* Is there anybody who takes further shots of the op? */
static inline bool rota_delivery_wanted(const rota_op_t *op)
{
    return op->state == ROTA_OP_IN_FLIGHT && !(op->flags & ROTA_OPF_FAILED);
}

/* A zero-copy send has its result, but not yet its notification: SENT, and announced. */
void rota_delivery_answer(rota_engine_t *engine, rota_op_t *op, int32_t result);
/* ... and now it has. */
void rota_delivery_notify(rota_engine_t *engine, rota_op_t *op, bool copied);

/* A shot for a wanted op; neighbours in one buffer become one. Without memory for it nothing may
 * follow it: false, and the op is marked FAILED; what it held is given back or closed. */
bool rota_delivery_keep_segment(rota_engine_t *engine, rota_op_t *op,
                                const rota_segment_t *segment);
bool rota_delivery_keep_descriptor(rota_engine_t *engine, rota_op_t *op, int fd);

/* --- buffers --- */

/* Brings the counters and flags of the engine up to date with the pool. */
void rota_delivery_note_buffers(rota_engine_t *engine);
/* A receive found no buffer. */
void rota_delivery_note_starved(rota_engine_t *engine);
/* Called once per drain: lets an idle pool shrink, now and then. */
void rota_delivery_decay(rota_engine_t *engine);
void rota_delivery_give_back(rota_engine_t *engine, const rota_segment_t *segment);

/* rota_engine_api.shot_release */
void rota_delivery_shot_release(rota_engine_t *engine, rota_shot_t *shot);

#endif
