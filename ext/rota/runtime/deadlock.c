#include "runtime/deadlock.h"

#include "runtime/error.h"
#include "runtime/interrupt.h"
#include "runtime/task.h"

#define REPORT_AFTER_NS (5 * ROTA_NS_PER_S)
#define REPORTED        UINT64_MAX

static bool anything_pending(const rota_loop_t *loop)
{
    return loop->engine->ops.in_use || loop->timers.count > loop->looks || loop->endless_sleeps ||
           !loop->root || !loop->root->park;
}

static VALUE draw_tree(VALUE task)
{
    return rb_funcall(rb_path2class("Rota"), rb_intern("tree"), 1, task);
}

/* The sentence, and the task with all that is below it (Rota.tree). Never raises. */
static VALUE report(const char *sentence, const rota_task_t *task, int *jump)
{
    VALUE text = rb_utf8_str_new_cstr(sentence), tree, exception;
    *jump = rota_error_catch(draw_tree, task->self, &tree, &exception);
    if (*jump || exception) return text;
    return rb_sprintf("%" PRIsVALUE "\n%" PRIsVALUE, text, tree);
}

static VALUE put(VALUE text)
{
    return rb_funcall(rb_stderr, rb_intern("puts"), 1, text);
}

static int write_report(const char *sentence, const rota_task_t *task)
{
    int jump;
    VALUE text = report(sentence, task, &jump), unused, exception;
    return jump ? jump : rota_error_catch(put, text, &unused, &exception);
}

int rota_deadlock_report_children(const rota_task_t *task)
{
    return write_report("Rota: a task was told to end, and these below it have not ended yet:",
                        task);
}

int64_t rota_deadlock_report_in_ns(const rota_loop_t *loop, uint64_t now_ns)
{
    if (loop->idle_since_ns == 0 || loop->idle_since_ns == REPORTED) return -1;
    uint64_t due_ns = loop->idle_since_ns + REPORT_AFTER_NS;
    return due_ns > now_ns ? (int64_t)(due_ns - now_ns) : 0;
}

static void report_once(rota_loop_t *loop, uint64_t now_ns, int *jump)
{
    if (loop->idle_since_ns == 0) {
        loop->idle_since_ns = now_ns;
    } else if (rota_deadlock_report_in_ns(loop, now_ns) == 0) {
        loop->idle_since_ns = REPORTED;
        *jump = write_report("Rota: every task waits, and only another thread can wake one:",
                             loop->root);
    }
}

static VALUE ask_for_traps(VALUE unused)
{
    (void)unused;
    return rb_funcall(rb_path2class("Rota::Signals"), rb_intern("trapped?"), 0);
}

/* A handler of the program may wake a task. What a handler raises that runs meanwhile is the root
 * task's, and ends its wait. */
static bool traps_installed(rota_loop_t *loop, int *jump)
{
    VALUE answer, exception;
    *jump = rota_error_catch(ask_for_traps, Qnil, &answer, &exception);
    if (exception) rota_interrupt_root(loop, exception);
    return *jump || exception || RTEST(answer);
}

static VALUE deadlock(const rota_loop_t *loop, int *jump)
{
    return rb_exc_new_str(
        rota_eDeadlock,
        report("every task waits, and nothing is pending that could wake one:", loop->root, jump));
}

bool rota_deadlock_check(rota_loop_t *loop, uint64_t now_ns, int *jump)
{
    if (ROTA_LIKELY(anything_pending(loop))) {
        loop->idle_since_ns = 0;
        return false;
    }
    if (!rb_thread_alone()) {
        report_once(loop, now_ns, jump);
        return false;
    }
    if (loop->timers.count) return false; /* what ended meanwhile is not looked at yet */
    if (loop->root->park->shielded || traps_installed(loop, jump)) return false;
    VALUE exception = deadlock(loop, jump);
    if (!*jump) rota_interrupt_through_shields(loop->root, exception);
    return true;
}
