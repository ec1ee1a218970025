#include "runtime/interrupt.h"

#include "runtime/task.h"

void rota_interrupt_push(rota_task_t *task, rota_interrupt_t *interrupt)
{
    if (!rota_list_linked(&interrupt->link))
        rota_list_push_back(&task->interrupts, &interrupt->link);
    if (task->shield) return;
    if (task->park) rota_park_interrupt(task->loop, task->park);
    rota_loop_notify(task->loop);
}

void rota_interrupt_task(rota_task_t *task, VALUE exception, rota_task_t *source)
{
    if (!task || task->state == ROTA_TASK_DEAD) return;
    rota_interrupt_t *interrupt = ZALLOC(rota_interrupt_t);
    rota_list_init(&interrupt->link);
    interrupt->exception = exception;
    interrupt->source = source;
    rota_interrupt_push(task, interrupt);
}

bool rota_interrupts_waiting(const rota_task_t *task)
{
    return !rota_list_empty(&task->interrupts) && !task->shield;
}

static void discard(rota_interrupt_t *interrupt)
{
    rota_list_remove(&interrupt->link);
    if (!interrupt->embedded) xfree(interrupt);
}

void rota_interrupt_interject(rota_task_t *task, VALUE proc)
{
    if (task->state == ROTA_TASK_DEAD) return;
    rota_interrupt_t *interrupt = ZALLOC(rota_interrupt_t);
    rota_list_init(&interrupt->link);
    interrupt->call = proc;
    rota_interrupt_push(task, interrupt);
}

static rota_interrupt_t *first_of(const rota_task_t *task)
{
    return ROTA_LIST_ENTRY(task->interrupts.next, rota_interrupt_t, link);
}

bool rota_interrupt_interjected(const rota_task_t *task)
{
    return first_of(task)->call;
}

void rota_interrupt_call(rota_task_t *task)
{
    VALUE call = first_of(task)->call;
    discard(first_of(task));
    rb_proc_call_with_block(call, 0, NULL, Qnil);
    RB_GC_GUARD(call);
}

void rota_interrupt_raise(rota_loop_t *loop)
{
    rota_interrupt_t *interrupt = first_of(loop->current);
    VALUE exception = interrupt->exception ? interrupt->exception : interrupt->make(interrupt);
    discard(interrupt);
    rb_exc_raise(exception);
}

void rota_interrupt_check(rota_loop_t *loop)
{
    while (ROTA_UNLIKELY(rota_interrupts_waiting(loop->current))) {
        if (!rota_interrupt_interjected(loop->current)) rota_interrupt_raise(loop);
        rota_interrupt_call(loop->current);
    }
}

VALUE rota_interrupts_drop(rota_task_t *task)
{
    VALUE failures = Qnil;
    while (!rota_list_empty(&task->interrupts)) {
        rota_interrupt_t *interrupt =
            ROTA_LIST_ENTRY(task->interrupts.next, rota_interrupt_t, link);
        if (interrupt->source) {
            if (NIL_P(failures)) failures = rb_ary_new();
            rb_ary_push(failures, interrupt->exception);
        }
        discard(interrupt);
    }
    return failures;
}

bool rota_interrupt_pending(rota_loop_t *loop)
{
    return RTEST(rb_funcall(rb_cThread, rb_intern("pending_interrupt?"), 0)) ||
           rb_thread_interrupted(loop->thread);
}

void rota_interrupts_mark(const rota_task_t *task)
{
    ROTA_LIST_EACH(&task->interrupts, link) {
        rota_interrupt_t *interrupt = ROTA_LIST_ENTRY(link, rota_interrupt_t, link);
        rb_gc_mark(interrupt->exception);
        rb_gc_mark(interrupt->call);
        if (interrupt->source) rb_gc_mark(interrupt->source->self);
    }
}
