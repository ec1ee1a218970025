#include "sync/monitor.h"

#include "sync/lock.h"

static VALUE monitor_alloc(VALUE klass)
{
    return rota_lock_alloc(klass, &rota_monitor_type);
}

static rota_lock_t *lock_of(VALUE self)
{
    return rota_typed_data(self, &rota_monitor_type);
}

/* Enters the monitor; waits for it, first come first served. The owner enters as often as it likes.
 *
 * @return [nil] */
static VALUE monitor_enter(VALUE self)
{
    rota_lock_t *lock = lock_of(self);
    if (rota_lock_owned(lock))
        lock->depth++;
    else
        rota_lock_enter(lock, self);
    return Qnil;
}

/* Enters the monitor if nobody else is in it.
 *
 * @return [Boolean] was it entered? */
static VALUE monitor_try_enter(VALUE self)
{
    rota_lock_t *lock = lock_of(self);
    if (!rota_lock_owned(lock)) return RBOOL(rota_lock_try(lock, self));
    lock->depth++;
    return Qtrue;
}

/* @return [nil]
 * @raise [ThreadError] the current task is not in the monitor */
static VALUE monitor_check_owner(VALUE self)
{
    if (!rota_lock_owned(lock_of(self))) rb_raise(rb_eThreadError, "current fiber not owner");
    return Qnil;
}

/* Leaves the monitor; at the last of as many calls as it was entered, the first who waits has it.
 *
 * @return [nil]
 * @raise [ThreadError] the current task is not in the monitor */
static VALUE monitor_exit(VALUE self)
{
    rota_lock_t *lock = lock_of(self);
    monitor_check_owner(self);
    if (--lock->depth == 0) rota_lock_leave(lock);
    return Qnil;
}

static VALUE end_synchronize(VALUE self)
{
    return rota_lock_lost(lock_of(self)) ? Qnil : monitor_exit(self);
}

/* call-seq: synchronize { } -> value
 *
 * Runs the block inside the monitor.
 *
 * @return [Object] the block's value */
static VALUE monitor_synchronize(VALUE self)
{
    rb_need_block();
    monitor_enter(self);
    return rb_ensure(rota_yield_nothing, Qnil, end_synchronize, self);
}

/* @return [Boolean] is somebody in the monitor? */
static VALUE monitor_locked_p(VALUE self)
{
    return RBOOL(rota_lock_taken(lock_of(self)));
}

/* @return [Boolean] is the current task in the monitor? */
static VALUE monitor_owned_p(VALUE self)
{
    return RBOOL(rota_lock_owned(lock_of(self)));
}

void rota_init_monitor(VALUE module)
{
    VALUE klass = rb_define_class_under(module, "Monitor", rb_cObject);
    rb_define_alloc_func(klass, monitor_alloc);
    rb_undef_method(klass, "initialize_copy");
    rb_define_method(klass, "enter", monitor_enter, 0);
    rb_define_method(klass, "try_enter", monitor_try_enter, 0);
    rb_define_method(klass, "exit", monitor_exit, 0);
    rb_define_method(klass, "synchronize", monitor_synchronize, 0);
    rb_define_method(klass, "mon_locked?", monitor_locked_p, 0);
    rb_define_method(klass, "mon_owned?", monitor_owned_p, 0);
    rb_define_method(klass, "mon_check_owner", monitor_check_owner, 0);
    rb_define_alias(klass, "mon_enter", "enter");
    rb_define_alias(klass, "mon_try_enter", "try_enter");
    rb_define_alias(klass, "try_mon_enter", "try_enter");
    rb_define_alias(klass, "mon_exit", "exit");
    rb_define_alias(klass, "mon_synchronize", "synchronize");
}
