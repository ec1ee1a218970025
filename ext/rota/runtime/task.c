#include "runtime/task.h"

#include "runtime/error.h"
#include "runtime/interrupt.h"
#include "runtime/sleep.h"
#include "runtime/storage.h"

VALUE rota_cTask;

static ID id_new;

static void task_mark(void *data)
{
    rota_task_t *task = data;
    if (task->loop) rb_gc_mark(task->loop->self);
    if (task->parent) rb_gc_mark(task->parent->self);
    rb_gc_mark(task->block);
    if (task->argument != Qundef) rb_gc_mark(task->argument);
    rb_gc_mark(task->tag);
    rb_gc_mark(task->storage);
    rb_gc_mark(task->fiber);
    rb_gc_mark(task->result);
    rota_interrupts_mark(task);
    for (rota_park_t *park = task->park; park; park = park->outer) rb_gc_mark(park->fiber);
}

static void task_free(void *data)
{
    rota_task_t *task = data;
    rota_list_t *link;
    while ((link = rota_list_pop(&task->interrupts))) {
        rota_interrupt_t *interrupt = ROTA_LIST_ENTRY(link, rota_interrupt_t, link);
        if (!interrupt->embedded) xfree(interrupt);
    }
    xfree(task);
}

static size_t task_memsize(const void *data)
{
    (void)data;
    return sizeof(rota_task_t);
}

/* Not write-barrier protected: a task's references change at every switch, and its fiber is not
 * protected either, so a barrier would save the collector nothing. */
const rb_data_type_t rota_task_type = {
    .wrap_struct_name = "Rota::Task",
    .function = {.dmark = task_mark, .dfree = task_free, .dsize = task_memsize},
    .flags = RUBY_TYPED_FREE_IMMEDIATELY,
};

rota_task_t *rota_task_get(VALUE self)
{
    return rb_check_typeddata(self, &rota_task_type);
}

static rota_task_t *make_task(rota_loop_t *loop, rota_task_t *parent, VALUE tag, VALUE block)
{
    rota_task_t *task;
    VALUE self = TypedData_Make_Struct(rota_cTask, rota_task_t, &rota_task_type, task);

    rota_list_init(&task->children);
    rota_list_init(&task->sibling);
    rota_list_init(&task->alive);
    rota_waiters_init(&task->waiters);
    rota_list_init(&task->interrupts);
    rota_list_init(&task->birth.ready);
    task->self = self;
    task->loop = loop;
    task->parent = parent;
    task->tag = tag;
    task->block = block;
    task->argument = Qundef;
    task->storage = task->fiber = task->result = Qnil;
    task->birth.task = task;
    task->birth.detail = -1;
    rota_list_push_back(&loop->tasks, &task->alive);
    loop->tasks_alive++;
    if (parent) rota_list_push_back(&parent->children, &task->sibling);
    return task;
}

static void require_room(const rota_loop_t *loop)
{
    if (ROTA_LIKELY(loop->tasks_alive < loop->tasks_max)) return;
    rb_raise(rota_eResourceError,
             "%u tasks are alive, which is all that this process has memory maps for; "
             "raise sysctl vm.max_map_count (two maps for each task) or limit the tasks",
             loop->tasks_alive);
}

rota_task_t *rota_task_spin(rota_loop_t *loop, rota_task_t *parent, VALUE tag, VALUE block)
{
    require_room(loop);
    if (loop->closing) rb_raise(rota_eError, "the loop is ending and takes no new tasks");
    VALUE storage = rota_storage_copy();
    rota_task_t *task = make_task(loop, parent, tag, block);
    task->storage = storage;
    task->birth.woken = true;
    rota_list_push_back(&loop->ready, &task->birth.ready);
    loop->stats.spins++;
    return task;
}

rota_task_t *rota_task_root(rota_loop_t *loop)
{
    rota_task_t *task = make_task(loop, NULL, ID2SYM(rb_intern("root")), Qnil);
    task->state = ROTA_TASK_ALIVE;
    task->fiber = rb_fiber_current();
    task->waits = true;
    return task;
}

/* -- the end ------------------------------------------------------------------------------------
 */

static void leave_parent(rota_task_t *task)
{
    rota_task_t *parent = task->parent;
    rota_list_remove(&task->sibling);
    task->parent = NULL;
    if (!parent) return;
    if (task->failed && rota_waiters_empty(&task->waiters))
        rota_interrupt_task(parent, task->result, task);
    if (rota_list_empty(&parent->children) && parent->children_wait)
        rota_park_wake(parent->loop, parent->children_wait);
}

