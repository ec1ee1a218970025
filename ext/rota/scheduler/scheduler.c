#include "scheduler/scheduler.h"

#include "runtime/error.h"
#include "runtime/fiber.h"
#include "runtime/task.h"
#include "scheduler/block_hooks.h"
#include "scheduler/caller.h"
#include "scheduler/fiber_hooks.h"
#include "scheduler/io_hooks.h"
#include "scheduler/io_select.h"
#include "scheduler/process_hooks.h"

static VALUE cScheduler;

static void scheduler_mark(void *data)
{
    const rota_scheduler_t *scheduler = data;
    rb_gc_mark(scheduler->loop_object);
    rb_gc_mark(scheduler->early);
}

static void scheduler_free(void *data)
{
    rota_scheduler_t *scheduler = data;
    rota_blocked_free(&scheduler->blocked);
    rota_writers_free(&scheduler->writers);
    xfree(scheduler);
}

static size_t scheduler_memsize(const void *data)
{
    const rota_scheduler_t *scheduler = data;
    size_t buckets = scheduler->blocked.buckets ? scheduler->blocked.mask + 1 : 0;
    return sizeof(*scheduler) + buckets * sizeof(rota_list_t) +
           rota_writers_memsize(&scheduler->writers);
}

const rb_data_type_t rota_scheduler_type = {
    .wrap_struct_name = "Rota::Scheduler",
    .function = {.dmark = scheduler_mark, .dfree = scheduler_free, .dsize = scheduler_memsize},
    .flags = RUBY_TYPED_FREE_IMMEDIATELY,
};

static VALUE scheduler_alloc(VALUE klass)
{
    rota_scheduler_t *scheduler;
    VALUE self = TypedData_Make_Struct(klass, rota_scheduler_t, &rota_scheduler_type, scheduler);
    scheduler->loop_object = scheduler->early = Qnil;
    return self;
}

rota_loop_t *rota_scheduler_loop(const rota_scheduler_t *scheduler)
{
    rota_loop_t *loop = scheduler->loop;
    bool alive = loop && loop->engine && loop->fork_generation == rota_fork_generation;
    return alive ? loop : NULL;
}

/* -- binding ------------------------------------------------------------------------------------
 */

/* Was it inherited by a forked child? Up to Ruby 3.4 nothing takes it off there. */
static bool is_parents(const rota_scheduler_t *scheduler)
{
    return scheduler->loop && scheduler->loop->fork_generation != rota_fork_generation;
}

/* The first hook on this thread. */
static rota_loop_t *bind(VALUE self, rota_scheduler_t *scheduler)
{
    rota_loop_t *loop = rota_loop_current();
    rota_loop_t *known = rota_scheduler_loop(scheduler);
    if (known && known != loop)
        rb_raise(rota_eError, "the scheduler belongs to another thread; each needs its own");
    scheduler->owns = !loop;
    if (!loop) loop = rota_loop_open_bare();
    rota_blocked_free(&scheduler->blocked);
    scheduler->loop = loop;
    scheduler->loop_object = loop->self;
    loop->scheduler = self;
    if (scheduler->holds) return loop;
    scheduler->holds = true;
    rb_funcall(cScheduler, rb_intern("__hold_socket_defaults"), 0);
    return loop;
}

ROTA_APART rota_loop_t *rota_scheduler_enter_first(VALUE self)
{
    rota_scheduler_t *scheduler = rota_scheduler_get(self);
    rota_loop_t *loop = scheduler->loop;
    if (scheduler->closed) return NULL;
    if (!loop || loop != rota_loop_current()) {
        if (is_parents(scheduler)) return NULL;
        loop = bind(self, scheduler);
    }
    return loop->current ? loop : NULL;
}

/* So many more schedulers want Socket.tcp_fast_fallback off; with the last it is what it was. No
 * thread, and no trap handler (which may not wait for a lock) comes in between.
 *
 * @private */
static VALUE change_holders(VALUE klass, VALUE difference)
{
    ID id_holders = rb_intern("@holders"), id_former = rb_intern("@former");
    VALUE socket = rb_path2class("Socket");
    long before = NUM2LONG(rb_attr_get(klass, id_holders));
    long after = before + NUM2LONG(difference);
    if (!before)
        rb_ivar_set(klass, id_former, rb_funcall(socket, rb_intern("tcp_fast_fallback"), 0));
    rb_ivar_set(klass, id_holders, LONG2NUM(after));
    VALUE setting = after ? Qfalse : rb_attr_get(klass, id_former);
    rb_funcall(socket, rb_intern("tcp_fast_fallback="), 1, setting);
    return Qnil;
}

/* -- Ruby: its life -----------------------------------------------------------------------------
 */

/* Binds the scheduler of a Rota.run before its first hook.
 *
 * @private */
static VALUE scheduler_bind(VALUE self)
{
    rota_scheduler_enter(self);
    rota_scheduler_get(self)->of_run = true;
    return self;
}

