#include "scheduler/block_hooks.h"

#include "runtime/deadline.h"
#include "runtime/interrupt.h"
#include "runtime/sleep.h"
#include "runtime/task.h"
#include "scheduler/native.h"
#include "scheduler/scheduler.h"

static VALUE cTimeoutError;

static uint64_t deadline_in(VALUE timeout)
{
    return NIL_P(timeout) ? UINT64_MAX : rota_now_ns() + rota_seconds_to_ns(timeout);
}

struct waiting {
    const char *what;
    uint64_t deadline_ns;
    bool endless;     /* a sleep without end is no deadlock */
    bool schedulable; /* Task#schedule ends it, too */
};

/* A thread may unblock a fiber between the moment when core has put it on a list of waiters and the
 * one when it parks: what overrides a hook in Ruby may release the GVL in between. */
static void remember_early(rota_scheduler_t *scheduler, const rota_loop_t *loop, VALUE fiber)
{
    if (NIL_P(scheduler->early)) scheduler->early = rb_ary_new();
    if (scheduler->early_at_switch != loop->stats.switches) rb_ary_clear(scheduler->early);
    scheduler->early_at_switch = loop->stats.switches;
    rb_ary_push(scheduler->early, fiber);
}

static bool was_early(rota_scheduler_t *scheduler, const rota_loop_t *loop, VALUE fiber)
{
    if (ROTA_LIKELY(NIL_P(scheduler->early))) return false;
    bool current = scheduler->early_at_switch == loop->stats.switches;
    bool found = current && RTEST(rb_ary_includes(scheduler->early, fiber));
    scheduler->early = Qnil;
    return found;
}

/* Parks until the fiber is unblocked (true) or the deadline comes (false). A wake-up that came in
 * one turn with an interrupt is taken: a Mutex that was left to this fiber would find nobody else
 * to wake. The interrupt stays for the next switchpoint. */
static bool wait_blocked(VALUE self, rota_loop_t *loop, const struct waiting *waiting)
{
    rota_scheduler_t *scheduler = rota_scheduler_get(self);
    rota_blocked_table_t *table = &scheduler->blocked;
    rota_park_result_t result = ROTA_PARK_WOKEN;
    rota_park_t park;
    rota_alarm_t alarm;
    rota_blocked_t blocked = {.fiber = rb_fiber_current(), .park = &park};

    if (was_early(scheduler, loop, blocked.fiber)) return true;
    rota_blocked_reserve(table);
    rota_alarm_set(loop, &alarm, &park, waiting->deadline_ns);
    rota_park_begin(loop, &park, waiting->what, -1);
    park.schedulable = waiting->schedulable;
    rota_blocked_add(table, &blocked);
    loop->endless_sleeps += waiting->endless;
    while (!blocked.woken && !alarm.rang && park.schedulable == waiting->schedulable &&
           result == ROTA_PARK_WOKEN)
        result = rota_park_wait(loop, &park);
    /* Core asks for the thread's interrupts as soon as this returns, and Mutex#lock then drops the
     * wake-up that this fiber got, so that nobody has the lock and nobody is woken for it: what was
     * raised in the thread is handed to the root task first. */
    rota_park_look(loop, &park);
    loop->endless_sleeps -= waiting->endless;
    rota_blocked_remove(table, &blocked);
    rota_alarm_clear(loop, &alarm);
    rota_park_end(loop, &park);

    if (ROTA_UNLIKELY(park.jump)) rb_jump_tag(park.jump);
    bool woken = blocked.woken || park.schedulable != waiting->schedulable;
    if (ROTA_UNLIKELY(!woken && !alarm.rang)) rota_interrupt_raise(loop);
    RB_GC_GUARD(self);
    return woken;
}

/* call-seq: block(blocker, timeout = nil) -> true or false
 *
 * Called by Mutex#lock, Queue#pop, Thread#join and the like. Waits for {unblock}.
 *
 * @param blocker [Object] what is waited for; for reports only
 * @param timeout [Numeric, nil] seconds
 * @return [Boolean] unblocked in time? */
static VALUE hook_block(int argc, VALUE *argv, VALUE self)
{
    VALUE blocker, timeout;
    rb_scan_args(argc, argv, "11", &blocker, &timeout);
    struct waiting waiting = {.what = "a lock, queue or thread",
                              .deadline_ns = deadline_in(timeout)};
    rota_loop_t *loop = rota_scheduler_enter(self);
    if (ROTA_LIKELY(loop != NULL)) return RBOOL(wait_blocked(self, loop, &waiting));
    /* Nobody could wake this thread: the caller looks again now and then. */
    uint64_t soon_ns = rota_now_ns() + ROTA_NS_PER_MS;
    rota_native_sleep(soon_ns < waiting.deadline_ns ? soon_ns : waiting.deadline_ns);
    return Qtrue;
}

