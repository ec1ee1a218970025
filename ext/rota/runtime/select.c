#include "runtime/select.h"

#include "runtime/descriptor.h"
#include "runtime/error.h"
#include "runtime/interrupt.h"
#include "runtime/sleep.h"
#include "runtime/task.h"

#include <poll.h>

static ID id_timeout;

/* They stand on the fiber's stack. */
#define SOURCES_MAX 256

/* A type table, filled at Init and constant after. */
static const rota_selectable_t *selectables[8];
static int selectable_count;

void rota_select_register(const rota_selectable_t *selectable)
{
    assert(selectable_count < (int)(sizeof selectables / sizeof *selectables));
    selectables[selectable_count++] = selectable;
}

static const rota_selectable_t *selectable_for(VALUE object)
{
    for (int i = 0; i < selectable_count; i++)
        if (rb_typeddata_is_kind_of(object, selectables[i]->type)) return selectables[i];
    return NULL;
}

struct selection;

/* One thing to wait for: a line (kind), or a descriptor to read (NULL). */
struct source {
    VALUE object;
    const rota_selectable_t *kind;
    rota_waiter_t waiter;
    rota_target_t target;
    rota_op_t *op; /* a POLL in flight */
    int32_t result;
    struct selection *selection;
};

struct selection {
    rota_loop_t *loop;
    struct source *sources;
    int count;
    struct source *winner;
    VALUE value;
    rota_park_t park;
    rota_alarm_t alarm;
    uint64_t deadline_ns;
};

static bool decide(struct source *source, VALUE value)
{
    struct selection *selection = source->selection;
    if (selection->winner) return false;
    selection->winner = source;
    selection->value = value;
    return true;
}

static bool take_offer(rota_waiter_t *waiter, VALUE value)
{
    return decide(ROTA_CONTAINER_OF(waiter, struct source, waiter), value);
}

static void polled(rota_op_t *op)
{
    struct source *source = op->owner;
    rota_loop_t *loop = source->selection->loop;
    source->op = NULL;
    source->result = op->result;
    rota_engine_release(loop->engine, op);
    if (decide(source, Qnil)) rota_park_wake(loop, &source->selection->park);
}

/* -- what is ready already ----------------------------------------------------------------------
 */

static bool readable_now(const struct source *source)
{
    struct pollfd entry = {.fd = source->target.fd, .events = POLLIN};
    return poll(&entry, 1, 0) > 0;
}

static bool holds_bytes(VALUE object)
{
    rb_io_t *file;
    if (!RB_TYPE_P(object, T_FILE)) return false;
    GetOpenFile(object, file);
    return rb_io_read_pending(file);
}

static bool try_source(struct source *source, VALUE *value)
{
    if (source->kind) return source->kind->try_take(source->object, value);
    *value = INT2FIX(RB_WAITFD_IN);
    return holds_bytes(source->target.io) || readable_now(source);
}

static bool try_all(struct selection *selection)
{
    for (int i = 0; i < selection->count; i++) {
        struct source *source = &selection->sources[i];
        if (!try_source(source, &selection->value)) continue;
        selection->winner = source;
        return true;
    }
    return false;
}

/* -- waiting ------------------------------------------------------------------------------------
 */

/* Takes all that may raise before the park begins. */
static void take_op(struct source *source)
{
    rota_loop_t *loop = source->selection->loop;
    if (source->kind) return;
    source->op = rota_op_take(&loop->engine->ops);
    if (!source->op) rb_memerror();
    source->op->kind = ROTA_OP_POLL;
    source->op->owner = source;
    source->op->complete = polled;
    source->op->request_flags = POLLIN;
    rota_target_apply(&source->target, source->op);
}

static void join_line(struct source *source)
{
    rota_engine_t *engine = source->selection->loop->engine;
    if (source->op) {
        engine->api->submit(engine, source->op);
        return;
    }
    source->waiter.park = &source->selection->park;
    source->waiter.value = Qnil;
    source->waiter.offer = take_offer;
    rota_waiters_join(source->kind->line(source->object), &source->waiter);
}

static void leave_line(struct source *source)
{
    rota_engine_t *engine = source->selection->loop->engine;
    rota_list_remove(&source->waiter.link);
    if (!source->op) return;
    engine->api->cancel(engine, source->op);
    rota_engine_abandon(engine, source->op);
    source->op = NULL;
}