/* The one place where a task becomes dead. Everything that it still carried is dropped. */
static void bury(rota_task_t *task, bool failed, VALUE result)
{
    assert(task->state != ROTA_TASK_DEAD && rota_list_empty(&task->children));
    task->failed = failed;
    task->result = result;
    task->fiber = task->storage = Qnil;
    rota_interrupts_drop(task);
    task->state = ROTA_TASK_DEAD;
    rota_list_remove(&task->alive);
    task->loop->tasks_alive--;
    leave_parent(task);
    rota_waiters_grant_all(&task->waiters, Qnil);
}

/* How an exception ends a task: some end it with a value. */
static bool is_failure(VALUE exception, VALUE *value)
{
    if (!rb_obj_is_kind_of(exception, rota_eTerminate) &&
        !rb_obj_is_kind_of(exception, rota_eMoveOn))
        return true;
    *value = rb_attr_get(exception, rb_intern("@value"));
    return false;
}

static void terminate_children(rota_task_t *task)
{
    VALUE terminate = Qnil;
    rota_list_t *link = task->children.next;
    while (link != &task->children) {
        rota_task_t *child = ROTA_LIST_ENTRY(link, rota_task_t, sibling);
        link = link->next;
        if (child->state == ROTA_TASK_UNBORN) {
            rota_task_end_unborn(child, Qnil);
        } else {
            if (NIL_P(terminate)) terminate = rb_funcall(rota_eTerminate, id_new, 0);
            rota_interrupt_task(child, terminate, NULL);
        }
    }
}

/* Others may have spun children of a task that never ran. They are told to end, and their
 * grandparent waits for them. */
static void leave_children(rota_task_t *task)
{
    rota_list_t *link;
    terminate_children(task);
    while ((link = rota_list_pop(&task->children))) {
        rota_task_t *child = ROTA_LIST_ENTRY(link, rota_task_t, sibling);
        child->parent = task->parent;
        rota_list_push_back(&task->parent->children, &child->sibling);
    }
}

void rota_task_end_unborn(rota_task_t *task, VALUE exception)
{
    VALUE value = Qnil;
    bool failed = !NIL_P(exception) && is_failure(exception, &value);
    rota_list_remove(&task->birth.ready);
    if (!rota_list_empty(&task->children)) leave_children(task);
    bury(task, failed, failed ? exception : value);
}

/* Parks until the last child has ended or, unless shielded, until an interrupt comes. Gives the
 * state of a jump that surfaced. */
static int wait_for_children(rota_task_t *task, bool shielded)
{
    rota_loop_t *loop = task->loop;
    rota_park_t park;
    rota_park_result_t result = ROTA_PARK_WOKEN;

    if (rota_list_empty(&task->children)) return 0;
    rota_park_begin(loop, &park, "its children", -1);
    park.shielded = shielded;
    task->children_wait = &park;
    while (!rota_list_empty(&task->children) && result == ROTA_PARK_WOKEN)
        result = rota_park_wait(loop, &park);
    task->children_wait = NULL;
    rota_park_end(loop, &park);
    return park.jump;
}

static VALUE await_children(VALUE data)
{
    rota_task_t *task = (rota_task_t *)data;
    for (;;) {
        rota_interrupt_check(task->loop);
        if (rota_list_empty(&task->children)) return Qnil;
        int jump = wait_for_children(task, false);
        if (jump) rb_jump_tag(jump);
    }
}

/* A task on its way to its end. */
struct ending {
    rota_task_t *task;
    VALUE value;
    bool failed;
    bool terminated; /* the children were told */
    int jump;        /* a kill or throw that goes on in the fiber once the task has ended */
};

static void fail_with(struct ending *ending, VALUE exception)
{
    ending->failed = is_failure(exception, &ending->value);
    if (ending->failed) ending->value = exception;
}

/* Failures of children that nobody could be told of any more: the first one is the task's own if it
 * has none, the others are in its `suppressed`. */
static VALUE add_failures(VALUE data)
{
    struct ending *ending = (struct ending *)data;
    VALUE failures = rota_interrupts_drop(ending->task);
    if (NIL_P(failures)) return Qnil;
    if (!ending->failed) fail_with(ending, rb_ary_shift(failures));
    rb_ary_delete(failures, ending->value);
    if (RARRAY_LEN(failures)) rota_error_suppress(ending->value, failures);
    return Qnil;
}

/* Runs a step of the task under rb_protect. An exception becomes the task's failure, any other jump
 * is noted. */
static void protect_step(struct ending *ending, VALUE (*step)(VALUE), VALUE arg)
{
    int state = 0;
    VALUE value = rb_protect(step, arg, &state);
    if (!state) {
        if (step != add_failures) ending->value = value;
        return;
    }
    VALUE error = rb_errinfo();
    if (rb_obj_is_kind_of(error, rb_eException)) {
        rb_set_errinfo(Qnil);
        fail_with(ending, error);
    } else {
        ending->jump = state;
    }
}

