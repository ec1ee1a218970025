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

void rota_interrupt_raise(rota_loop_t *loop)
{
    rota_interrupt_t *interrupt =
        ROTA_LIST_ENTRY(loop->current->interrupts.next, rota_interrupt_t, link);
    VALUE exception = interrupt->exception ? interrupt->exception : interrupt->make(interrupt);
    discard(interrupt);
    rb_exc_raise(exception);
}

void rota_interrupt_check(rota_loop_t *loop)
{
    if (ROTA_UNLIKELY(rota_interrupts_waiting(loop->current))) rota_interrupt_raise(loop);
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
        if (interrupt->source) rb_gc_mark(interrupt->source->self);
    }
}
