#include "runtime/deadlock.h"

#include "runtime/error.h"
#include "runtime/interrupt.h"
#include "runtime/task.h"

#define REPORT_AFTER_NS (5 * ROTA_NS_PER_S)
#define REPORTED        UINT64_MAX

static bool anything_pending(const rota_loop_t *loop)
{
    return loop->engine->ops.in_use || loop->timers.count || loop->endless_sleeps || !loop->root ||
           !loop->root->park;
}

static VALUE describe(VALUE data)
{
    rota_loop_t *loop = (rota_loop_t *)data;
    VALUE report =
        rb_utf8_str_new_cstr("every task waits, and nothing is pending that could wake one:");
    ROTA_LIST_EACH(&loop->tasks, link) {
        VALUE task = ROTA_LIST_ENTRY(link, rota_task_t, alive)->self;
        VALUE tag = rb_funcall(task, rb_intern("tag"), 0);
        VALUE place = rb_funcall(task, rb_intern("location"), 0);
        VALUE what = rb_funcall(task, rb_intern("waits_for"), 0);
        rb_str_catf(report, "\n  %" PRIsVALUE " spun at %" PRIsVALUE " waits for %" PRIsVALUE,
                    NIL_P(tag) ? rb_utf8_str_new_cstr("a task") : rb_inspect(tag), place, what);
    }
    return report;
}

static VALUE report(rota_loop_t *loop)
{
    int state = 0;
    VALUE text = rb_protect(describe, (VALUE)loop, &state);
    if (!state) return text;
    rb_set_errinfo(Qnil);
    return rb_utf8_str_new_cstr("every task waits (and describing them failed)");
}

static VALUE write_report(VALUE text)
{
    return rb_funcall(rb_stderr, rb_intern("puts"), 1,
                      rb_sprintf("Rota: %" PRIsVALUE
                                 "\n  (other threads are alive and may yet wake "
                                 "them)",
                                 text));
}

int64_t rota_deadlock_report_in_ns(const rota_loop_t *loop, uint64_t now_ns)
{
    if (loop->idle_since_ns == 0 || loop->idle_since_ns == REPORTED) return -1;
    uint64_t due_ns = loop->idle_since_ns + REPORT_AFTER_NS;
    return due_ns > now_ns ? (int64_t)(due_ns - now_ns) : 0;
}

static void report_once(rota_loop_t *loop, uint64_t now_ns)
{
    if (loop->idle_since_ns == 0) {
        loop->idle_since_ns = now_ns;
    } else if (rota_deadlock_report_in_ns(loop, now_ns) == 0) {
        int state = 0;
        loop->idle_since_ns = REPORTED;
        rb_protect(write_report, report(loop), &state);
        if (state) rb_set_errinfo(Qnil);
    }
}

bool rota_deadlock_check(rota_loop_t *loop, uint64_t now_ns)
{
    if (ROTA_LIKELY(anything_pending(loop))) {
        loop->idle_since_ns = 0;
        return false;
    }
    if (!rb_thread_alone()) {
        report_once(loop, now_ns);
        return false;
    }
    if (loop->root->shield || loop->root->park->shielded) return false;
    rota_interrupt_task(loop->root, rb_exc_new_str(rota_eDeadlock, report(loop)), NULL);
    return true;
}
