#include "runtime/interrupt.h"

#include "runtime/error.h"
#include "runtime/task.h"

#include <stdio.h>

void rota_interrupt_push(rota_task_t *task, rota_interrupt_t *interrupt)
{
    if (!rota_list_linked(&interrupt->link))
        rota_list_push_back(&task->interrupts, &interrupt->link);
    if (interrupt->level < task->shield) return;
    if (task->park) rota_park_interrupt(task->loop, task->park);
    rota_loop_notify(task->loop);
}

/* The end of all memory, and of what is kept for it: a task may be inside a wait here, where
 * nothing may be raised. */
static void report_lost(VALUE exception)
{
    fprintf(stderr, "Rota: no memory is left to raise a %s in a task\n",
            rb_obj_classname(exception));
}

static void push_exception(rota_task_t *task, const rota_interrupt_t *what)
{
    if (!task || task->state == ROTA_TASK_DEAD) return;
    rota_interrupt_t *interrupt = rota_reserve_take(&task->loop->interrupts);
    if (ROTA_UNLIKELY(!interrupt)) {
        report_lost(what->exception);
        return;
    }
    *interrupt = *what;
    rota_list_init(&interrupt->link);
    rota_interrupt_push(task, interrupt);
}

void rota_interrupt_task(rota_task_t *task, VALUE exception, rota_task_t *source)
{
    rota_interrupt_t what = {
        .exception = exception, .source = source, .level = source ? source->shielded_at : 0};
    push_exception(task, &what);
}

void rota_interrupt_root(rota_loop_t *loop, VALUE exception)
{
    rota_interrupt_t what = {.exception = exception, .foreign = true};
    push_exception(loop->root, &what);
}

void rota_interrupt_through_shields(rota_task_t *task, VALUE exception)
{
    rota_interrupt_t what = {.exception = exception, .level = UINT32_MAX};
    push_exception(task, &what);
}

rota_interrupt_t *rota_interrupt_first(const rota_task_t *task, VALUE fiber)
{
    ROTA_LIST_EACH(&task->interrupts, link) {
        rota_interrupt_t *interrupt = ROTA_LIST_ENTRY(link, rota_interrupt_t, link);
        bool held_back = interrupt->level < task->shield;
        bool here = !interrupt->fiber || interrupt->fiber == fiber;
        if (here && !held_back) return interrupt;
    }
    return NULL;
}

static rota_interrupt_t *first_here(const rota_task_t *task)
{
    if (ROTA_LIKELY(rota_task_undisturbed(task))) return NULL;
    return rota_interrupt_first(task, rb_fiber_current());
}

bool rota_interrupts_waiting(const rota_task_t *task)
{
    const rota_interrupt_t *interrupt = first_here(task);
    return interrupt && !interrupt->call;
}

void rota_interrupt_discard(rota_task_t *task, rota_interrupt_t *interrupt)
{
    rota_list_remove(&interrupt->link);
    if (interrupt->embedded) return;
    rota_reserve_give(task->loop ? &task->loop->interrupts : NULL, interrupt);
}

void rota_interrupt_interject(rota_task_t *task, VALUE proc)
{
    if (task->state == ROTA_TASK_DEAD) return;
    rota_interrupt_t *interrupt = rota_reserve_take(&task->loop->interrupts);
    if (!interrupt) rb_memerror();
    rota_list_init(&interrupt->link);
    interrupt->call = proc;
    interrupt->number = ++task->interjections;
    rota_interrupt_push(task, interrupt);
}

rota_interrupt_t *rota_interrupt_call_due(const rota_task_t *task, VALUE fiber, uint32_t last)
{
    rota_interrupt_t *interrupt = rota_interrupt_first(task, fiber);
    if (!interrupt || !interrupt->call) return NULL;
    return (int32_t)(interrupt->number - last) <= 0 ? interrupt : NULL;
}

void rota_interrupt_call(rota_task_t *task, rota_interrupt_t *interrupt)
{
    VALUE call = interrupt->call;
    rota_interrupt_discard(task, interrupt);
    rb_proc_call_with_block(call, 0, NULL, Qnil);
    RB_GC_GUARD(call);
}

