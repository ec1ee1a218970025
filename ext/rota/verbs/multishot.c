#include "verbs/multishot.h"

#include "runtime/await.h"
#include "runtime/error.h"
#include "runtime/held.h"
#include "runtime/interrupt.h"
#include "runtime/roots.h"
#include "runtime/task.h"

static void wake(rota_multishot_t *multishot)
{
    if (multishot->park) rota_park_wake(multishot->loop, multishot->park);
}

/* With so much waiting for the block the request ends, until it was handed out: the peer feels it,
 * and connections stay where another process may take them. */
#define HIGH_WATER        (128 * 1024)
#define CONNECTION_WEIGHT (4 * 1024)

static size_t weight_of(const rota_shot_t *shot)
{
    return shot->data ? shot->length : CONNECTION_WEIGHT;
}

static bool ended_early(int32_t result)
{
    return result == ROTA_ENDED_EARLY || result == -ENOBUFS;
}

static void note_end(rota_multishot_t *multishot, const rota_op_t *op)
{
    multishot->result = op->flags & ROTA_OPF_CLOSING ? ROTA_CLOSED : op->result;
    multishot->op = NULL;
    if (multishot->result == -ECANCELED && multishot->held_back) {
        multishot->result = ROTA_ENDED_EARLY;
    } else if (op->result == -ENOBUFS && !(op->flags & ROTA_OPF_CANCELLED)) {
        multishot->starved = true;
        rota_list_push_back(&multishot->loop->starved, &multishot->receiver.starved);
    }
}

/* In the turn: takes over what came. */
static void take_shots(rota_op_t *op)
{
    rota_multishot_t *multishot = op->owner;
    rota_engine_t *engine = multishot->loop->engine;

    ROTA_LIST_EACH(&op->shots, link)
        multishot->held += weight_of(ROTA_LIST_ENTRY(link, rota_shot_t, link));
    rota_list_splice_back(&multishot->shots, &op->shots);
    bool holds = multishot->each_copied && !rota_list_empty(&multishot->shots);
    if (holds && !rota_list_linked(&multishot->receiver.holding))
        rota_list_push_back(&multishot->loop->holding, &multishot->receiver.holding);
    if (op->state == ROTA_OP_DONE) {
        note_end(multishot, op);
        rota_engine_release(engine, op);
    } else if (multishot->held >= HIGH_WATER && !multishot->held_back) {
        multishot->held_back = true;
        engine->api->cancel(engine, op);
    }
    wake(multishot);
}

static bool reserve(rota_multishot_t *multishot, size_t more)
{
    size_t capacity = multishot->copied_capacity ? multishot->copied_capacity : 4096;
    while (capacity < multishot->copied_length + more) capacity *= 2;
    if (capacity == multishot->copied_capacity) return true;
    uint8_t *copied = realloc(multishot->copied, capacity);
    if (!copied) return false;
    multishot->copied = copied;
    multishot->copied_capacity = capacity;
    return true;
}

/* In the turn: buffers run low. */
static bool copy_out(rota_receiver_t *receiver)
{
    rota_multishot_t *multishot = ROTA_CONTAINER_OF(receiver, rota_multishot_t, receiver);
    rota_engine_t *engine = multishot->loop->engine;
    while (!rota_list_empty(&multishot->shots)) {
        rota_shot_t *shot = ROTA_LIST_ENTRY(multishot->shots.next, rota_shot_t, link);
        if (!reserve(multishot, shot->length)) return false;
        memcpy(multishot->copied + multishot->copied_length, shot->data, shot->length);
        multishot->copied_length += shot->length;
        rota_list_remove(&shot->link);
        engine->api->shot_release(engine, shot);
    }
    return true;
}

static void drop_copied(rota_multishot_t *multishot)
{
    free(multishot->copied);
    multishot->copied = NULL;
    multishot->copied_length = multishot->copied_capacity = 0;
}

static void buffers_are_back(rota_receiver_t *receiver)
{
    rota_multishot_t *multishot = ROTA_CONTAINER_OF(receiver, rota_multishot_t, receiver);
    multishot->starved = false;
    wake(multishot);
}