/* Everything between the end of a task's block and its burial. A jump that surfaces in the middle
 * goes on only after the rest was done: the function enters itself under rb_ensure then. */
static VALUE end_task(VALUE data)
{
    struct ending *ending = (struct ending *)data;
    rota_task_t *task = ending->task;
    int jump = 0;

    if (!rota_list_empty(&task->children)) {
        if (!ending->terminated) terminate_children(task);
        ending->terminated = true;
        jump = wait_for_children(task, true);
        if (jump) rota_park_continue_jump(jump, end_task, data);
    }
    if (!rota_list_empty(&task->interrupts)) protect_step(ending, add_failures, data);
    bury(task, ending->failed, ending->value);
    task->loop->current = NULL;
    return Qnil;
}

static VALUE call_block(VALUE data)
{
    rota_task_t *task = (rota_task_t *)data;
    rota_storage_install(task->storage);
    rota_interrupt_check(task->loop);
    int argc = task->argument == Qundef ? 0 : 1;
    VALUE value = rb_proc_call_with_block(task->block, argc, &task->argument, Qnil);
    if (task->waits) await_children(data);
    return value;
}

static VALUE run_block(rota_task_t *task, struct ending *ending)
{
    *ending = (struct ending){.task = task, .value = Qnil};
    protect_step(ending, call_block, (VALUE)task);
    if (ending->jump) rota_park_continue_jump(ending->jump, end_task, (VALUE)ending);
    return end_task((VALUE)ending);
}

void rota_task_run(rota_loop_t *loop, rota_task_t *task)
{
    struct ending ending;
    loop->current = task;
    task->state = ROTA_TASK_ALIVE;
    task->fiber = rb_fiber_current();
    run_block(task, &ending);
}

VALUE rota_task_run_root(rota_task_t *task, VALUE block)
{
    struct ending ending;
    task->block = block;
    task->argument = task->self;
    run_block(task, &ending);
    if (ending.failed) rb_exc_raise(ending.value);
    return ending.value;
}

void rota_task_finish_root(rota_task_t *task)
{
    struct ending ending = {.task = task, .value = Qnil};
    end_task((VALUE)&ending);
}

/* -- waiting for it -----------------------------------------------------------------------------
 */

bool rota_task_join(rota_loop_t *loop, rota_task_t *task, uint64_t deadline_ns)
{
    rota_waiting_t waiting = {.what = "a task", .detail = -1, .deadline_ns = deadline_ns};
    VALUE unused;

    if (task == loop->current) rb_raise(rota_eError, "a task cannot await itself");
    if (task->state != ROTA_TASK_DEAD) return rota_waiters_wait(&task->waiters, &waiting, &unused);
    rota_interrupt_check(loop);
    return true;
}

/* A failure that was on its way to the parent reaches it here, by its await, and only here. */
static void take_over_failure(rota_task_t *parent, const rota_task_t *child)
{
    rota_list_t *link = parent->interrupts.next;
    while (link != &parent->interrupts) {
        rota_interrupt_t *interrupt = ROTA_LIST_ENTRY(link, rota_interrupt_t, link);
        link = link->next;
        if (interrupt->source != child) continue;
        rota_list_remove(&interrupt->link);
        xfree(interrupt);
    }
}

static VALUE result_of(rota_task_t *task)
{
    if (task->failed) rb_exc_raise(task->result);
    return task->result;
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
    rota_task_t *task = rota_task_get(self);
    rota_loop_t *loop = rota_loop_demand();
    uint64_t deadline_ns =
        NIL_P(timeout) ? UINT64_MAX : rota_now_ns() + rota_seconds_to_ns(timeout);

    take_over_failure(loop->current, task);
    if (!rota_task_join(loop, task, deadline_ns))
        rb_raise(rota_eTimeoutError, "the task did not end in time");
    return result_of(task);
}

struct scope {
    rota_loop_t *loop;
    rota_task_t *task;
};

static VALUE join_scope(VALUE data)
{
    struct scope *scope = (struct scope *)data;
    rota_task_join(scope->loop, scope->task, UINT64_MAX);
    return result_of(scope->task);
}

