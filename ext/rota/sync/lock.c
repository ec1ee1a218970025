#include "sync/lock.h"

#include "runtime/error.h"
#include "runtime/interrupt.h"

#define FREE       Qfalse
#define ON_ITS_WAY Qundef

/* -- who owns it --------------------------------------------------------------------------------
 */

/* NULL for a thread without a loop. The main fiber of a script counts as its thread too: it may
 * hold a lock before its loop is made. */
static rota_task_t *running_task(void)
{
    rota_loop_t *loop = rota_loop_current();
    if (!loop || (loop->script && loop->current == loop->root)) return NULL;
    return loop->current;
}

static VALUE owner_for(const rota_task_t *task)
{
    return task ? task->self : rb_thread_current();
}

/* What owns a lock is a task or a thread. */
static bool is_thread(VALUE owner)
{
    return !RB_SPECIAL_CONST_P(owner) && RTYPEDDATA_TYPE(owner) != &rota_task_type;
}

/* Did the owner make the fork that made this process? Its task stood still in its loop since. */
static bool forked_here(VALUE owner)
{
    VALUE thread = rb_thread_current();
    if (owner == FREE || owner == ON_ITS_WAY || is_thread(owner)) return owner == thread;
    rota_task_t *task = rota_task_get(owner);
    return task->loop->thread == thread && task->loop->current == task;
}

/* In a forked child only the fiber that forked goes on, as its thread's main fiber: what it held is
 * still its own, what others held is free. */
static void settle_fork(rota_lock_t *lock)
{
    bool ours = forked_here(lock->owner);
    rota_list_remove(&lock->held.link);
    lock->fork_generation = rota_fork_generation;
    lock->owner = ours ? rb_thread_current() : FREE;
}

/* A thread tells nobody when it ends. What it held is noticed when somebody wants it. Others may
 * run while it is asked, and they may have noticed. */
static void settle_dead_thread(rota_lock_t *lock)
{
    VALUE owner = lock->owner;
    if (!is_thread(owner) || RTEST(rb_funcall(owner, rb_intern("alive?"), 0))) return;
    if (lock->owner == owner) rota_lock_leave(lock);
}

static inline void settle(rota_lock_t *lock)
{
    if (ROTA_UNLIKELY(lock->fork_generation != rota_fork_generation)) settle_fork(lock);
}

/* Free, as far as can be known: for those who would wait, or ask. */
static bool found_free(rota_lock_t *lock)
{
    settle(lock);
    if (lock->owner != FREE) settle_dead_thread(lock);
    return lock->owner == FREE;
}

static void release_at_end(rota_held_t *held)
{
    rota_lock_leave(ROTA_CONTAINER_OF(held, rota_lock_t, held));
}

/* The owner's list is not touched when a lock is freed: a task marks what it holds, so it is
 * garbage then too. */
static void mark(void *data)
{
    const rota_lock_t *lock = data;
    rb_gc_mark(lock->owner);
}

static size_t memsize(const void *data)
{
    (void)data;
    return sizeof(rota_lock_t);
}

/* Not write-barrier protected: a lock changes its owner all the time. */
#define LOCK_TYPE(variable, class_name)                                                            \
    const rb_data_type_t variable = {                                                              \
        .wrap_struct_name = (class_name),                                                          \
        .function = {.dmark = mark, .dfree = RUBY_TYPED_DEFAULT_FREE, .dsize = memsize},           \
        .flags = RUBY_TYPED_FREE_IMMEDIATELY,                                                      \
    }

LOCK_TYPE(rota_mutex_type, "Rota::Mutex");
LOCK_TYPE(rota_monitor_type, "Rota::Monitor");

VALUE rota_lock_alloc(VALUE klass, const rb_data_type_t *type)
{
    rota_lock_t *lock;
    VALUE self = TypedData_Make_Struct(klass, rota_lock_t, type, lock);
    *lock = (rota_lock_t){
        .held = {.self = Qnil, .release = release_at_end},
        .owner = FREE,
        .fork_generation = rota_fork_generation,
    };
    rota_list_init(&lock->held.link);
    rota_waiters_init(&lock->waiters);
    return self;
}

rota_lock_t *rota_lock_get(VALUE object)
{
    if (rb_typeddata_is_kind_of(object, &rota_mutex_type)) return RTYPEDDATA_DATA(object);
    if (rb_typeddata_is_kind_of(object, &rota_monitor_type)) return RTYPEDDATA_DATA(object);
    rb_raise(rb_eTypeError, "wrong argument type %" PRIsVALUE " (expected Rota::Mutex or Monitor)",
             rb_obj_class(object));
}

bool rota_lock_taken(rota_lock_t *lock)
{
    return !found_free(lock);
}

bool rota_lock_owned(rota_lock_t *lock)
{
    settle(lock);
    return lock->owner == owner_for(running_task());
}

