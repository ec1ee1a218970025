#include "runtime/task_methods.h"

#include "runtime/error.h"
#include "runtime/interrupt.h"
#include "runtime/sleep.h"
#include "runtime/task.h"

static ID id_new, id_graceful, id_cause;

static uint64_t deadline_in(VALUE timeout)
{
    return NIL_P(timeout) ? UINT64_MAX : rota_now_ns() + rota_seconds_to_ns(timeout);
}

/* NULL in a thread that has no loop and gets none; it may wait for tasks of others all the same. */
static rota_loop_t *loop_if_any(void)
{
    bool plain = !rota_loop_current() && rb_thread_current() != rb_thread_main();
    return plain ? NULL : rota_loop_demand();
}

/* Waits for the end. A failure that is on its way to us is taken only now: had an interrupt ended
 * the wait, nobody would hear of it. */
static bool join(VALUE self, VALUE timeout)
{
    rota_task_t *task = rota_task_get(self);
    rota_loop_t *loop = loop_if_any();
    if (!rota_task_join(loop, task, deadline_in(timeout))) return false;
    if (loop) rota_task_take_failure(loop->current, task);
    return true;
}

/* call-seq: await(timeout = nil) -> value
 *
 * Waits for the end of this task.
 *
 * @param timeout [Numeric, nil] seconds to wait at most
 * @return [Object] the value of the task's block; nil after +terminate+
 * @raise [Exception] what the task failed with, each time
 * @raise [Rota::TimeoutError] when the time is up first; the task goes on
 * @raise [Rota::Error] for the current task itself */
static VALUE task_await(int argc, VALUE *argv, VALUE self)
{
    VALUE timeout;
    rb_scan_args(argc, argv, "01", &timeout);
    if (!join(self, timeout)) rb_raise(rota_eTimeoutError, "the task did not end in time");
    return rota_task_result(rota_task_get(self));
}

/* call-seq: join(timeout = nil) -> self or nil
 *
 * As Thread#join.
 *
 * @param timeout [Numeric, nil] seconds
 * @return [Rota::Task] when it has ended
 * @return [nil] when the time was up first
 * @raise [Exception] what the task failed with */
static VALUE task_join(int argc, VALUE *argv, VALUE self)
{
    VALUE timeout;
    rb_scan_args(argc, argv, "01", &timeout);
    if (!join(self, timeout)) return Qnil;
    rota_task_result(rota_task_get(self));
    return self;
}

struct awaiting {
    rota_loop_t *loop;
    VALUE tasks;
};

static VALUE await_all(VALUE data)
{
    struct awaiting *awaiting = (struct awaiting *)data;
    VALUE results = rb_ary_new_capa(RARRAY_LEN(awaiting->tasks));
    rota_tasks_join(awaiting->loop, awaiting->tasks);
    for (long i = 0; i < RARRAY_LEN(awaiting->tasks); i++) {
        rota_task_t *task = rota_task_get(RARRAY_AREF(awaiting->tasks, i));
        if (task->state == ROTA_TASK_DEAD) rb_ary_push(results, rota_task_result(task));
    }
    return results;
}

/* Is it one of them that failed so? */
static bool is_theirs(const struct awaiting *awaiting, VALUE error)
{
    for (long i = 0; i < RARRAY_LEN(awaiting->tasks); i++) {
        const rota_task_t *task = rota_task_get(RARRAY_AREF(awaiting->tasks, i));
        if (task->failed && task->result == error) return true;
    }
    return false;
}

/* The first failure is raised for all of them. When anything else ends the wait, those that are on
 * their way to us stay. */
static VALUE stop_awaiting(VALUE data)
{
    struct awaiting *awaiting = (struct awaiting *)data;
    bool raised = awaiting->loop && is_theirs(awaiting, rb_errinfo());
    for (long i = 0; i < RARRAY_LEN(awaiting->tasks); i++) {
        rota_task_t *task = rota_task_get(RARRAY_AREF(awaiting->tasks, i));
        task->awaited--;
        if (raised) rota_task_take_failure(awaiting->loop->current, task);
    }
    return Qnil;
}