/* The scope was left by an interrupt or a jump: its tasks end first, whatever else comes. */
static VALUE settle_scope(VALUE data)
{
    struct scope *scope = (struct scope *)data;
    rota_task_t *waiting = scope->loop->current, *task = scope->task;
    if (task->state == ROTA_TASK_DEAD) return Qnil;

    VALUE error = rb_errinfo();
    if (task->state == ROTA_TASK_UNBORN)
        rota_task_end_unborn(task, Qnil);
    else
        rota_interrupt_task(task, rb_funcall(rota_eTerminate, id_new, 0), NULL);
    waiting->shield++;
    rota_task_join(scope->loop, task, UINT64_MAX);
    waiting->shield--;
    if (task->failed && rb_obj_is_kind_of(error, rb_eException))
        rota_error_suppress(error, rb_ary_new_from_args(1, task->result));
    return Qnil;
}

/* Rota.spin_scope.
 *
 * @private */
static VALUE task_scope(VALUE klass, VALUE block)
{
    (void)klass;
    struct scope scope = {.loop = rota_loop_demand()};
    scope.task = rota_task_spin(scope.loop, scope.loop->current, ID2SYM(rb_intern("scope")), block);
    scope.task->waits = true;
    VALUE self = scope.task->self;
    VALUE value = rb_ensure(join_scope, (VALUE)&scope, settle_scope, (VALUE)&scope);
    RB_GC_GUARD(self);
    return value;
}

/* -- control ------------------------------------------------------------------------------------
 */

static void interrupt(rota_task_t *task, VALUE exception)
{
    if (task->state == ROTA_TASK_UNBORN)
        rota_task_end_unborn(task, exception);
    else
        rota_interrupt_task(task, exception, NULL);
}

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

/* The exception that Kernel#raise would raise for the same arguments. */
static VALUE make_exception(int argc, VALUE *argv)
{
    if (argc == 0) return rb_exc_new_cstr(rb_eRuntimeError, "unhandled exception");
    return rb_make_exception(argc, argv);
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
    interrupt(task, exception);
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

/* call-seq: terminate -> self
 *
 * Ends this task at its next switchpoint, with nil as its result; its +ensure+ blocks run.
 *
 * @return [Rota::Task] */
static VALUE task_terminate(VALUE self)
{
    VALUE exception = rb_funcall(rota_eTerminate, id_new, 0);
    return task_raise(1, &exception, self);
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

/* @return [Symbol] +:runnable+, +:running+, +:waiting+ or +:dead+ */
static VALUE task_state(VALUE self)
{
    rota_task_t *task = rota_task_get(self);
    const char *name = "waiting";
    if (task->state == ROTA_TASK_DEAD)
        name = "dead";
    else if (task->loop->current == task)
        name = "running";
    else if (task->state == ROTA_TASK_UNBORN || (task->park && task->park->woken))
        name = "runnable";
    return ID2SYM(rb_intern(name));
}

/* @return [Object, nil] the value of an ended task, or the exception that it failed with; nil
 * before the end */
static VALUE task_result(VALUE self)
{
    return rota_task_get(self)->result;
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
    ROTA_LIST_EACH(&rota_task_get(self)->children, link)
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

/* call-seq: spin(tag = nil) { } -> Rota::Task
 *
 * A child of this task, which may be another than the current one.
 *
 * @raise [Rota::Error] when this task has ended or belongs to another thread
 * @raise [Rota::ResourceError] when too many tasks are alive */
static VALUE task_spin(int argc, VALUE *argv, VALUE self)
{
    VALUE tag;
    rb_scan_args(argc, argv, "01", &tag);
    rb_need_block();
    rota_task_t *parent = rota_task_get(self);
    if (parent->state == ROTA_TASK_DEAD) rb_raise(rota_eError, "a dead task has no children");
    if (parent->loop != rota_loop_demand())
        rb_raise(rota_eError, "the task belongs to another thread");
    return rota_task_spin(parent->loop, parent, tag, rb_block_proc())->self;
}

/* call-seq: current -> Rota::Task */
static VALUE task_current(VALUE klass)
{
    (void)klass;
    return rota_loop_demand()->current->self;
}

void rota_init_task(VALUE module)
{
    id_new = rb_intern("new");
    rota_cTask = rb_define_class_under(module, "Task", rb_cObject);
    rb_undef_alloc_func(rota_cTask);
    rb_define_singleton_method(rota_cTask, "current", task_current, 0);
    rb_define_singleton_method(rota_cTask, "__scope", task_scope, 1);
    rb_define_method(rota_cTask, "spin", task_spin, -1);
    rb_define_method(rota_cTask, "await", task_await, -1);
    rb_define_method(rota_cTask, "schedule", task_schedule, -1);
    rb_define_method(rota_cTask, "raise", task_raise, -1);
    rb_define_method(rota_cTask, "cancel", task_cancel, -1);
    rb_define_method(rota_cTask, "stop", task_stop, -1);
    rb_define_method(rota_cTask, "terminate", task_terminate, 0);
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
}
