#include "verbs/multishot.h"

#include "runtime/await.h"
#include "runtime/error.h"
#include "runtime/interrupt.h"
#include "runtime/roots.h"
#include "runtime/task.h"

static void wake(rota_multishot_t *multishot)
{
    if (multishot->park) rota_park_wake(multishot->loop, multishot->park);
}

static bool ended_early(int32_t result)
{
    return result == ROTA_ENDED_EARLY || result == -ENOBUFS;
}

/* In the turn: takes over what came. */
static void take_shots(rota_op_t *op)
{
    rota_multishot_t *multishot = op->owner;
    rota_list_splice_back(&multishot->shots, &op->shots);
    if (op->state == ROTA_OP_DONE) {
        multishot->result = op->flags & ROTA_OPF_CLOSING ? ROTA_CLOSED : op->result;
        multishot->op = NULL;
        if (op->result == -ENOBUFS && !(op->flags & ROTA_OPF_CANCELLED)) {
            multishot->starved = true;
            rota_list_push_back(&multishot->loop->starved, &multishot->receiver.starved);
        }
        rota_engine_release(multishot->loop->engine, op);
    }
    wake(multishot);
}

static void buffers_are_back(rota_receiver_t *receiver)
{
    rota_multishot_t *multishot = ROTA_CONTAINER_OF(receiver, rota_multishot_t, receiver);
    multishot->starved = false;
    wake(multishot);
}

static void arm(rota_multishot_t *multishot)
{
    rota_op_t *op = rota_await_op(multishot->loop, multishot->kind);
    rota_target_apply(&multishot->target, op);
    op->request_flags = multishot->request_flags;
    op->owner = multishot;
    op->complete = take_shots;
    rota_roots_set(op, Qfalse, multishot->target.io);
    multishot->op = op;
    multishot->result = 0;
    multishot->loop->engine->api->submit(multishot->loop->engine, op);
}

/* Parks until a result came or the request ended; `shielded`: until it ended, whatever happens. */
static int wait_for_shots(rota_multishot_t *multishot, bool shielded)
{
    rota_loop_t *loop = multishot->loop;
    rota_park_t park;
    rota_park_result_t result = ROTA_PARK_WOKEN;

    rota_park_begin(loop, &park, multishot->verb, multishot->target.fd);
    park.shielded = shielded;
    multishot->park = &park;
    while ((multishot->op || multishot->starved) &&
           (shielded || (rota_list_empty(&multishot->shots) && result == ROTA_PARK_WOKEN))) {
        result = rota_park_wait(loop, &park);
        if (shielded) park.jump = 0;
    }
    multishot->park = NULL;
    rota_park_end(loop, &park);
    return park.jump;
}

static void hand_out(rota_multishot_t *multishot)
{
    rota_list_t *link;
    while ((link = rota_list_pop(&multishot->shots)))
        multishot->each(multishot, ROTA_LIST_ENTRY(link, rota_shot_t, link));
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
    if (multishot->op) {
        rota_engine_t *engine = multishot->loop->engine;
        engine->api->cancel(engine, multishot->op);
        wait_for_shots(multishot, true);
    }
    while ((link = rota_list_pop(&multishot->shots)))
        multishot->unwanted(multishot, ROTA_LIST_ENTRY(link, rota_shot_t, link));
    return Qnil;
}

int32_t rota_multishot_run(rota_multishot_t *multishot)
{
    rota_list_init(&multishot->shots);
    rota_list_init(&multishot->receiver.holding);
    rota_list_init(&multishot->receiver.starved);
    multishot->receiver.rearm = buffers_are_back;
    multishot->result = ROTA_ENDED_EARLY; /* so that the first pass arms it */
    rb_ensure(run, (VALUE)multishot, end, (VALUE)multishot);
    return multishot->result;
}