RBIMPL_ATTR_NORETURN()
static void raise_now(rota_task_t *task, rota_interrupt_t *interrupt)
{
    VALUE exception = interrupt->exception ? interrupt->exception : interrupt->make(interrupt);
    rota_interrupt_discard(task, interrupt);
    rb_exc_raise(exception);
}

void rota_interrupt_raise(rota_loop_t *loop)
{
    rota_interrupt_t *interrupt = first_here(loop->current);
    assert(interrupt && !interrupt->call);
    raise_now(loop->current, interrupt);
}

/* What somebody raised in the task, and is no child's failure and no deadline's: the first. */
static rota_interrupt_t *first_raised(const rota_task_t *task)
{
    ROTA_LIST_EACH(&task->interrupts, link) {
        rota_interrupt_t *interrupt = ROTA_LIST_ENTRY(link, rota_interrupt_t, link);
        if (interrupt->exception && !interrupt->source) return interrupt;
    }
    return NULL;
}

VALUE rota_interrupt_take_restart(rota_task_t *task)
{
    rota_interrupt_t *first = first_raised(task);
    if (ROTA_LIKELY(!first)) return Qfalse;
    VALUE exception = first->exception;
    if (!RTEST(rb_obj_is_kind_of(exception, rota_eRestart))) return Qfalse;
    rota_interrupt_discard(task, first);
    return exception;
}

void rota_interrupt_take_back(rota_task_t *task, VALUE exception)
{
    rota_list_t *link = task->interrupts.next;
    while (link != &task->interrupts) {
        rota_interrupt_t *interrupt = ROTA_LIST_ENTRY(link, rota_interrupt_t, link);
        link = link->next;
        if (interrupt->exception == exception && !interrupt->source)
            rota_interrupt_discard(task, interrupt);
    }
}

static bool run_interjections(rota_task_t *task)
{
    VALUE fiber = rb_fiber_current();
    uint32_t last = task->interjections;
    rota_interrupt_t *interrupt;
    bool ran = false;
    while ((interrupt = rota_interrupt_call_due(task, fiber, last))) {
        rota_interrupt_call(task, interrupt);
        ran = true;
    }
    return ran;
}

ROTA_APART bool rota_interrupt_take(rota_loop_t *loop)
{
    rota_task_t *task = loop->current;
    bool interjected = run_interjections(task);
    if (rota_interrupts_waiting(task)) rota_interrupt_raise(loop);
    return interjected;
}

void rota_interrupt_raise_closed(const char *message)
{
    rota_loop_t *loop = rota_loop_current();
    if (loop && loop->current) rota_interrupt_check(loop);
    rb_raise(rb_eIOError, "%s", message);
}

static void drop(rota_task_t *task, rota_interrupt_t *interrupt, VALUE *failures)
{
    if (interrupt->source || interrupt->foreign) {
        if (NIL_P(*failures)) *failures = rb_ary_new();
        rb_ary_push(*failures, interrupt->exception);
    }
    rota_interrupt_discard(task, interrupt);
}

VALUE rota_interrupts_drop(rota_task_t *task)
{
    VALUE failures = Qnil;
    while (!rota_list_empty(&task->interrupts))
        drop(task, ROTA_LIST_ENTRY(task->interrupts.next, rota_interrupt_t, link), &failures);
    return failures;
}

VALUE rota_interrupts_drop_failures(rota_task_t *task, uint64_t scope)
{
    VALUE failures = Qnil;
    rota_list_t *link = task->interrupts.next;
    while (link != &task->interrupts) {
        rota_interrupt_t *interrupt = ROTA_LIST_ENTRY(link, rota_interrupt_t, link);
        link = link->next;
        if (interrupt->source && interrupt->source->scope >= scope)
            drop(task, interrupt, &failures);
    }
    return failures;
}

void rota_interrupts_mark(const rota_task_t *task)
{
    ROTA_LIST_EACH(&task->interrupts, link) {
        rota_interrupt_t *interrupt = ROTA_LIST_ENTRY(link, rota_interrupt_t, link);
        rb_gc_mark(interrupt->exception);
        rb_gc_mark(interrupt->call);
        rb_gc_mark(interrupt->fiber);
        if (interrupt->source) rb_gc_mark(interrupt->source->self);
    }
}
