#include "sync/condition.h"

#include "sync/interval.h"
#include "sync/lock.h"

static size_t condition_memsize(const void *data)
{
    (void)data;
    return sizeof(rota_waiters_t);
}

static const rb_data_type_t condition_type = {
    .wrap_struct_name = "Rota::ConditionVariable",
    .function = {.dfree = RUBY_TYPED_DEFAULT_FREE, .dsize = condition_memsize},
    .flags = RUBY_TYPED_FREE_IMMEDIATELY | RUBY_TYPED_WB_PROTECTED,
};

static VALUE condition_alloc(VALUE klass)
{
    rota_waiters_t *waiters;
    VALUE self = TypedData_Make_Struct(klass, rota_waiters_t, &condition_type, waiters);
    rota_waiters_init(waiters);
    return self;
}

static rota_waiters_t *waiters_of(VALUE self)
{
    return rota_typed_data(self, &condition_type);
}

struct wait {
    rota_loop_t *loop;
    rota_waiters_t *waiters;
    uint64_t start_ns;
    uint64_t deadline_ns;
};

static void pass_on(void *waiters, VALUE unused)
{
    rota_waiters_grant(waiters, unused);
}

static VALUE wait_for_signal(VALUE data)
{
    struct wait *wait = (struct wait *)data;
    rota_waiting_t waiting = {
        .what = "a condition",
        .detail = -1,
        .deadline_ns = wait->deadline_ns,
        .refuse = pass_on,
        .data = wait->waiters,
    };
    VALUE unused;
    if (!rota_waiters_wait_in(wait->loop, wait->waiters, &waiting, &unused)) return Qnil;
    return rota_interval_since(wait->start_ns);
}

/* call-seq: wait(mutex, timeout = nil) -> Integer or nil
 *
 * Gives +mutex+ up, waits for a signal, and takes +mutex+ again, also before an interrupt is
 * raised. Who was signalled is signalled: an interrupt that comes in the same moment is raised at
 * the next switchpoint. Who left because its time was up is not signalled later.
 *
 * @param mutex [Rota::Mutex, Rota::Monitor] the current task's; a monitor is left and entered again
 *   as often as it was entered
 * @param timeout [Numeric, nil] seconds
 * @return [Integer, nil] seconds waited; nil when the time was up
 * @raise [ThreadError] +mutex+ is not the current task's */
static VALUE condition_wait(int argc, VALUE *argv, VALUE self)
{
    VALUE mutex, timeout;
    rb_scan_args(argc, argv, "11", &mutex, &timeout);
    rota_lock_t *lock = rota_lock_get(mutex);
    struct wait wait = {.waiters = waiters_of(self), .start_ns = rota_now_ns()};
    wait.deadline_ns = rota_interval_end_ns(wait.start_ns, timeout);
    wait.loop = rota_switchpoint(); /* between the lock and the line there is none */
    rota_lock_require_owned(lock);
    return rota_lock_without(lock, mutex, wait_for_signal, (VALUE)&wait);
}

/* Wakes the first who waits, if there is one.
 *
 * @return [self] */
static VALUE condition_signal(VALUE self)
{
    rota_waiters_grant(waiters_of(self), Qnil);
    return self;
}

/* Wakes all who wait.
 *
 * @return [self] */
static VALUE condition_broadcast(VALUE self)
{
    rota_waiters_grant_all(waiters_of(self), Qnil);
    return self;
}

void rota_init_condition(VALUE module)
{
    VALUE klass = rb_define_class_under(module, "ConditionVariable", rb_cObject);
    rb_define_alloc_func(klass, condition_alloc);
    rb_undef_method(klass, "initialize_copy");
    rb_define_method(klass, "wait", condition_wait, -1);
    rb_define_method(klass, "signal", condition_signal, 0);
    rb_define_method(klass, "broadcast", condition_broadcast, 0);
}
