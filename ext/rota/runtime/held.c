#include "runtime/held.h"

#include "core/attempt.h"
#include "core/delivery.h"
#include "runtime/descriptor.h"
#include "runtime/road.h"
#include "runtime/roots.h"

enum {
    /* Measured with pairs of pipes: so many reads are half of them behind writes that were calls,
     * and the others would be armed in vain. Above it the writes are entries, too, and share the
     * enter. */
    FEW = 8,
    DOUBT_MAX = 6, /* at most one read in 64 is tried */
    PASSED_OVER_MAX = 8,
};

/* The next one. Before Ruby 4.0 a plain close tells nobody, so its number may be another file's by
 * now: it is not asked of that one, but done. */
static rota_op_t *let_go(rota_loop_t *loop, rota_list_t *list)
{
    rota_op_t *op;
    while ((op = rota_delivery_let_go(loop->engine, list))) {
        if (ROTA_LIKELY(rota_op_is_open(loop->engine, op))) break;
        rota_delivery_conclude(loop->engine, op, ROTA_CLOSED);
    }
    return op;
}

static void hand_over(rota_loop_t *loop, rota_list_t *list)
{
    rota_op_t *op;
    while ((op = let_go(loop, list))) loop->engine->api->submit(loop->engine, op);
}

/* The others stay where they are: their ios may be closed before the kernel is entered. */
static void hand_over_for(rota_loop_t *loop, rota_list_t *list, int number)
{
    rota_list_t all;
    rota_op_t *op;
    rota_list_init(&all);
    rota_list_splice_back(&all, list);
    while ((op = let_go(loop, &all))) {
        if (rota_op_is_for(op, number))
            loop->engine->api->submit(loop->engine, op);
        else
            rota_delivery_hold(loop->engine, list, op);
    }
}

ROTA_APART static void hand_over_all_for(rota_loop_t *loop, int number)
{
    hand_over_for(loop, &loop->outgoing, number);
    hand_over_for(loop, &loop->held, number);
}

static bool is_for_ruby(const rota_op_t *op)
{
    if (RB_TYPE_P(op->root[ROTA_ROOT_IO], T_FILE)) return true;
    return rota_op_has_source(op) && RB_TYPE_P(op->root[ROTA_ROOT_BYTES], T_FILE);
}

/* Streams are closed in order, by an op. What closes a number is behind everything for it. */
void rota_held_submit(rota_loop_t *loop, rota_op_t *op, bool tries)
{
    loop->direct_in_a_row = 0; /* it gives way */
    if (tries) {
        rota_delivery_hold(loop->engine, &loop->held, op);
    } else if (is_for_ruby(op) || rota_op_sends(op)) {
        rota_delivery_hold(loop->engine, &loop->outgoing, op);
    } else {
        if (ROTA_UNLIKELY(op->kind == ROTA_OP_CLOSE)) hand_over_all_for(loop, op->fd);
        loop->engine->api->submit(loop->engine, op);
    }
}

void rota_held_hand_over_for(rota_loop_t *loop, int number)
{
    hand_over_for(loop, &loop->outgoing, number);
}

void rota_held_hand_over(rota_loop_t *loop)
{
    hand_over(loop, &loop->outgoing);
}

void rota_held_release(rota_loop_t *loop)
{
    loop->passed_over = 0;
    hand_over(loop, &loop->outgoing);
    hand_over(loop, &loop->held);
}

void rota_held_flush(rota_loop_t *loop)
{
    rota_engine_t *engine = loop->engine;
    rota_held_hand_over(loop);
    if (engine->api->unsubmitted(engine)) engine->api->flush(engine);
}

/* What is there, the end, or an error, which a socket tells only once (ECONNRESET, ECONNREFUSED);
 * ROTA_ATTEMPT_WAIT: the engine finds out more. */
static int32_t attempt(const rota_op_t *op)
{
    return op->kind == ROTA_OP_POLL ? (int32_t)ROTA_HELD_TRY : rota_attempt_read(op);
}

void rota_held_learn(rota_loop_t *loop, bool in_vain)
{
    loop->in_vain += in_vain ? 1 : -1;
}