/* call-seq: await(*tasks) -> Array
 *
 * Waits for several tasks.
 *
 * @param tasks [Array<Rota::Task>]
 * @return [Array] their values, in the order given
 * @raise [Exception] the failure of the first of them that failed; the others go on
 * @raise [Rota::Error] when the current task is among them */
static VALUE task_await_all(int argc, VALUE *argv, VALUE klass)
{
    (void)klass;
    VALUE tasks = rb_funcall(rb_ary_new_from_values(argc, argv), rb_intern("flatten"), 0);
    struct awaiting awaiting = {loop_if_any(), tasks};
    for (long i = 0; i < RARRAY_LEN(tasks); i++) rota_task_get(RARRAY_AREF(tasks, i));
    for (long i = 0; i < RARRAY_LEN(tasks); i++) rota_task_get(RARRAY_AREF(tasks, i))->awaited++;
    VALUE results = rb_ensure(await_all, (VALUE)&awaiting, stop_awaiting, (VALUE)&awaiting);
    RB_GC_GUARD(tasks);
    return results;
}

/* Rota.spin_scope.
 *
 * @private */
static VALUE task_scope(VALUE klass, VALUE block)
{
    (void)klass;
    return rota_task_scope(rota_loop_demand(), block);
}

/* -- control ------------------------------------------------------------------------------------
 */

/* call-seq: schedule(value = nil) -> self
 *
 * Wakes this task if it sleeps or is suspended; +value+ is what its +sleep+ or +suspend+ returns. A
 * second call before the task has run is dropped, as is a call to a task that waits for something
 * else or is dead.
 *
 * @return [Rota::Task] */
static VALUE task_schedule(int argc, VALUE *argv, VALUE self)
{
    VALUE value;
    rb_scan_args(argc, argv, "01", &value);
    rota_schedule(rota_task_get(self), value);
    return self;
}

/* Takes Kernel#raise's `cause:` off the arguments; what else is in the Hash stays. Qundef: none. */
static VALUE take_cause(int *argc, VALUE *argv)
{
    VALUE options = *argc ? argv[*argc - 1] : Qnil;
    VALUE key = ID2SYM(id_cause);
    if (!RB_TYPE_P(options, T_HASH)) return Qundef;
    VALUE cause = rb_hash_lookup2(options, key, Qundef);
    if (cause == Qundef) return Qundef;
    if (*argc == 1 && RHASH_SIZE(options) == 1)
        rb_raise(rb_eArgError, "only cause is given with no arguments");
    if (!NIL_P(cause) && !rota_error_is_exception(cause))
        rb_raise(rb_eTypeError, "exception object expected");
    argv[*argc - 1] = options = rb_hash_dup(options);
    rb_hash_delete(options, key);
    if (RHASH_EMPTY_P(options)) --*argc;
    return cause;
}

/* Where Ruby keeps it: what is there already when an exception is raised stays. */
static void set_cause(VALUE exception, VALUE cause)
{
    if (cause == exception) return;
    for (VALUE link = cause; !NIL_P(link); link = rb_attr_get(link, id_cause))
        if (link == exception) rb_raise(rb_eArgError, "circular causes");
    rb_ivar_set(exception, id_cause, cause);
}

/* The exception that Kernel#raise would raise for the same arguments. */
static VALUE make_exception(int argc, VALUE *argv)
{
    VALUE cause = take_cause(&argc, argv);
    if (argc == 0) return rb_exc_new_cstr(rb_eRuntimeError, "unhandled exception");
    VALUE exception = rb_make_exception(argc, argv);
    if (cause != Qundef) set_cause(exception, cause);
    return exception;
}

/* call-seq: raise(...) -> self
 *
 * Raises in this task at its next switchpoint; all forms of +Kernel#raise+. A task that has not run
 * yet is never entered and fails with the exception. No-op for a dead task. The current task raises
 * at once.
 *
 * @return [Rota::Task] */
