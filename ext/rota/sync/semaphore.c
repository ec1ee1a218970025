#include "sync/semaphore.h"

#include "runtime/waiters.h"

struct semaphore {
    rota_waiters_t waiters;
    size_t available; /* 0 while somebody waits */
};

static size_t semaphore_memsize(const void *data)
{
    (void)data;
    return sizeof(struct semaphore);
}

static const rb_data_type_t semaphore_type = {
    .wrap_struct_name = "Rota::Semaphore",
    .function = {.dfree = RUBY_TYPED_DEFAULT_FREE, .dsize = semaphore_memsize},
    .flags = RUBY_TYPED_FREE_IMMEDIATELY | RUBY_TYPED_WB_PROTECTED,
};

static VALUE semaphore_alloc(VALUE klass)
{
    struct semaphore *semaphore;
    VALUE self = TypedData_Make_Struct(klass, struct semaphore, &semaphore_type, semaphore);
    rota_waiters_init(&semaphore->waiters);
    return self;
}

static struct semaphore *semaphore_of(VALUE self)
{
    return rota_typed_data(self, &semaphore_type);
}

/* call-seq: new(count) -> Rota::Semaphore
 *
 * @param count [Integer] how many may hold it at a time
 * @raise [ArgumentError] a negative count */
static VALUE semaphore_initialize(VALUE self, VALUE count)
{
    long number = NUM2LONG(count);
    if (number < 0) rb_raise(rb_eArgError, "a semaphore's count must not be negative");
    semaphore_of(self)->available = (size_t)number;
    return self;
}

static void release(struct semaphore *semaphore)
{
    if (!rota_waiters_grant(&semaphore->waiters, Qnil)) semaphore->available++;
}

static void pass_on(void *semaphore, VALUE unused)
{
    (void)unused;
    release(semaphore);
}

static void acquire(struct semaphore *semaphore)
{
    rota_loop_t *loop = rota_fair_switchpoint();
    rota_waiting_t waiting = {
        .what = "a semaphore",
        .detail = -1,
        .deadline_ns = UINT64_MAX,
        .refuse = pass_on,
        .data = semaphore,
    };
    VALUE unused;
    if (semaphore->available)
        semaphore->available--;
    else
        rota_waiters_wait_in(loop, &semaphore->waiters, &waiting, &unused);
}

/* Lets one more acquire it: the first who waits does. Anybody may call it, also beyond the count
 * that the semaphore was made with.
 *
 * @return [self] */
static VALUE semaphore_release(VALUE self)
{
    release(semaphore_of(self));
    return self;
}

/* call-seq:
 *   acquire -> self
 *   acquire { } -> value
 *
 * Waits until it may be held, first come first served. With a block it is released when the block
 * ends.
 *
 * @return [self, Object] the block's value */
static VALUE semaphore_acquire(VALUE self)
{
    acquire(semaphore_of(self));
    if (!rb_block_given_p()) return self;
    return rb_ensure(rota_yield_nothing, Qnil, semaphore_release, self);
}

/* Acquires it if that needs no waiting.
 *
 * @return [Boolean] was it acquired? */
static VALUE semaphore_try_acquire(VALUE self)
{
    struct semaphore *semaphore = semaphore_of(self);
    if (!semaphore->available) return Qfalse;
    semaphore->available--;
    return Qtrue;
}

/* @return [Integer] how many could acquire it now without waiting */
static VALUE semaphore_available(VALUE self)
{
    return SIZET2NUM(semaphore_of(self)->available);
}

void rota_init_semaphore(VALUE module)
{
    VALUE klass = rb_define_class_under(module, "Semaphore", rb_cObject);
    rb_define_alloc_func(klass, semaphore_alloc);
    rb_undef_method(klass, "initialize_copy");
    rb_define_method(klass, "initialize", semaphore_initialize, 1);
    rb_define_method(klass, "acquire", semaphore_acquire, 0);
    rb_define_method(klass, "release", semaphore_release, 0);
    rb_define_method(klass, "try_acquire", semaphore_try_acquire, 0);
    rb_define_method(klass, "available", semaphore_available, 0);
}