/* What was tried together counts together: a single one that was not in vain is no reason to try
 * forty in vain again. */
static void conclude(rota_loop_t *loop)
{
    if (loop->in_vain < 0) {
        loop->doubt = 0;
    } else if (loop->in_vain > 0) {
        if (loop->doubt < DOUBT_MAX) loop->doubt++;
        loop->untried = 1u << loop->doubt;
    }
    loop->in_vain = 0;
}

bool rota_held_in_doubt(rota_loop_t *loop)
{
    conclude(loop);
    return loop->doubt && !rota_list_empty(&loop->held);
}

/* An enter is due anyway, or so many reads are better off with one that they share. */
static bool have_company(const rota_loop_t *loop)
{
    if (!loop->engine->batches) return false;
    if (rota_road_entries(loop) > 0) return true;
    uint32_t count = 0;
    ROTA_LIST_EACH(&loop->held, link)
        if (++count > FEW) return true;
    return false;
}

static bool is_worth_it(rota_loop_t *loop)
{
    conclude(loop);
    if (ROTA_LIKELY(loop->untried == 0)) return true;
    loop->untried--;
    return false;
}

/* Whoever waits by a POLL reads by a call in any case, and so does everybody on an engine that does
 * not batch. Where that is not in vain, a poll before it is only a price, among many too. */
static bool read_by_call(const rota_loop_t *loop)
{
    const rota_op_t *oldest = ROTA_LIST_ENTRY(loop->held.next, rota_op_t, link);
    return !loop->engine->batches || oldest->kind == ROTA_OP_POLL;
}

static bool may_pass_over(rota_loop_t *loop)
{
    return ++loop->passed_over <= PASSED_OVER_MAX;
}

void rota_held_look(rota_loop_t *loop)
{
    if (rota_list_empty(&loop->held)) return;
    bool stay = read_by_call(loop) && is_worth_it(loop) && may_pass_over(loop);
    if (!stay) rota_held_release(loop);
}

void rota_held_join(rota_loop_t *loop)
{
    if (rota_list_empty(&loop->held)) return;
    bool joins = have_company(loop) && !(read_by_call(loop) && is_worth_it(loop));
    if (joins || !may_pass_over(loop)) rota_held_release(loop);
}

static bool try_oldest(rota_loop_t *loop)
{
    rota_op_t *op = let_go(loop, &loop->held);
    loop->passed_over = 0;
    if (ROTA_UNLIKELY(!op)) return false;
    int32_t result = attempt(op);
    bool answered = result != ROTA_ATTEMPT_WAIT;
    if (op->kind != ROTA_OP_POLL) rota_held_learn(loop, !answered);
    if (ROTA_LIKELY(answered))
        rota_delivery_conclude(loop->engine, op, result);
    else
        loop->engine->api->submit(loop->engine, op);
    return answered;
}

static uint32_t count_held(const rota_loop_t *loop)
{
    uint32_t count = 0;
    ROTA_LIST_EACH(&loop->held, link) count++;
    return count;
}

/* In the order in which they came: who sends what the later ones wait for is among the earlier
 * ones, or has had more time if it is somebody outside. What is no poll is better off as an entry.
 */
static bool try_older_half(rota_loop_t *loop)
{
    rota_op_t *op;
    bool told = false;
    uint32_t left = (count_held(loop) + 1) / 2;
    loop->passed_over = 0;
    while (left-- && (op = let_go(loop, &loop->held))) {
        if (op->kind == ROTA_OP_POLL) {
            rota_delivery_conclude(loop->engine, op, ROTA_HELD_TRY);
            told = true;
        } else {
            loop->engine->api->submit(loop->engine, op);
        }
    }
    return told;
}

static bool try_some(rota_loop_t *loop)
{
    bool many = have_company(loop);
    bool worth_it = (!many || read_by_call(loop)) && is_worth_it(loop);
    return worth_it && (many ? try_older_half(loop) : try_oldest(loop));
}

bool rota_held_try(rota_loop_t *loop)
{
    if (!rota_list_empty(&loop->held) && try_some(loop)) return true;
    rota_held_release(loop);
    return !rota_list_empty(&loop->engine->completed); /* one that is closed is told so */
}