static VALUE task_raise(int argc, VALUE *argv, VALUE self)
{
    rota_task_t *task = rota_task_get(self);
    VALUE exception = make_exception(argc, argv);
    rota_loop_t *loop = rota_loop_current();
    if (loop && loop->current == task) rb_exc_raise(exception);
    rota_task_interrupt(task, exception);
    return self;
}

/* call-seq: cancel(exception = Rota::Cancel) -> self
 *
 * Raises +exception+ (a class or an instance) in this task at its next switchpoint. Like any
 * failure it reaches who awaits the task, else the parent.
 *
 * @return [Rota::Task] */
static VALUE task_cancel(int argc, VALUE *argv, VALUE self)
{
    VALUE exception;
    rb_scan_args(argc, argv, "01", &exception);
    if (NIL_P(exception)) exception = rota_eCancel;
    return task_raise(1, &exception, self);
}

/* call-seq: stop(value = nil) -> self
 *
 * Ends this task at its next switchpoint, with +value+ as its result. A task that has not run yet
 * is never entered.
 *
 * @return [Rota::Task] */
static VALUE task_stop(int argc, VALUE *argv, VALUE self)
{
    VALUE value;
    rb_scan_args(argc, argv, "01", &value);
    VALUE exception = rb_funcall(rota_eMoveOn, id_new, 1, value);
    return task_raise(1, &exception, self);
}

/* call-seq: terminate(graceful: false) -> self
 *
 * Ends this task at its next switchpoint, with nil as its result; its +ensure+ blocks run. A task
 * that has not run yet is never entered.
 *
 * @param graceful [Boolean] asks the task to finish what it has begun: +graceful_shutdown?+ answers
 *   true in its +ensure+ blocks and rescues
 * @return [Rota::Task] */
static VALUE task_terminate(int argc, VALUE *argv, VALUE self)
{
    VALUE options, graceful = Qundef;
    rb_scan_args(argc, argv, ":", &options);
    if (!NIL_P(options)) rb_get_kwargs(options, &id_graceful, 0, 1, &graceful);
    rota_task_get(self)->graceful = graceful != Qundef && RTEST(graceful);
    VALUE exception = rb_funcall(rota_eTerminate, id_new, 0);
    return task_raise(1, &exception, self);
}

/* @return [Boolean] was the task told to end, and to finish first what it had begun? */
static VALUE task_graceful_p(VALUE self)
{
    return RBOOL(rota_task_get(self)->graceful);
}

/* call-seq: restart(value = nil) -> self
 *
 * Runs the block of this task anew, with +value+ as its argument: at its next switchpoint, or its
 * end, after its children were ended; a dead task is queued again, as a child of the task that spun
 * it (of the root task, when that is dead or ends its children). The mailbox and this object stay.
 *
 * @return [Rota::Task]
 * @raise [Rota::Error] for the root task, or when the loop has ended or the root task is ending */
static VALUE task_restart(int argc, VALUE *argv, VALUE self)
{
    VALUE value;
    rb_scan_args(argc, argv, "01", &value);
    rota_task_t *task = rota_task_get(self);
    if (NIL_P(task->home)) rb_raise(rota_eError, "a root task cannot be restarted");
    if (task->state == ROTA_TASK_UNBORN) {
        task->argument = value;
    } else if (task->state == ROTA_TASK_DEAD) {
        rota_task_revive(task, value);
    } else {
        VALUE exception = rb_funcall(rota_eRestart, id_new, 1, value);
        task_raise(1, &exception, self);
    }
    return self;
}

/* call-seq: interject { } -> self
 *
 * Runs the block in this task at its next switchpoint, inside whatever it waits for; the wait then
 * goes on. What the block raises is raised in the task. No-op for a dead task.
 *
 * @return [Rota::Task] */
static VALUE task_interject(VALUE self)
{
    rb_need_block();
    rota_interrupt_interject(rota_task_get(self), rb_block_proc());
    return self;
}

