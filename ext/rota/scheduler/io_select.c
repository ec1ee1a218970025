#include "scheduler/io_select.h"

#include "runtime/await.h"
#include "runtime/interrupt.h"
#include "runtime/sleep.h"
#include "runtime/task.h"
#include "scheduler/scheduler.h"

#include <poll.h>

enum { SETS = 3 };

/* When those that polls tell nothing new of are looked at again. */
#define LOOK_AGAIN_NS (100 * ROTA_NS_PER_MS)

static const short events_of[SETS] = {POLLIN, POLLOUT, POLLPRI};

/* What select(2) counts as ready: it tells errors by making everything so. */
static const short ready_mask[SETS] = {
    POLLIN | POLLHUP | POLLERR,
    POLLOUT | POLLERR,
    POLLPRI,
};

struct selecting {
    rota_loop_t *loop;
    VALUE sets[SETS]; /* Arrays as they were given, or nil */
    VALUE ios;        /* keeps what to_io gave */
    uint64_t deadline_ns;
    bool limited;
    nfds_t count;
    struct pollfd *descriptors; /* for the members of the sets, in their order */
    bool *buffered;             /* has bytes in Ruby's own buffer */
    bool any_buffered;
    bool any_deaf; /* a poll would end at once, by what does not count: see is_deaf */
    rota_op_t **ops;
    VALUE memory[SETS];
};

static long members(const struct selecting *selecting, int set)
{
    return NIL_P(selecting->sets[set]) ? 0 : RARRAY_LEN(selecting->sets[set]);
}

static void add(struct selecting *selecting, int set, VALUE member)
{
    VALUE io = rb_io_get_io(member);
    if (events_of[set] == POLLOUT) io = rb_io_get_write_io(io);
    nfds_t index = selecting->count++;
    selecting->descriptors[index] =
        (struct pollfd){.fd = rb_io_descriptor(io), .events = events_of[set]};
    rb_ary_push(selecting->ios, io);
    if (events_of[set] != POLLIN) return;
    rb_io_t *file;
    GetOpenFile(io, file);
    if (!rb_io_read_pending(file)) return;
    selecting->buffered[index] = selecting->any_buffered = true;
}

static void collect(struct selecting *selecting)
{
    long total = 0;
    for (int set = 0; set < SETS; set++) total += members(selecting, set);
    selecting->descriptors =
        rb_alloc_tmp_buffer2(&selecting->memory[0], total, sizeof(struct pollfd));
    selecting->buffered = rb_alloc_tmp_buffer2(&selecting->memory[1], total, sizeof(bool));
    selecting->ops = rb_alloc_tmp_buffer2(&selecting->memory[2], total, sizeof(rota_op_t *));
    memset(selecting->buffered, 0, (size_t)total * sizeof(bool));
    memset(selecting->ops, 0, (size_t)total * sizeof(rota_op_t *));
    selecting->ios = rb_ary_new_capa(total);
    for (int set = 0; set < SETS; set++)
        for (long i = 0; i < members(selecting, set) && (long)selecting->count < total; i++)
            add(selecting, set, RARRAY_AREF(selecting->sets[set], i));
}

static bool is_ready(const struct pollfd *descriptor)
{
    int set = 0;
    while (descriptor->events != events_of[set]) set++;
    return descriptor->revents & ready_mask[set];
}

/* Hung up, or with an error, which for its set is no event: a poll tells of these whatever it is
 * asked for. */
static bool is_deaf(const struct pollfd *descriptor)
{
    return descriptor->revents && !is_ready(descriptor);
}

/* One look, without waiting: is anybody ready? */
static bool look(struct selecting *selecting)
{
    int count = poll(selecting->descriptors, selecting->count, 0);
    if (count < 0 && errno != EINTR) rb_sys_fail("select");
    bool ready = selecting->any_buffered;
    selecting->any_deaf = false;
    for (nfds_t i = 0; i < selecting->count; i++) {
        const struct pollfd *descriptor = &selecting->descriptors[i];
        if (descriptor->revents & POLLNVAL) rb_syserr_fail(EBADF, "select");
        ready |= is_ready(descriptor);
        selecting->any_deaf |= is_deaf(descriptor);
    }
    return ready;
}

static void wake_owner(rota_op_t *op)
{
    rota_park_t *park = op->owner;
    rota_park_wake(park->task->loop, park);
}

/* A poll has no memory that the kernel could touch, so nobody has to wait for its end. */
static void leave_ops(struct selecting *selecting)
{
    rota_engine_t *engine = selecting->loop->engine;
    for (nfds_t i = 0; i < selecting->count; i++) {
        rota_op_t *op = selecting->ops[i];
        selecting->ops[i] = NULL;
        if (!op) continue;
        op->complete = NULL;
        if (op->state == ROTA_OP_DONE) {
            rota_engine_release(engine, op);
        } else {
            engine->api->cancel(engine, op);
            rota_engine_abandon(engine, op);
        }
    }
}

/* False when memory is out. */
static bool submit_ops(struct selecting *selecting, rota_park_t *park)
{
    rota_engine_t *engine = selecting->loop->engine;
    for (nfds_t i = 0; i < selecting->count; i++) {
        if (is_deaf(&selecting->descriptors[i])) continue;
        rota_op_t *op = selecting->ops[i] = rota_op_take(&engine->ops);
        if (!op) return false;
        op->kind = ROTA_OP_POLL;
        op->fd = op->descriptor = selecting->descriptors[i].fd;
        op->request_flags = (uint32_t)selecting->descriptors[i].events;
        op->owner = park;
        op->complete = wake_owner;
        engine->api->submit(engine, op);
    }
    return true;
}

