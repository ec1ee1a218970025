#include "runtime/await.h"

#include "runtime/await_many.h"
#include "runtime/error.h"
#include "runtime/held.h"
#include "runtime/interrupt.h"
#include "runtime/sleep.h"
#include "runtime/task.h"

static rota_op_t *take_op(rota_loop_t *loop, rota_op_kind_t kind)
{
    rota_op_t *op = rota_op_take(&loop->engine->ops);
    if (ROTA_UNLIKELY(!op)) return NULL;
    op->kind = (uint8_t)kind;
    op->descriptor = -1;
    return op;
}

rota_op_t *rota_await_op_quietly(rota_loop_t *loop, rota_op_kind_t kind)
{
    if (ROTA_UNLIKELY(!rota_task_undisturbed(loop->current))) return NULL;
    return take_op(loop, kind);
}

rota_op_t *rota_await_op(rota_loop_t *loop, rota_op_kind_t kind)
{
    if (ROTA_UNLIKELY(rota_interrupts_waiting(loop->current))) rota_interrupt_raise(loop);
    rota_op_t *op = take_op(loop, kind);
    if (ROTA_UNLIKELY(!op)) rb_memerror();
    return op;
}

static void wake_owner(rota_op_t *op)
{
    rota_park_t *park = op->owner;
    if (rota_op_has_result(op)) rota_park_wake(park->task->loop, park);
}

static void cancel(rota_loop_t *loop, rota_op_t *op)
{
    loop->engine->api->cancel(loop->engine, op);
}

/* The result was taken. */
static void part_from(rota_loop_t *loop, rota_op_t *op, const rota_wait_t *wait)
{
    if (ROTA_UNLIKELY(op->kind == ROTA_OP_SEND_ZERO_COPY)) wait->sent(op, wait->data);
    if (ROTA_LIKELY(op->state == ROTA_OP_DONE)) rota_engine_release(loop->engine, op);
}

struct jumping {
    rota_alarm_t *alarm;
    rota_loop_t *loop;
    rota_op_t *op;
    rota_park_t *park;
    const rota_wait_t *wait;
};

/* The fiber unwinds: the op is cancelled, its final completion awaited, and only then may the lent
 * memory go. Of several jumps the last one goes on, as out of an ensure, and after the same. */
static VALUE settle(VALUE data)
{
    struct jumping *jumping = (struct jumping *)data;
    rota_loop_t *loop = jumping->loop;
    rota_op_t *op = jumping->op;
    const rota_wait_t *wait = jumping->wait;

    if (!rota_op_has_result(op)) cancel(loop, op);
    jumping->park->shielded = true;
    jumping->park->jump = 0;
    while (!rota_op_has_result(op)) {
        if (rota_park_wait(loop, jumping->park) == ROTA_PARK_JUMP)
            rota_park_continue_jump(jumping->park->jump, settle, data);
    }
    rota_alarm_clear(loop, jumping->alarm);
    rota_park_end(loop, jumping->park);
    if (op->result >= 0 && wait->unwanted) wait->unwanted(loop, op, wait->data);
    part_from(loop, op, wait);
    if (wait->settled) wait->settled(wait->data);
    return Qnil;
}

/* Apart, so that what it needs is not on the stack of each task that waits. */
RBIMPL_ATTR_NORETURN()
ROTA_APART static void unwind(rota_alarm_t *alarm, rota_loop_t *loop, rota_op_t *op,
                              rota_park_t *park, const rota_wait_t *wait)
{
    struct jumping jumping = {alarm, loop, op, park, wait};
    rota_park_continue_jump(park->jump, settle, (VALUE)&jumping);
}

/* The op was cancelled; who did it decides what the verb is told. What was received is never
 * dropped, but a write that went out in part must not be continued on a closed descriptor. */
int32_t rota_await_outcome(const rota_op_t *op)
{
    int32_t result = op->result;
    bool closing = op->flags & ROTA_OPF_CLOSING;
    if (!(op->flags & ROTA_OPF_CANCELLED)) return result;
    if (result == -EINTR) result = -ECANCELED; /* a worker of the kernel was stopped in it */
    return closing && (result == -ECANCELED || rota_op_sends(op)) ? ROTA_CLOSED : result;
}

ROTA_APART static int32_t explain(const rota_op_t *op, const rota_alarm_t *alarm)
{
    int32_t result = rota_await_outcome(op);
    return result == -ECANCELED && alarm->rang ? -ETIME : result;
}

ROTA_FLAT int32_t rota_await(rota_loop_t *loop, rota_op_t *op, const rota_wait_t *wait)
{
    rota_park_t park;
    rota_alarm_t alarm;

    void **payload = wait->payload; /* now, for after the wait `wait` is mostly not looked at */
    uint64_t deadline_ns = wait->deadline_ns ? wait->deadline_ns : UINT64_MAX;
    if (ROTA_UNLIKELY(!rota_alarm_try(loop, &alarm, &park, deadline_ns))) {
        rota_engine_release(loop->engine, op);
        return -ENOMEM;
    }
    rota_park_begin(loop, &park, wait->what, wait->fd);
    op->owner = &park;
    op->complete = wake_owner;
    rota_held_submit(loop, op, wait->tries);
    while (!rota_op_has_result(op)) {
        rota_park_result_t result = rota_park_wait(loop, &park);
        if (ROTA_LIKELY(result == ROTA_PARK_WOKEN && !alarm.rang)) continue;
        if (result == ROTA_PARK_JUMP) unwind(&alarm, loop, op, &park, wait);
        if (rota_op_has_result(op)) break;
        cancel(loop, op);
        park.shielded = true;
    }
    rota_alarm_clear(loop, &alarm);
    rota_park_end(loop, &park);

    int32_t result = op->result;
    if (ROTA_UNLIKELY(op->flags & ROTA_OPF_CANCELLED)) result = explain(op, &alarm);
    if (payload) {
        *payload = op->payload;
        op->payload = NULL;
    }
    part_from(loop, op, wait);
    return result;
}

void rota_await_raise(rota_loop_t *loop, int32_t result, const char *verb)
{
    if (result == ROTA_CLOSED) rota_interrupt_raise_closed(ROTA_CLOSED_MEANWHILE);
    if (result == -ETIME) rb_raise(rota_eTimeoutError, "%s took too long", verb);
    if (result == -ECANCELED && rota_interrupts_waiting(loop->current)) rota_interrupt_raise(loop);
    rota_error_raise(result, verb);
}

void rota_await_close(rota_loop_t *loop, int fd)
{
    rota_ops_t *ops = &loop->engine->ops;
    rota_held_hand_over_for(loop, fd); /* what was written before goes out */
    for (uint32_t index = 0; index < rota_ops_capacity(ops); index++) {
        rota_op_t *op = rota_op_at(ops, index);
        bool awaited = op->state == ROTA_OP_QUEUED || op->state == ROTA_OP_IN_FLIGHT;
        if (!awaited || !rota_op_is_for(op, fd)) continue;
        op->flags |= ROTA_OPF_CLOSING;
        cancel(loop, op);
        rota_many_closing(op);
    }
}