/* Makes the root task the parent of this one, which then outlives the task that spun it. A parent
 * that is ending its children tells this one to end, too. No-op for a dead task.
 *
 * @return [Rota::Task]
 * @raise [Rota::Error] for the root task */
static VALUE task_detach(VALUE self)
{
    rota_task_t *task = rota_task_get(self);
    if (task->state != ROTA_TASK_DEAD) rota_task_attach(task, task->loop->root);
    return self;
}

/* Makes +parent+ the parent of this task. No-op for a dead task.
 *
 * @param parent [Rota::Task]
 * @return [Rota::Task]
 * @raise [Rota::Error] when +parent+ is dead, this is the root, or they are of different threads
 * @raise [ArgumentError] when +parent+ is below this task */
static VALUE task_attach_to(VALUE self, VALUE parent)
{
    rota_task_t *task = rota_task_get(self);
    rota_task_t *target = rota_task_get(parent);
    if (task->state != ROTA_TASK_DEAD) rota_task_attach(task, target);
    return self;
}

/* What is told of this task's end, by push([task, result]). A task of another thread may end at any
 * time: whether it will be told is known in here alone.
 *
 * @private
 * @return [Boolean] will it be told? Not of an end that is past */
static VALUE task_add_monitor(VALUE self, VALUE monitor)
{
    rota_task_t *task = rota_task_get(self);
    if (task->state == ROTA_TASK_DEAD) return Qfalse;
    rota_task_rest_t *rest = rota_task_rest(task);
    if (NIL_P(rest->monitors)) rest->monitors = rb_ary_new();
    if (!RTEST(rb_ary_includes(rest->monitors, monitor))) rb_ary_push(rest->monitors, monitor);
    return Qtrue;
}

/* @private */
static VALUE task_remove_monitor(VALUE self, VALUE monitor)
{
    const rota_task_rest_t *rest = rota_task_get(self)->rest;
    if (rest && !NIL_P(rest->monitors)) rb_ary_delete(rest->monitors, monitor);
    return self;
}

/* As a monitor that also takes this task's failure off its parent; of a task that has ended, too,
 * for the ends to come.
 *
 * @private
 * @return [Boolean] as __add_monitor */
static VALUE task_supervise(VALUE self, VALUE supervisor)
{
    rota_task_t *task = rota_task_get(self);
    rota_task_supervise(task, supervisor);
    return RBOOL(task->state != ROTA_TASK_DEAD);
}

/* One supervisor in place of another: each end is told to one of them.
 *
 * @private
 * @return [Boolean] as __add_monitor */
static VALUE task_hand_over(VALUE self, VALUE from, VALUE to)
{
    VALUE alive = task_supervise(self, to);
    rota_task_release(rota_task_get(self), from);
    return alive;
}

/* From now on that is no supervisor of it.
 *
 * @private */
static VALUE task_release(VALUE self, VALUE supervisor)
{
    rota_task_release(rota_task_get(self), supervisor);
    return self;
}

/* @private
 * @return [Array, nil] not to be changed */
static VALUE task_supervisors(VALUE self)
{
    return rota_task_supervisors(rota_task_get(self));
}

/* One more supervisor of children to come, in the scope that the task is in.
 *
 * @private
 * @return [Array] for __leave_brood, which is to be called in the opposite order */
static VALUE task_enter_brood(VALUE self, VALUE supervisor)
{
    rota_task_rest_t *rest = rota_task_rest(rota_task_get(self));
    VALUE former = rb_assoc_new(rest->brood, ULL2NUM(rest->brood_scope));
    VALUE brood = rb_ary_new_from_args(1, supervisor);
    bool same_scope = !NIL_P(rest->brood) && rest->brood_scope == rest->scope_open;
    rest->brood = same_scope ? rb_ary_plus(rest->brood, brood) : brood;
    rest->brood_scope = rest->scope_open;
    return former;
}