void rota_lock_require_owned(rota_lock_t *lock)
{
    if (ROTA_LIKELY(rota_lock_owned(lock))) return;
    if (!rota_lock_taken(lock))
        rb_raise(rb_eThreadError, "Attempt to unlock a mutex which is not locked");
    rb_raise(rb_eThreadError, "Attempt to unlock a mutex which is locked by another thread/fiber");
}

/* -- taking and leaving -------------------------------------------------------------------------
 */

static void take(rota_lock_t *lock, VALUE self)
{
    rota_task_t *task = running_task();
    lock->owner = owner_for(task);
    lock->depth = 1;
    lock->held.self = self; /* now, because it may have been moved while nobody held it */
    if (task) rota_list_push_back(&task->held, &lock->held.link);
}

static void pass_on(void *lock, VALUE unused)
{
    (void)unused;
    rota_lock_leave(lock);
}

/* May one that is in line now wait for a thread that ends with the lock? The owner, or who has it
 * before this one: nobody overtakes. */
static bool may_be_left_silently(rota_lock_t *lock)
{
    if (rota_waiters_natives(&lock->waiters)) return true;
    return is_thread(lock->owner) && lock->owner != rb_thread_current();
}

static bool look_at_owner(void *data)
{
    rota_lock_t *lock = data;
    (void)found_free(lock);
    return may_be_left_silently(lock);
}

/* The loop is that of rota_switchpoint. */
static void wait_for_lock(rota_loop_t *loop, rota_lock_t *lock, VALUE self)
{
    rota_waiting_t waiting = {
        .what = "a lock",
        .detail = -1,
        .deadline_ns = UINT64_MAX,
        .refuse = pass_on,
        .data = lock,
    };
    VALUE unused;
    if (!found_free(lock)) {
        if (may_be_left_silently(lock)) waiting.look = look_at_owner;
        rota_waiters_wait_in(loop, &lock->waiters, &waiting, &unused);
    }
    take(lock, self);
}

bool rota_lock_try(rota_lock_t *lock, VALUE self)
{
    if (!found_free(lock)) return false;
    take(lock, self);
    return true;
}

void rota_lock_enter(rota_lock_t *lock, VALUE self)
{
    rota_loop_t *loop = rota_switchpoint();
    settle(lock);
    if (ROTA_LIKELY(lock->owner == FREE))
        take(lock, self);
    else
        wait_for_lock(loop, lock, self);
}

bool rota_lock_lost(rota_lock_t *lock)
{
    VALUE error = rb_errinfo();
    return rota_error_is_exception(error) && RTEST(rb_obj_is_kind_of(error, rota_eDeadlock)) &&
           !rota_lock_owned(lock);
}

void rota_lock_leave(rota_lock_t *lock)
{
    rota_list_remove(&lock->held.link);
    lock->owner = rota_waiters_grant(&lock->waiters, Qnil) ? ON_ITS_WAY : FREE;
}

/* -- giving it up for a while -------------------------------------------------------------------
 */

struct pause {
    rota_lock_t *lock;
    VALUE self;
    uint32_t depth;
    rota_task_t *shielded;
};

static VALUE take_again(VALUE data)
{
    struct pause *pause = (struct pause *)data;
    wait_for_lock(rota_switchpoint(), pause->lock, pause->self);
    return Qnil;
}

static VALUE persist(VALUE data);

static VALUE take_surely(VALUE data)
{
    return rb_ensure(take_again, data, persist, data);
}

/* A kill or throw may surface while the lock is waited for. It goes on once the lock is there: whom
 * it unwinds believes to own the lock. An exception passes the shield only when the lock would
 * never come: a deadlock goes on without it. */
static VALUE persist(VALUE data)
{
    struct pause *pause = (struct pause *)data;
    bool over = rota_lock_owned(pause->lock) || rota_error_is_exception(rb_errinfo());
    return over ? Qnil : take_surely(data);
}

static VALUE lift_shield(VALUE data)
{
    struct pause *pause = (struct pause *)data;
    if (pause->shielded) pause->shielded->shield--;
    if (rota_lock_owned(pause->lock)) pause->lock->depth = pause->depth;
    return Qnil;
}

static VALUE take_back(VALUE data)
{
    struct pause *pause = (struct pause *)data;
    rota_loop_t *loop = rota_loop_current();
    settle(pause->lock);
    if (ROTA_LIKELY(pause->lock->owner == FREE)) {
        take(pause->lock, pause->self);
        pause->lock->depth = pause->depth;
        return Qnil;
    }
    pause->shielded = loop ? loop->current : NULL;
    if (pause->shielded) pause->shielded->shield++;
    return rb_ensure(take_surely, data, lift_shield, data);
}

VALUE rota_lock_without(rota_lock_t *lock, VALUE self, VALUE (*wait)(VALUE), VALUE arg)
{
    struct pause pause = {.lock = lock, .self = self, .depth = lock->depth};
    rota_lock_leave(lock);
    return rb_ensure(wait, arg, take_back, (VALUE)&pause);
}
