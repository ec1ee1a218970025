#include "runtime/thread_raise.h"

#include "runtime/interrupt.h"
#include "runtime/task.h"

#include <ruby/fiber/scheduler.h>

/* The loop whose root task is to be told, or NULL: core raises.
 *
 * So it does outside Rota.run, where Timeout counts on it that what it raised is there before its
 * block has ended; and in a blocking fiber (an enumerator's, up to Ruby 3.2), where core methods
 * block the thread and Timeout has no other way to end them. */
static rota_loop_t *loop_to_tell(VALUE thread)
{
    rota_loop_t *loop = rota_loop_of(thread);
    if (!loop || loop->script || loop->closing) return NULL;
    if (loop->root->state != ROTA_TASK_ALIVE) return NULL;
    if (NIL_P(rb_fiber_scheduler_current_for_thread(thread))) return NULL;
    if (loop->current != loop->root || loop->root->park) return loop;
    /* It runs, and may well be inside such a call: core has ways to break that off. If it is not,
     * it looks before it lets anybody else run. */
    loop->look_wanted = true;
    return NULL;
}

/* call-seq: raise(...) -> nil
 *
 * As Ruby's own, but in a thread inside Rota.run the exception is the root task's, at its next
 * switchpoint, whoever runs.
 *
 * @return [nil] */
static VALUE thread_raise(int argc, VALUE *argv, VALUE thread)
{
    if (rb_keyword_given_p() || !rota_loop_of(thread))
        return rb_call_super_kw(argc, argv, rb_keyword_given_p());
    VALUE exception = argc ? rb_make_exception(argc, argv) : rb_exc_new(rb_eRuntimeError, NULL, 0);
    /* Asked for only now: threads may be switched where the exception is made. */
    rota_loop_t *loop = loop_to_tell(thread);
    if (!loop) return rb_call_super(1, &exception);
    rota_interrupt_root(loop, exception);
    RB_GC_GUARD(exception);
    return Qnil;
}

/* For what core raised in this thread, and surfaced where it was no business of the running task.
 *
 * @return [Boolean] is there still a root task to raise it?
 * @private */
static VALUE loop_interrupt_root(VALUE self, VALUE exception)
{
    rota_loop_t *loop = rota_loop_get(self);
    if (loop->root->state == ROTA_TASK_DEAD) return Qfalse;
    rota_interrupt_root(loop, exception);
    return Qtrue;
}

void rota_init_thread_raise(VALUE module)
{
    VALUE mixin = rb_define_module_under(module, "ThreadRaise");
    rb_define_method(mixin, "raise", thread_raise, -1);
    rb_define_method(rota_cLoop, "__interrupt_root", loop_interrupt_root, 1);
    rb_prepend_module(rb_cThread, mixin);
    rb_funcall(module, rb_intern("private_constant"), 1, ID2SYM(rb_intern("ThreadRaise")));
}