/* @private */
static VALUE task_leave_brood(VALUE self, VALUE former)
{
    rota_task_rest_t *rest = rota_task_rest(rota_task_get(self));
    rest->brood_scope = NUM2ULL(rb_ary_entry(former, 1));
    rest->brood = rb_ary_entry(former, 0);
    return self;
}

/* The children that it is for.
 *
 * @private */
static VALUE task_brood_children(VALUE self)
{
    VALUE brood = rb_ary_new();
    const rota_task_t *task = rota_task_get(self);
    ROTA_LIST_EACH(&task->children, link) {
        const rota_task_t *child = ROTA_LIST_ENTRY(link, rota_task_t, sibling);
        if (rota_task_in_brood(task, child)) rb_ary_push(brood, child->self);
    }
    return brood;
}

/* It was spun for a purpose of Rota's own: nobody who watches over all children means it.
 *
 * @private */
static VALUE task_set_apart(VALUE self)
{
    rota_task_t *task = rota_task_get(self);
    task->apart = true;
    if (task->rest) task->rest->supervisors = Qnil;
    return self;
}

/* As a parent hears of a child's failure.
 *
 * @private */
static VALUE task_hear_of(VALUE self, VALUE child, VALUE failure)
{
    rota_interrupt_task(rota_task_get(self), failure, rota_task_get(child));
    return self;
}

/* @private */
static VALUE task_failed_p(VALUE self)
{
    return RBOOL(rota_task_get(self)->failed);
}

/* -- questions ----------------------------------------------------------------------------------
 */

/* @return [Object, nil] what +spin+ was given to tell this task from others */
static VALUE task_tag(VALUE self)
{
    return rota_task_get(self)->tag;
}

/* @param tag [Object] */
static VALUE task_set_tag(VALUE self, VALUE tag)
{
    return rota_task_get(self)->tag = tag;
}

/* @return [Boolean] has the task not ended yet? */
static VALUE task_alive_p(VALUE self)
{
    return RBOOL(rota_task_get(self)->state != ROTA_TASK_DEAD);
}

/* @return [Boolean] */
static VALUE task_dead_p(VALUE self)
{
    return RBOOL(rota_task_get(self)->state == ROTA_TASK_DEAD);
}

/* Also inside a trap handler or an interjection, which run inside the task's wait. */
static bool is_running(const rota_task_t *task)
{
    return task->loop->current == task && (!task->park || task->park->dispatched);
}

/* @return [Symbol] +:runnable+, +:running+, +:waiting+ or +:dead+ */
static VALUE task_state(VALUE self)
{
    rota_task_t *task = rota_task_get(self);
    const char *name = "waiting";
    if (task->state == ROTA_TASK_DEAD)
        name = "dead";
    else if (is_running(task))
        name = "running";
    else if (!task->park || rota_list_linked(&task->park->ready))
        name = "runnable";
    return ID2SYM(rb_intern(name));
}

/* @return [Object, nil] the value of an ended task, or the exception that it failed with; nil
 * before the end */
static VALUE task_result(VALUE self)
{
    const rota_task_t *task = rota_task_get(self);
    return task->state == ROTA_TASK_DEAD ? task->result : Qnil;
}

/* @return [Rota::Task, nil] nil for the root task and after the end */
static VALUE task_parent(VALUE self)
{
    rota_task_t *parent = rota_task_get(self)->parent;
    return parent ? parent->self : Qnil;
}

/* @return [Array<Rota::Task>] those alive */
static VALUE task_children(VALUE self)
{
    VALUE children = rb_ary_new();
    rota_task_t *task = rota_task_get(self);
    ROTA_LIST_EACH(&task->children, link)
        rb_ary_push(children, ROTA_LIST_ENTRY(link, rota_task_t, sibling)->self);
    if (task == task->loop->root)
        ROTA_LIST_EACH(&task->loop->scheduled, link)
            rb_ary_push(children, ROTA_LIST_ENTRY(link, rota_task_t, sibling)->self);
    return children;
}

/* @return [Fiber, nil] the fiber that runs the task; nil before its first run and after its end,
 *   because the fiber then runs other tasks */