/* Again, mostly behind the block, which may have closed the io. */
static void arm(rota_multishot_t *multishot)
{
    rota_target_meet(multishot->loop, &multishot->target);
    rota_op_t *op = rota_await_op(multishot->loop, multishot->kind);
    rota_target_apply(&multishot->target, op);
    op->request_flags = multishot->request_flags;
    op->owner = multishot;
    op->complete = take_shots;
    rota_roots_set(op, Qfalse, multishot->target.io);
    multishot->op = op;
    multishot->result = 0;
    multishot->held_back = false;
    rota_held_submit(multishot->loop, op, false);
}

static bool nothing_came(const rota_multishot_t *multishot)
{
    return rota_list_empty(&multishot->shots) && !multishot->copied_length;
}

/* Parks until a result came or the request ended; `shielded`: until it ended. Gives the state of a
 * kill or throw that surfaced first. */
static int wait_for_shots(rota_multishot_t *multishot, bool shielded)
{
    rota_loop_t *loop = multishot->loop;
    rota_park_t park;
    rota_park_result_t result = ROTA_PARK_WOKEN;

    rota_park_begin(loop, &park, multishot->verb, multishot->target.fd);
    park.shielded = shielded;
    multishot->park = &park;
    while ((multishot->op || multishot->starved) && (shielded || nothing_came(multishot)) &&
           result == ROTA_PARK_WOKEN)
        result = rota_park_wait(loop, &park);
    multishot->park = NULL;
    rota_park_end(loop, &park);
    return park.jump;
}

static void hand_out_copied(rota_multishot_t *multishot)
{
    VALUE bytes = rb_str_new((const char *)multishot->copied, (long)multishot->copied_length);
    multishot->held -= multishot->copied_length;
    drop_copied(multishot);
    multishot->each_copied(multishot, bytes);
}

/* While the block waits, more may come, and what waits here may be copied. In a child that it
 * forked all of that is the parent's, which the loop tells it. */
static void hand_out(rota_multishot_t *multishot)
{
    for (;;) {
        if (ROTA_UNLIKELY(rota_loop_left_behind(multishot->loop)))
            (void)rota_loop_get(multishot->loop->self);
        if (multishot->copied_length) {
            hand_out_copied(multishot);
            continue;
        }
        rota_list_t *link = rota_list_pop(&multishot->shots);
        if (!link) return;
        rota_shot_t *shot = ROTA_LIST_ENTRY(link, rota_shot_t, link);
        multishot->held -= weight_of(shot);
        multishot->each(multishot, shot);
    }
}

static VALUE run(VALUE data)
{
    rota_multishot_t *multishot = (rota_multishot_t *)data;
    for (;;) {
        hand_out(multishot);
        if (!multishot->op && !multishot->starved) {
            if (!ended_early(multishot->result)) return Qnil;
            arm(multishot);
        }
        rota_interrupt_check(multishot->loop);
        int jump = wait_for_shots(multishot, false);
        if (jump) rb_jump_tag(jump);
    }
}

static VALUE end(VALUE data)
{
    rota_multishot_t *multishot = (rota_multishot_t *)data;
    rota_list_t *link;

    rota_list_remove(&multishot->receiver.starved);
    multishot->starved = false;
    if (ROTA_UNLIKELY(rota_loop_left_behind(multishot->loop))) {
        rota_list_remove(&multishot->receiver.holding);
        drop_copied(multishot);
        return Qnil;
    }
    if (multishot->op) {
        rota_engine_t *engine = multishot->loop->engine;
        engine->api->cancel(engine, multishot->op);
        int jump = wait_for_shots(multishot, true);
        if (jump) rota_park_continue_jump(jump, end, data);
    }
    rota_list_remove(&multishot->receiver.holding);
    if (multishot->copied_length)
        multishot->unwanted_copied(multishot, multishot->copied, multishot->copied_length);
    drop_copied(multishot);
    while ((link = rota_list_pop(&multishot->shots)))
        multishot->unwanted(multishot, ROTA_LIST_ENTRY(link, rota_shot_t, link));
    return Qnil;
}

static const rota_receiver_kind_t receiver_kind = {
    .relieve = copy_out,
    .rearm = buffers_are_back,
};

int32_t rota_multishot_run(rota_multishot_t *multishot)
{
    rota_list_init(&multishot->shots);
    rota_receiver_init(&multishot->receiver, &receiver_kind);
    multishot->result = ROTA_ENDED_EARLY; /* so that the first pass arms it */
    rb_ensure(run, (VALUE)multishot, end, (VALUE)multishot);
    return multishot->result;
}
