#include "scheduler/fiber_hooks.h"

#include "runtime/error.h"
#include "runtime/fiber.h"
#include "runtime/interrupt.h"
#include "runtime/sleep.h"
#include "runtime/task.h"
#include "runtime/worker.h"
#include "scheduler/scheduler.h"

static ID id_blocking, id_raise;

/* -- Fiber.schedule -----------------------------------------------------------------------------
 */

static VALUE fiber_main(RB_BLOCK_CALL_FUNC_ARGLIST(yielded, task))
{
    (void)yielded;
    rota_task_run_scheduled(rota_task_get(task));
    return Qnil;
}

struct making {
    VALUE task;
    VALUE options;
};

static VALUE make_fiber(VALUE data)
{
    const struct making *making = (const struct making *)data;
    VALUE body = rb_proc_new(fiber_main, making->task);
    return rota_fiber_make(making->options, body);
}

static rota_task_t *make_task(rota_loop_t *loop, VALUE options, VALUE block)
{
    int state = 0;
    rota_task_t *task = rota_task_schedule(loop, block);
    struct making making = {task->self, options};
    VALUE fiber = rb_protect(make_fiber, (VALUE)&making, &state);
    if (state) {
        rota_task_end_unborn(task, Qnil);
        rb_jump_tag(state);
    }
    task->fiber = task->birth->fiber = fiber;
    return task;
}

/* Who starts many fibers in a row lets everybody else run now and then. */
#define STARTS_IN_A_ROW 32

static bool is_queued(const rota_task_t *task)
{
    return task->birth && rota_list_linked(&task->birth->ready);
}

/* Enters the new fiber before anybody else, and then whoever called: back when the fiber has
 * stopped for the first time. */
static int run_until_first_wait(rota_loop_t *loop, rota_task_t *task)
{
    rota_park_t park;
    rota_park_result_t result;
    bool fair = ++loop->direct_in_a_row >= STARTS_IN_A_ROW;
    if (fair) loop->direct_in_a_row = 0;
    rota_park_begin(loop, &park, "a fiber's start", -1);
    do {
        if (fair)
            rota_park_wake(loop, &park);
        else
            rota_park_wake_first(loop, &park);
        rota_list_remove(&task->birth->ready);
        rota_list_push_front(&loop->ready, &task->birth->ready);
        result = rota_park_yield(loop, &park);
    } while (result == ROTA_PARK_WOKEN && is_queued(task));
    rota_park_end(loop, &park);
    return park.jump;
}

/* There was no memory for its stack: the exception is on its way to whoever started it. */
static void end_stillborn(rota_task_t *task)
{
    if (task->state == ROTA_TASK_UNBORN && !is_queued(task)) rota_task_end_unborn(task, Qnil);
}

/* call-seq: fiber(**options) { } -> Fiber
 *
 * Called by Fiber.schedule. Runs the block in a new non-blocking fiber until it waits for the first
 * time. The fiber is a task (Rota.current inside it): no parent's end terminates it.
 *
 * @param options for Fiber.new
 * @return [Fiber]
 * @raise [Rota::ResourceError] when this process has no memory maps for more fibers */
static VALUE hook_fiber(int argc, VALUE *argv, VALUE self)
{
    VALUE given;
    rb_scan_args(argc, argv, "0:", &given);
    rb_need_block();
    rota_loop_t *loop = rota_scheduler_enter(self);
    if (!loop) rb_raise(rota_eError, "the scheduler is closed, or that of the parent process");
    VALUE options = NIL_P(given) ? rb_hash_new() : rb_hash_dup(given);
    rb_hash_aset(options, ID2SYM(id_blocking), Qfalse);
    rota_task_t *task = make_task(loop, options, rb_block_proc());
    VALUE fiber = task->fiber, object = task->self;
    int jump = run_until_first_wait(loop, task);
    end_stillborn(task);
    if (!jump) jump = rota_workers_note_stack(loop);
    if (jump) rb_jump_tag(jump);
    rota_interrupt_check(loop);
    RB_GC_GUARD(object);
    return fiber;
}

/* -- yield --------------------------------------------------------------------------------------
 */

/* Called after the thread has handled interrupts: everybody who can run does so once. Not while the
 * loop itself looks at interrupts, which calls this, too.
 *
 * @return [nil] */
static VALUE hook_yield(VALUE self)
{
    rota_loop_t *loop = rota_scheduler_loop(rota_scheduler_get(self));
    if (!loop || loop != rota_loop_current() || !loop->current) return Qnil;
    if (loop->looking || loop->current->park) return Qnil;
    rota_snooze(loop);
    return Qnil;
}

/* -- fiber_interrupt ----------------------------------------------------------------------------
 */

/* The task that waits in this fiber, or runs there: an interjection may close what its own task
 * waits for. A walk: IO#close calls this for those who wait on the IO. */
static rota_task_t *find_waiting(rota_loop_t *loop, VALUE fiber)
{
    if (loop == rota_loop_current() && loop->current && rb_fiber_current() == fiber)
        return loop->current;
    ROTA_LIST_EACH(&loop->tasks, link) {
        rota_task_t *task = ROTA_LIST_ENTRY(link, rota_task_t, alive);
        for (rota_park_t *park = task->park; park; park = park->outer)
            if (park->fiber == fiber) return task;
    }
    return NULL;
}

static VALUE raise_through_proxy(RB_BLOCK_CALL_FUNC_ARGLIST(yielded, both))
{
    (void)yielded;
    return rb_funcall(rb_ary_entry(both, 0), id_raise, 1, rb_ary_entry(both, 1));
}

/* call-seq: fiber_interrupt(fiber, exception) -> nil
 *
 * Called by IO#close, from any thread, for each fiber that waits on the IO: raises in it.
 *
 * @param fiber [Fiber] from Ruby 4.1 on something that answers +raise+ for it
 * @param exception [Exception]
 * @return [nil] */
static VALUE hook_fiber_interrupt(VALUE self, VALUE fiber, VALUE exception)
{
    rota_loop_t *loop = rota_scheduler_loop(rota_scheduler_get(self));
    if (!loop) return Qnil;
    if (RTEST(rb_obj_is_fiber(fiber))) {
        rota_task_t *task = find_waiting(loop, fiber);
        if (task) rota_interrupt_task(task, exception, NULL);
        return Qnil;
    }
    /* Who stands behind a proxy is not told; its `raise` enters the fiber, on this loop's thread.
     */
    VALUE both = rb_assoc_new(fiber, exception);
    rota_interrupt_interject(loop->root, rb_proc_new(raise_through_proxy, both));
    return Qnil;
}

void rota_init_fiber_hooks(VALUE scheduler_class)
{
    id_blocking = rb_intern("blocking");
    id_raise = rb_intern("raise");
    rb_define_method(scheduler_class, "fiber", hook_fiber, -1);
    rb_define_method(scheduler_class, "yield", hook_yield, 0);
    rb_define_method(scheduler_class, "fiber_interrupt", hook_fiber_interrupt, 2);
}