static VALUE task_fiber(VALUE self)
{
    return rota_task_get(self)->fiber;
}

/* @return [Thread] */
static VALUE task_thread(VALUE self)
{
    return rota_task_get(self)->loop->thread;
}

/* @return [String] "file:line" of the block given to +spin+, or "(root)" */
static VALUE task_location(VALUE self)
{
    VALUE block = rota_task_get(self)->block;
    VALUE place = NIL_P(block) ? Qnil : rb_funcall(block, rb_intern("source_location"), 0);
    if (NIL_P(place)) return rb_utf8_str_new_cstr("(root)");
    return rb_sprintf("%" PRIsVALUE ":%" PRIsVALUE, rb_ary_entry(place, 0), rb_ary_entry(place, 1));
}

/* What the task waits for, in words; nil when it does not. For Rota.tree and reports.
 *
 * @return [String, nil] */
static VALUE task_waits_for(VALUE self)
{
    rota_park_t *park = rota_task_get(self)->park;
    if (!park) return Qnil;
    if (park->detail < 0) return rb_utf8_str_new_cstr(park->what);
    return rb_sprintf("%s(%d)", park->what, park->detail);
}

/* How long it has been waiting, in seconds, to some milliseconds; nil when it does not.
 *
 * @return [Float, nil] */
static VALUE task_waits_since(VALUE self)
{
    rota_park_t *park = rota_task_get(self)->park;
    if (!park) return Qnil;
    return DBL2NUM((double)(rota_now_coarse_ns() - park->since_ns) / (double)ROTA_NS_PER_S);
}

static rota_task_t *get_parent(VALUE self)
{
    rota_task_t *parent = rota_task_get(self);
    if (parent->state == ROTA_TASK_DEAD) rb_raise(rota_eError, "a dead task has no children");
    if (parent->loop != rota_loop_demand())
        rb_raise(rota_eError, "the task belongs to another thread");
    return parent;
}

/* call-seq: spin(tag = nil) { } -> Rota::Task
 *
 * A child of this task, which may be another than the current one. Of one that is ending its
 * children already it ends at once, with nil, and its block is never entered.
 *
 * @raise [Rota::Error] when this task has ended or belongs to another thread
 * @raise [Rota::ResourceError] when too many tasks are alive */
static VALUE task_spin(int argc, VALUE *argv, VALUE self)
{
    VALUE tag;
    rb_scan_args(argc, argv, "01", &tag);
    rb_need_block();
    rota_task_t *parent = get_parent(self);
    VALUE child = rota_task_spin(parent->loop, parent, tag, rb_block_proc())->self;
    rota_task_join_ending(rota_task_get(child));
    return child;
}

/* A child that calls the Proc with the argument. For many children that do the same: they share the
 * Proc, where a block would make each a Proc and an environment of its own (176 bytes).
 *
 * @private */
static VALUE task_spin_with(VALUE self, VALUE argument, VALUE block)
{
    rota_task_t *parent = get_parent(self);
    rota_task_t *task = rota_task_spin(parent->loop, parent, Qnil, block);
    task->argument = argument;
    return task->self;
}

/* A child that goes first, made by a trap handler, which may run on another thread. nil: there is
 * no loop any more that could run it.
 *
 * @private */
static VALUE task_spin_first(VALUE self, VALUE tag)
{
    rb_need_block();
    rota_task_t *parent = rota_task_get(self);
    rota_loop_t *loop = parent->loop;
    if (parent->state == ROTA_TASK_DEAD || rota_loop_left_behind(loop) || loop->closing ||
        !loop->engine)
        return Qnil;
    rota_task_t *task = rota_task_spin(loop, parent, tag, rb_block_proc());
    rota_list_remove(&task->birth->ready);
    rota_list_push_front(&loop->ready, &task->birth->ready);
    rota_loop_notify(loop);
    return task_set_apart(task->self);
}