static void wait_for_one(struct selection *selection)
{
    rota_loop_t *loop = selection->loop;
    rota_park_result_t result = ROTA_PARK_WOKEN;

    for (int i = 0; i < selection->count; i++) take_op(&selection->sources[i]);
    rota_alarm_set(loop, &selection->alarm, &selection->park, selection->deadline_ns);
    rota_park_begin(loop, &selection->park, "one of many", -1);
    for (int i = 0; i < selection->count; i++) join_line(&selection->sources[i]);
    while (!selection->winner && !selection->alarm.rang && result == ROTA_PARK_WOKEN)
        result = rota_park_wait(loop, &selection->park);
    for (int i = 0; i < selection->count; i++) leave_line(&selection->sources[i]);
    rota_alarm_clear(loop, &selection->alarm);
    rota_park_end(loop, &selection->park);

    struct source *winner = selection->winner;
    if (selection->park.jump) {
        if (winner && winner->kind && winner->kind->put_back)
            winner->kind->put_back(winner->object, selection->value);
        rb_jump_tag(selection->park.jump);
    }
    if (!winner && !selection->alarm.rang) rota_interrupt_raise(loop);
}

/* What the winner's line handed over, or what the poll said. */
static void unwrap(struct selection *selection)
{
    struct source *winner = selection->winner;
    if (!winner) return;
    if (!winner->kind) {
        if (winner->result < 0) rota_error_raise(winner->result, "select");
        selection->value = INT2NUM(winner->result);
    } else if (winner->kind->unwrap) {
        selection->value = winner->kind->unwrap(winner->object, selection->value);
    }
}

static VALUE run(VALUE data)
{
    struct selection *selection = (struct selection *)data;
    rota_give_way(selection->loop); /* somebody may always be ready */
    if (!try_all(selection)) {
        wait_for_one(selection);
        unwrap(selection);
    }
    if (!selection->winner) return Qnil;
    return rb_assoc_new(selection->winner->object, selection->value);
}

/* An op that was taken and not submitted, because the next could not be taken. */
static VALUE release_ops(VALUE data)
{
    struct selection *selection = (struct selection *)data;
    for (int i = 0; i < selection->count; i++) {
        rota_op_t *op = selection->sources[i].op;
        if (op) rota_engine_release(selection->loop->engine, op);
    }
    return Qnil;
}

static void describe_source(struct selection *selection, struct source *source, VALUE object)
{
    source->object = object;
    source->selection = selection;
    source->kind = selectable_for(object);
    rota_list_init(&source->waiter.link);
    if (!source->kind) source->target = rota_target(selection->loop, object);
}

/* call-seq: select(*sources, timeout: nil) -> [source, value] or nil
 *
 * Waits for the first that is ready, in the order given when several are; the others are left
 * untouched: nothing is taken from them.
 *
 * @param sources [Array<Rota::Task, Rota::Queue, Rota::Event, Rota::Stream, IO, Integer>] a task is
 *   ready when it has ended, a queue (a mailbox) when it has an item or is closed, an event when it
 * is signalled, an IO when it can be read
 * @param timeout [Numeric, nil] seconds
 * @return [Array(Object, Object)] the source, and what it gave: the task's value, the item, the
 *   signal's value, poll(2)'s bits for an IO
 * @return [nil] when the time was up
 * @raise [Exception] what the task failed with
 * @raise [ArgumentError] no sources and no timeout */
static VALUE rota_select(int argc, VALUE *argv, VALUE module)
{
    VALUE sources, options, timeout = Qundef;
    (void)module;
    rb_scan_args(argc, argv, "*:", &sources, &options);
    if (!NIL_P(options)) rb_get_kwargs(options, &id_timeout, 0, 1, &timeout);
    if (timeout == Qundef) timeout = Qnil;
    if (RARRAY_LEN(sources) == 0 && NIL_P(timeout))
        rb_raise(rb_eArgError, "nothing to select from");

    struct selection selection = {
        .loop = rota_loop_demand(), .value = Qnil, .deadline_ns = UINT64_MAX};
    if (!NIL_P(timeout)) selection.deadline_ns = rota_now_ns() + rota_seconds_to_ns(timeout);
    selection.count = RARRAY_LENINT(sources);
    if (selection.count > SOURCES_MAX) rb_raise(rb_eArgError, "more than %d sources", SOURCES_MAX);
    selection.sources = ALLOCA_N(struct source, selection.count + 1);
    MEMZERO(selection.sources, struct source, selection.count + 1);
    for (int i = 0; i < selection.count; i++)
        describe_source(&selection, &selection.sources[i], RARRAY_AREF(sources, i));
    VALUE result = rb_ensure(run, (VALUE)&selection, release_ops, (VALUE)&selection);
    RB_GC_GUARD(sources);
    return result;
}

void rota_init_select(VALUE module)
{
    id_timeout = rb_intern("timeout");
    rb_define_module_function(module, "select", rota_select, -1);
}