static bool any_done(const struct selecting *selecting)
{
    for (nfds_t i = 0; i < selecting->count; i++)
        if (selecting->ops[i] && selecting->ops[i]->state == ROTA_OP_DONE) return true;
    return false;
}

/* Parks until one of them is ready: false when the deadline came first, or it is time for a look.
 */
static bool wait_for_any(struct selecting *selecting)
{
    rota_loop_t *loop = selecting->loop;
    rota_park_result_t result = ROTA_PARK_WOKEN;
    rota_park_t park;
    rota_alarm_t alarm;

    rota_interrupt_check(loop);
    bool endless = selecting->count == 0 && !selecting->limited;
    uint64_t until_ns = selecting->any_deaf ? rota_now_ns() + LOOK_AGAIN_NS : UINT64_MAX;
    if (selecting->deadline_ns < until_ns) until_ns = selecting->deadline_ns;
    rota_alarm_set(loop, &alarm, &park, until_ns);
    rota_park_begin(loop, &park, "IO.select", -1);
    loop->endless_sleeps += endless;
    bool submitted = submit_ops(selecting, &park);
    while (submitted && !any_done(selecting) && !alarm.rang && result == ROTA_PARK_WOKEN)
        result = rota_park_wait(loop, &park);
    bool done = any_done(selecting);
    leave_ops(selecting);
    loop->endless_sleeps -= endless;
    rota_alarm_clear(loop, &alarm);
    rota_park_end(loop, &park);
    if (ROTA_UNLIKELY(park.jump)) rb_jump_tag(park.jump);
    if (ROTA_UNLIKELY(!submitted)) rb_memerror();
    if (!done && !alarm.rang) rota_interrupt_raise(loop);
    return done;
}

static VALUE results(const struct selecting *selecting)
{
    VALUE all = rb_ary_new_capa(SETS);
    nfds_t index = 0;
    for (int set = 0; set < SETS; set++) {
        VALUE ready = rb_ary_new();
        long total = members(selecting, set);
        for (long i = 0; i < total && index < selecting->count; i++, index++) {
            bool is_ready = selecting->descriptors[index].revents & ready_mask[set];
            if (is_ready || selecting->buffered[index])
                rb_ary_push(ready, RARRAY_AREF(selecting->sets[set], i));
        }
        rb_ary_push(all, ready);
    }
    return all;
}

static VALUE perform(VALUE data)
{
    struct selecting *selecting = (struct selecting *)data;
    collect(selecting);
    while (!look(selecting)) {
        if (selecting->limited && rota_now_ns() >= selecting->deadline_ns) {
            rota_snooze(selecting->loop);
            return Qnil;
        }
        bool deaf = selecting->any_deaf;
        if (!wait_for_any(selecting) && (!deaf || rota_now_ns() >= selecting->deadline_ns)) {
            if (look(selecting)) break;
            return Qnil;
        }
    }
    return results(selecting);
}

static VALUE release(VALUE data)
{
    struct selecting *selecting = (struct selecting *)data;
    for (int i = 0; i < SETS; i++)
        if (selecting->memory[i]) rb_free_tmp_buffer(&selecting->memory[i]);
    return Qnil;
}

/* A copy: whoever else has the Array may change it while this task waits. */
static VALUE copy_of(VALUE set)
{
    if (NIL_P(set)) return Qnil;
    Check_Type(set, T_ARRAY);
    return rb_ary_dup(set);
}

/* call-seq: io_select(readables, writables = nil, exceptables = nil, timeout = nil) -> Array or nil
 *
 * Called by IO.select, with its arguments.
 *
 * @return [Array<Array>] who is ready, in three Arrays
 * @return [nil] the time was up first */
static VALUE hook_io_select(int argc, VALUE *argv, VALUE self)
{
    VALUE sets[SETS], timeout;
    rb_scan_args(argc, argv, "13", &sets[0], &sets[1], &sets[2], &timeout);
    struct selecting selecting = {.limited = !NIL_P(timeout), .deadline_ns = UINT64_MAX};
    if (selecting.limited) {
        if (NUM2DBL(timeout) < 0) rb_raise(rb_eArgError, "time interval must not be negative");
        selecting.deadline_ns = rota_now_ns() + rota_seconds_to_ns(timeout);
    }
    for (int i = 0; i < SETS; i++) selecting.sets[i] = copy_of(sets[i]);
    selecting.loop = rota_scheduler_enter(self);
    if (!selecting.loop)
        return rb_funcallv(rb_path2class("Rota::Scheduler"), rb_intern("__select"), argc, argv);
    rota_give_way(selecting.loop); /* somebody may always be ready */
    VALUE value = rb_ensure(perform, (VALUE)&selecting, release, (VALUE)&selecting);
    for (int i = 0; i < SETS; i++) RB_GC_GUARD(selecting.sets[i]);
    RB_GC_GUARD(selecting.ios);
    return value;
}

void rota_init_io_select(VALUE scheduler_class)
{
    rb_define_method(scheduler_class, "io_select", hook_io_select, -1);
}
