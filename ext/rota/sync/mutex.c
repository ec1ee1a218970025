#include "sync/mutex.h"

#include "runtime/sleep.h"
#include "sync/interval.h"
#include "sync/lock.h"

static VALUE mutex_alloc(VALUE klass)
{
    return rota_lock_alloc(klass, &rota_mutex_type);
}

static rota_lock_t *lock_of(VALUE self)
{
    return rota_typed_data(self, &rota_mutex_type);
}

/* Takes the lock; waits for it, first come first served.
 *
 * @return [self]
 * @raise [ThreadError] the current task has it already */
static VALUE mutex_lock(VALUE self)
{
    rota_lock_t *lock = lock_of(self);
    if (rota_lock_owned(lock)) rb_raise(rb_eThreadError, "deadlock; recursive locking");
    rota_lock_enter(lock, self);
    return self;
}

/* Takes the lock if it is free.
 *
 * @return [Boolean] was it taken? */
static VALUE mutex_try_lock(VALUE self)
{
    return RBOOL(rota_lock_try(lock_of(self), self));
}

/* Gives the lock to the first who waits for it.
 *
 * @return [self]
 * @raise [ThreadError] the current task does not have it */
static VALUE mutex_unlock(VALUE self)
{
    rota_lock_t *lock = lock_of(self);
    rota_lock_require_owned(lock);
    rota_lock_leave(lock);
    return self;
}

static VALUE end_synchronize(VALUE self)
{
    return rota_lock_lost(lock_of(self)) ? Qnil : mutex_unlock(self);
}

/* call-seq: synchronize { } -> value
 *
 * Runs the block with the lock.
 *
 * @return [Object] the block's value
 * @raise [ThreadError] the current task has the lock already */
static VALUE mutex_synchronize(VALUE self)
{
    if (!rb_block_given_p()) rb_raise(rb_eThreadError, "must be called with a block");
    mutex_lock(self);
    return rb_ensure(rota_yield_nothing, Qnil, end_synchronize, self);
}

/* @return [Boolean] has somebody the lock? */
static VALUE mutex_locked_p(VALUE self)
{
    return RBOOL(rota_lock_taken(lock_of(self)));
}

/* @return [Boolean] has the current task (or, without a loop, thread) the lock? */
static VALUE mutex_owned_p(VALUE self)
{
    return RBOOL(rota_lock_owned(lock_of(self)));
}

struct nap {
    uint64_t start_ns;
    uint64_t deadline_ns; /* UINT64_MAX: without end */
};

static void sleep_natively(uint64_t deadline_ns)
{
    if (deadline_ns == UINT64_MAX) {
        rb_thread_sleep_forever();
        return;
    }
    uint64_t now_ns = rota_now_ns(), left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
    rb_thread_wait_for((struct timeval){
        .tv_sec = (time_t)(left_ns / (uint64_t)ROTA_NS_PER_S),
        .tv_usec = (suseconds_t)((left_ns % (uint64_t)ROTA_NS_PER_S + 999) / 1000),
    });
}

static VALUE take_nap(VALUE data)
{
    struct nap *nap = (struct nap *)data;
    bool endless = nap->deadline_ns == UINT64_MAX;
    if (!rota_loop_current() && rb_thread_current() != rb_thread_main())
        sleep_natively(nap->deadline_ns);
    else
        rota_sleep_until(rota_loop_demand(), nap->deadline_ns, "a sleep", endless);
    if (rota_now_ns() >= nap->deadline_ns) return Qnil;
    return rota_interval_since(nap->start_ns);
}

/* call-seq: sleep(timeout = nil) -> Integer or nil
 *
 * Gives the lock up, sleeps until +timeout+ seconds are over or somebody calls +Task#schedule+ (of
 * a thread without a loop: +Thread#wakeup+), and takes the lock again.
 *
 * @param timeout [Numeric, nil]
 * @return [Integer, nil] seconds slept; nil when the time was up
 * @raise [ThreadError] the current task does not have the lock */
static VALUE mutex_sleep(int argc, VALUE *argv, VALUE self)
{
    VALUE timeout;
    rota_lock_t *lock = lock_of(self);
    rb_scan_args(argc, argv, "01", &timeout);
    struct nap nap = {.start_ns = rota_now_ns()};
    nap.deadline_ns = rota_interval_end_ns(nap.start_ns, timeout);
    rota_lock_require_owned(lock);
    return rota_lock_without(lock, self, take_nap, (VALUE)&nap);
}

void rota_init_mutex(VALUE module)
{
    VALUE klass = rb_define_class_under(module, "Mutex", rb_cObject);
    rb_define_alloc_func(klass, mutex_alloc);
    rb_undef_method(klass, "initialize_copy");
    rb_define_method(klass, "lock", mutex_lock, 0);
    rb_define_method(klass, "try_lock", mutex_try_lock, 0);
    rb_define_method(klass, "unlock", mutex_unlock, 0);
    rb_define_method(klass, "synchronize", mutex_synchronize, 0);
    rb_define_method(klass, "locked?", mutex_locked_p, 0);
    rb_define_method(klass, "owned?", mutex_owned_p, 0);
    rb_define_method(klass, "sleep", mutex_sleep, -1);
}