/* @return [Rota::Task] the task that runs this code */
static VALUE task_current(VALUE klass)
{
    (void)klass;
    return rota_loop_demand()->current->self;
}

/* The root task of this thread's loop, also when that is ending.
 *
 * @private */
static VALUE task_root(VALUE klass)
{
    const rota_loop_t *loop = rota_loop_current();
    (void)klass;
    return (loop ? loop : rota_loop_demand())->root->self;
}

void rota_init_task_methods(void)
{
    id_new = rb_intern("new");
    id_graceful = rb_intern("graceful");
    id_cause = rb_intern("cause");
    rb_define_singleton_method(rota_cTask, "current", task_current, 0);
    rb_define_singleton_method(rota_cTask, "await", task_await_all, -1);
    rb_define_singleton_method(rota_cTask, "__scope", task_scope, 1);
    rb_define_method(rota_cTask, "spin", task_spin, -1);
    rb_define_method(rota_cTask, "__spin_first", task_spin_first, 1);
    rb_define_method(rota_cTask, "__spin_with", task_spin_with, 2);
    rb_define_method(rota_cTask, "await", task_await, -1);
    rb_define_method(rota_cTask, "value", task_await, -1);
    rb_define_method(rota_cTask, "join", task_join, -1);
    rb_define_method(rota_cTask, "schedule", task_schedule, -1);
    rb_define_method(rota_cTask, "raise", task_raise, -1);
    rb_define_method(rota_cTask, "cancel", task_cancel, -1);
    rb_define_method(rota_cTask, "stop", task_stop, -1);
    rb_define_method(rota_cTask, "terminate", task_terminate, -1);
    rb_define_method(rota_cTask, "graceful_shutdown?", task_graceful_p, 0);
    rb_define_method(rota_cTask, "restart", task_restart, -1);
    rb_define_method(rota_cTask, "interject", task_interject, 0);
    rb_define_method(rota_cTask, "detach", task_detach, 0);
    rb_define_method(rota_cTask, "attach_to", task_attach_to, 1);
    rb_define_method(rota_cTask, "__add_monitor", task_add_monitor, 1);
    rb_define_method(rota_cTask, "__remove_monitor", task_remove_monitor, 1);
    rb_define_method(rota_cTask, "__supervise", task_supervise, 1);
    rb_define_method(rota_cTask, "__hand_over", task_hand_over, 2);
    rb_define_method(rota_cTask, "__release", task_release, 1);
    rb_define_method(rota_cTask, "__supervisors", task_supervisors, 0);
    rb_define_method(rota_cTask, "__enter_brood", task_enter_brood, 1);
    rb_define_method(rota_cTask, "__leave_brood", task_leave_brood, 1);
    rb_define_method(rota_cTask, "__brood_children", task_brood_children, 0);
    rb_define_method(rota_cTask, "__set_apart", task_set_apart, 0);
    rb_define_method(rota_cTask, "__hear_of", task_hear_of, 2);
    rb_define_method(rota_cTask, "__failed?", task_failed_p, 0);
    rb_define_method(rota_cTask, "tag", task_tag, 0);
    rb_define_method(rota_cTask, "tag=", task_set_tag, 1);
    rb_define_method(rota_cTask, "alive?", task_alive_p, 0);
    rb_define_method(rota_cTask, "dead?", task_dead_p, 0);
    rb_define_method(rota_cTask, "state", task_state, 0);
    rb_define_method(rota_cTask, "result", task_result, 0);
    rb_define_method(rota_cTask, "parent", task_parent, 0);
    rb_define_method(rota_cTask, "children", task_children, 0);
    rb_define_method(rota_cTask, "fiber", task_fiber, 0);
    rb_define_method(rota_cTask, "thread", task_thread, 0);
    rb_define_method(rota_cTask, "location", task_location, 0);
    rb_define_method(rota_cTask, "waits_for", task_waits_for, 0);
    rb_define_method(rota_cTask, "waits_since", task_waits_since, 0);
    rb_define_singleton_method(rota_cTask, "__root", task_root, 0);
}