/* Did a run in a script install it, and is there no task left but that of the script?
 *
 * @private */
static VALUE left_by_run_p(VALUE self)
{
    const rota_scheduler_t *scheduler = rota_scheduler_get(self);
    const rota_loop_t *loop = rota_scheduler_loop(scheduler);
    return RBOOL(scheduler->of_run && loop && loop->script && loop->tasks_alive == 1);
}

/* @private */
static VALUE parents_p(VALUE self)
{
    return RBOOL(is_parents(rota_scheduler_get(self)));
}

/* call-seq: run -> nil
 *
 * Waits until all fibers that were scheduled, and all tasks, have ended. Only on the thread's own
 * fiber, outside Rota.run.
 *
 * @return [nil]
 * @raise [Exception] what one of them failed with */
static VALUE scheduler_run(VALUE self)
{
    rota_loop_t *loop = rota_scheduler_loop(rota_scheduler_get(self));
    if (!loop) return Qnil;
    if (loop != rota_loop_current() || loop->current != loop->root)
        rb_raise(rota_eError, "a scheduler is run by its thread, outside of its tasks");
    rota_task_run_out(loop->root, true);
    return Qnil;
}

static VALUE end_tasks(VALUE data)
{
    rota_loop_t *loop = (rota_loop_t *)data;
    rota_task_close_root(loop->root, !NIL_P(rb_errinfo()));
    return Qnil;
}

static VALUE end_loop(VALUE data)
{
    rota_loop_close((rota_loop_t *)data);
    return Qnil;
}

static VALUE finish(VALUE self)
{
    rota_scheduler_t *scheduler = rota_scheduler_get(self);
    rota_loop_t *loop = rota_scheduler_loop(scheduler);
    if (!loop || loop != rota_loop_current()) return Qnil;
    if (!scheduler->owns) {
        /* Under Rota.run its end is the loop's. In a script whoever made it waits for all tasks;
         * one of a run is there for tasks that end with the script. */
        if (loop->script && loop->current == loop->root)
            rota_task_run_out(loop->root, !scheduler->of_run);
        return Qnil;
    }
    if (loop->current != loop->root)
        rb_raise(rota_eError, "a scheduler is closed by its thread, outside of its tasks");
    return rb_ensure(end_tasks, (VALUE)loop, end_loop, (VALUE)loop);
}

static VALUE mark_closed(VALUE self)
{
    rota_scheduler_t *scheduler = rota_scheduler_get(self);
    rota_loop_t *loop = rota_scheduler_loop(scheduler);
    scheduler->closed = true;
    if (loop && loop->scheduler == self) loop->scheduler = Qnil;
    if (scheduler->holds) rb_funcall(cScheduler, rb_intern("__release_socket_defaults"), 0);
    scheduler->holds = false;
    return Qnil;
}

/* Called when the scheduler goes: at the end of its thread, or when another one is set. Everything
 * scheduled runs to its end; the failure of one, an interrupt, or an exception of which the thread
 * dies terminates the others. Then ring and descriptors are freed. A second call does nothing.
 *
 * @return [nil] */
static VALUE scheduler_close(VALUE self)
{
    if (rota_scheduler_get(self)->closed) return Qnil;
    return rb_ensure(finish, self, mark_closed, self);
}

/* Takes the scheduler off its thread, if it is set there, and closes it.
 *
 * @return [nil] */
static VALUE close_and_unset(VALUE self)
{
    if (rb_funcall(rota_cFiber, rb_intern("scheduler"), 0) != self) return scheduler_close(self);
    rb_funcall(rota_cFiber, rb_intern("set_scheduler"), 1, Qnil);
    return Qnil;
}

/* @return [Boolean] */
static VALUE closed_p(VALUE self)
{
    return RBOOL(rota_scheduler_get(self)->closed);
}

void rota_init_scheduler(VALUE module)
{
    VALUE scheduler_class = rb_define_class_under(module, "Scheduler", rb_cObject);
    cScheduler = scheduler_class;
    rb_define_alloc_func(scheduler_class, scheduler_alloc);
    rb_define_singleton_method(scheduler_class, "__change_holders", change_holders, 1);
    rb_define_method(scheduler_class, "__bind", scheduler_bind, 0);
    rb_define_method(scheduler_class, "__left_by_run?", left_by_run_p, 0);
    rb_define_method(scheduler_class, "__parents?", parents_p, 0);
    rb_define_method(scheduler_class, "run", scheduler_run, 0);
    rb_define_method(scheduler_class, "close", close_and_unset, 0);
    rb_define_method(scheduler_class, "scheduler_close", scheduler_close, 0);
    rb_define_method(scheduler_class, "closed?", closed_p, 0);
    rota_init_block_hooks(scheduler_class);
    rota_init_fiber_hooks(scheduler_class);
    rota_init_caller();
    rota_init_io_hooks(scheduler_class);
    rota_init_io_select(scheduler_class);
    rota_init_process_hooks(scheduler_class);
}