/* call-seq: unblock(blocker, fiber) -> nil
 *
 * Ends the wait of a fiber in {block} or {kernel_sleep}; nothing when it is in neither. From any
 * thread.
 *
 * @param blocker [Object] not looked at
 * @param fiber [Fiber]
 * @return [nil] */
static VALUE hook_unblock(VALUE self, VALUE blocker, VALUE fiber)
{
    rota_scheduler_t *scheduler = rota_scheduler_get(self);
    rota_loop_t *loop = rota_scheduler_loop(scheduler);
    (void)blocker;
    if (!loop) return Qnil;
    rota_blocked_t *blocked = rota_blocked_find(&scheduler->blocked, fiber);
    if (!blocked) {
        remember_early(scheduler, loop, fiber);
        return Qnil;
    }
    blocked->woken = true;
    rota_park_wake(loop, blocked->park);
    rota_loop_notify(loop);
    return Qnil;
}

/* call-seq: kernel_sleep(duration = nil) -> true
 *
 * Called by Kernel#sleep and Mutex#sleep. {unblock} ends it early.
 *
 * @param duration [Numeric, nil] seconds; 0 lets everybody else run once; nil has no end
 * @return [true] */
static VALUE hook_kernel_sleep(int argc, VALUE *argv, VALUE self)
{
    VALUE duration;
    rb_scan_args(argc, argv, "01", &duration);
    if (!NIL_P(duration)) duration = rota_seconds_not_negative(duration);
    struct waiting waiting = {.what = "a sleep",
                              .deadline_ns = deadline_in(duration),
                              .endless = NIL_P(duration),
                              .schedulable = true};
    rota_loop_t *loop = rota_scheduler_enter(self);
    if (ROTA_UNLIKELY(!loop)) {
        rota_native_sleep(waiting.deadline_ns);
    } else if (!NIL_P(duration) && rota_seconds_to_ns(duration) == 0) {
        rota_snooze(loop);
    } else {
        wait_blocked(self, loop, &waiting);
    }
    return Qtrue;
}

/* Known only at the first use: the library is loaded by who needs it. */
static VALUE timeout_error(void)
{
    if (ROTA_LIKELY(cTimeoutError)) return cTimeoutError;
    if (!rb_const_defined(rb_cObject, rb_intern("Timeout"))) rb_require("timeout");
    cTimeoutError = rb_path2class("Timeout::Error");
    rb_gc_register_mark_object(cTimeoutError);
    return cTimeoutError;
}

/* Timeout.timeout without a class, on Ruby 3.1 and 3.2: the block must not be able to rescue it as
 * a StandardError (a loop that retries would go on for ever), so it becomes one only outside. */
static VALUE limit(VALUE duration, VALUE exception_class, VALUE message)
{
    VALUE value = rota_deadline_yield(duration, Qundef, Qnil);
    if (value != Qundef) return value;
    if (NIL_P(message)) message = rb_str_new_cstr("execution expired");
    rb_exc_raise(rb_exc_new_str(exception_class, message));
}

/* call-seq: timeout_after(duration, exception_class, message) { |duration| } -> value
 *
 * Called by Timeout.timeout. The exception is raised in this task alone, at a switchpoint inside
 * the block, and never after it.
 *
 * @param duration [Numeric] seconds
 * @param exception_class [Class, Exception] made an exception of as Kernel#raise does
 * @param message [String]
 * @return [Object] the block's value */
static VALUE hook_timeout_after(int argc, VALUE *argv, VALUE self)
{
    VALUE duration, exception, message;
    rb_scan_args(argc, argv, "12", &duration, &exception, &message);
    rb_need_block();
    if (!rota_scheduler_enter(self)) return rb_yield(duration);
    VALUE plain = timeout_error();
    if (NIL_P(exception)) exception = plain;
    if (exception == plain) return limit(duration, plain, message);
    return rota_deadline_yield(duration, exception, message);
}

void rota_init_block_hooks(VALUE scheduler_class)
{
    rb_define_method(scheduler_class, "block", hook_block, -1);
    rb_define_method(scheduler_class, "unblock", hook_unblock, 2);
    rb_define_method(scheduler_class, "kernel_sleep", hook_kernel_sleep, -1);
    rb_define_method(scheduler_class, "timeout_after", hook_timeout_after, -1);
}
