#include "runtime/task.h"

#include "runtime/deadline.h"
#include "runtime/deadlock.h"
#include "runtime/error.h"
#include "runtime/interrupt.h"
#include "runtime/select.h"
#include "runtime/sleep.h"
#include "runtime/storage.h"

#include <stdatomic.h>

/* A child that was told to end and has not ended after this time is named on stderr. */
#define GRACE_NS (5 * ROTA_NS_PER_S)

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
    rb_gc_mark(task->home);
    rb_gc_mark(task->fiber);
    rb_gc_mark(task->result);
    if (task->rest) {
        rb_gc_mark(task->rest->monitors);
        rb_gc_mark(task->rest->supervisors);
        rb_gc_mark(task->rest->brood);
    }
    rota_interrupts_mark(task);
    ROTA_LIST_EACH(&task->held, link) rb_gc_mark(ROTA_LIST_ENTRY(link, rota_held_t, link)->self);
    for (rota_park_t *park = task->park; park; park = park->outer) rb_gc_mark(park->fiber);
}

/* -- memory -------------------------------------------------------------------------------------
 *
 * A collection frees thousands of tasks at once, whose memory has long left the caches: for malloc
 * each of them is a header to fetch, to merge, and to cut again. So up to so many stay as they are,
 * on a list that any thread may push to and that a loop takes as a whole. */

#if defined(ROTA_HOSTILE) || defined(ROTA_VALGRIND) || defined(__SANITIZE_ADDRESS__)
#define SPARE_MAX 0 /* a use of one that was freed is to be seen */
#else
#define SPARE_MAX 4096
#endif

static _Atomic(rota_spare_task_t *) spares;
static _Atomic int spare_count; /* on all lists */

static void keep_or_free(void *memory)
{
    rota_spare_task_t *spare = memory;
    if (atomic_fetch_add(&spare_count, 1) >= SPARE_MAX) {
        atomic_fetch_sub(&spare_count, 1);
        xfree(memory);
        return;
    }
    spare->next = atomic_load(&spares);
    while (!atomic_compare_exchange_weak(&spares, &spare->next, spare)) {
    }
}

static rota_task_t *take_memory(rota_loop_t *loop)
{
    if (!loop->spare_tasks) loop->spare_tasks = atomic_exchange(&spares, NULL);
    rota_spare_task_t *spare = loop->spare_tasks;
    if (!spare) return ZALLOC(rota_task_t);
    loop->spare_tasks = spare->next;
    atomic_fetch_sub(&spare_count, 1);
    return memset(spare, 0, sizeof(rota_task_t));
}

/* What a task needs only until it is entered is no part of it, but one of a few that go from task
 * to task: idle tasks are many. */
static void reserve_birth(rota_loop_t *loop)
{
    if (loop->births) return;
    loop->births = ZALLOC(rota_park_t);
    loop->births_kept = 1;
}

static void take_birth(rota_task_t *task)
{
    rota_loop_t *loop = task->loop;
    rota_park_t *birth = loop->births;
    loop->births = birth->outer;
    loop->births_kept--;
    *birth = (rota_park_t){.task = task, .fiber = Qfalse, .detail = -1, .woken = true};
    rota_list_init(&birth->ready);
    task->birth = birth;
}

/* It is off the run queue. */
static void drop_birth(rota_task_t *task)
{
    rota_loop_t *loop = task->loop;
    rota_park_t *birth = task->birth;
    if (!birth) return;
    task->birth = NULL;
    if (loop->births_kept + 1 > SPARE_MAX) {
        xfree(birth);
        return;
    }
    birth->outer = loop->births;
    loop->births = birth;
    loop->births_kept++;
}

void rota_tasks_leave(rota_loop_t *loop)
{
    rota_spare_task_t *spare;
    rota_park_t *birth;
    while ((birth = loop->births)) {
        loop->births = birth->outer;
        xfree(birth);
    }
    while ((spare = loop->spare_tasks)) {
        loop->spare_tasks = spare->next;
        atomic_fetch_sub(&spare_count, 1);
        keep_or_free(spare);
    }
}

/* A dead task has nothing left. One that is freed alive was left behind by a fork, or by a thread
 * that was killed, and its loop goes with it, before it or behind it. So were the stacks that its
 * interrupts may lie on: they are not touched. */
static void task_free(void *data)
{
    rota_task_t *task = data;
    rota_list_remove(&task->alive);
    rota_deadlines_forsake(task);
    xfree(task->birth);
    xfree(task->rest);
    keep_or_free(task);
}

void rota_tasks_forsake(rota_loop_t *loop)
{
    rota_list_t *link;
    while ((link = rota_list_pop(&loop->tasks)))
        ROTA_LIST_ENTRY(link, rota_task_t, alive)->loop = NULL;
}

static size_t task_memsize(const void *data)
{
    const rota_task_t *task = data;
    return sizeof(*task) + (task->rest ? sizeof(*task->rest) : 0);
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
    return rota_typed_data(self, &rota_task_type);
}

rota_task_rest_t *rota_task_rest(rota_task_t *task)
{
    if (task->rest) return task->rest;
    rota_task_rest_t *rest = ZALLOC(rota_task_rest_t); /* a function that faults.c can replace */
    *rest = (rota_task_rest_t){.monitors = Qnil, .supervisors = Qnil, .brood = Qnil};
    rota_list_init(&rest->deadlines);
    return task->rest = rest;
}

/* Does it belong to those whom the parent's supervisors have, as a child of that scope? */
static bool is_bred(const rota_task_t *parent, const rota_task_t *child, uint64_t scope)
{
    uint64_t brood_scope = parent->rest ? parent->rest->brood_scope : 0;
    return !child->apart && scope <= brood_scope;
}

bool rota_task_in_brood(const rota_task_t *parent, const rota_task_t *child)
{
    return is_bred(parent, child, child->scope);
}

/* Not by rb_ary_delete, which calls whatever block is around when it finds nothing. */
static VALUE without(VALUE array, VALUE object)
{
    VALUE rest = rb_ary_new();
    for (long i = 0; i < RARRAY_LEN(array); i++)
        if (RARRAY_AREF(array, i) != object) rb_ary_push(rest, RARRAY_AREF(array, i));
    return rest;
}

static bool includes(VALUE supervisors, VALUE supervisor)
{
    if (NIL_P(supervisors)) return false;
    for (long i = 0; i < RARRAY_LEN(supervisors); i++)
        if (RARRAY_AREF(supervisors, i) == supervisor) return true;
    return false;
}

void rota_task_supervise(rota_task_t *task, VALUE supervisor)
{
    rota_task_rest_t *rest = rota_task_rest(task);
    if (includes(rest->supervisors, supervisor)) return;
    VALUE one = rb_ary_new_from_args(1, supervisor);
    rest->supervisors = NIL_P(rest->supervisors) ? one : rb_ary_plus(rest->supervisors, one);
}

void rota_task_release(rota_task_t *task, VALUE supervisor)
{
    if (NIL_P(rota_task_supervisors(task))) return;
    VALUE others = without(task->rest->supervisors, supervisor);
    task->rest->supervisors = RARRAY_LEN(others) ? others : Qnil;
}

static VALUE united(VALUE supervisors, VALUE others)
{
    if (NIL_P(supervisors)) return others;
    for (long i = 0; i < RARRAY_LEN(others); i++) {
        VALUE other = RARRAY_AREF(others, i);
        if (includes(supervisors, other)) continue;
        supervisors = rb_ary_plus(supervisors, rb_ary_new_from_args(1, other));
    }
    return supervisors;
}

/* Those of a child that add_child is about to add. All of it that may raise: nothing has changed
 * then. */
static VALUE supervisors_under(const rota_task_t *parent, rota_task_t *child)
{
    const rota_task_rest_t *rest = parent->rest;
    bool bred = rest && !NIL_P(rest->brood) && is_bred(parent, child, rota_task_scope_open(parent));
    return bred ? united(rota_task_rest(child)->supervisors, rest->brood)
                : rota_task_supervisors(child);
}

/* At the end, with the number of the parent's innermost scope: children of a scope are the last
 * ones, so whether it has any is told by the last of all. */
static void add_child(rota_task_t *parent, rota_task_t *child, VALUE supervisors)
{
    child->parent = parent;
    child->scope = rota_task_scope_open(parent);
    if (child->rest) child->rest->supervisors = supervisors;
    child->shielded_at = parent->shield;
    rota_list_push_back(&parent->children, &child->sibling);
}

static bool has_children(const rota_task_t *task, uint64_t scope)
{
    if (rota_list_empty(&task->children)) return false;
    return ROTA_LIST_ENTRY(task->children.prev, rota_task_t, sibling)->scope >= scope;
}

static bool has_scheduled(const rota_task_t *task)
{
    return task == task->loop->root && !rota_list_empty(&task->loop->scheduled);
}

static void child_has_left(rota_task_t *parent)
{
    const rota_children_wait_t *wait = parent->children_wait;
    if (!wait || has_children(parent, wait->scope)) return;
    if (wait->scheduled && has_scheduled(parent)) return;
    rota_park_wake(parent->loop, wait->park);
}

static rota_task_t *make_task(rota_loop_t *loop, rota_task_t *parent, VALUE tag, VALUE block)
{
    VALUE self = TypedData_Wrap_Struct(rota_cTask, &rota_task_type, NULL);
    reserve_birth(loop);
    rota_task_t *task = take_memory(loop);
    RTYPEDDATA_DATA(self) = task;

    rota_list_init(&task->children);
    rota_list_init(&task->sibling);
    rota_list_init(&task->alive);
    rota_waiters_init(&task->waiters);
    rota_list_init(&task->interrupts);
    rota_list_init(&task->held);
    task->self = self;
    task->loop = loop;
    task->parent = parent;
    task->tag = tag;
    task->block = block;
    task->argument = Qundef;
    task->storage = task->fiber = Qnil;
    task->home = parent ? parent->self : Qnil;
    VALUE supervisors = parent ? supervisors_under(parent, task) : Qnil;
    rota_list_push_back(&loop->tasks, &task->alive);
    loop->tasks_alive++;
    if (parent) add_child(parent, task, supervisors);
    return task;
}

static void require_room(rota_loop_t *loop)
{
    if (ROTA_LIKELY(loop->tasks_alive < loop->budget.room)) return;
    if (rota_budget_extend(&loop->budget)) return;
    rb_raise(rota_eResourceError,
             "%u tasks are alive on this thread, and with those of others that is all that the "
             "process has memory maps for; raise sysctl vm.max_map_count (two maps for each task) "
             "or limit the tasks",
             loop->tasks_alive);
}

rota_task_t *rota_task_spin(rota_loop_t *loop, rota_task_t *parent, VALUE tag, VALUE block)
{
    require_room(loop);
    if (loop->closing) rb_raise(rota_eError, "the loop is ending and takes no new tasks");
    VALUE storage = rota_storage_copy();
    rota_task_t *task = make_task(loop, parent, tag, block);
    task->storage = storage;
    take_birth(task);
    rota_list_push_back(&loop->ready, &task->birth->ready);
    loop->stats.spins++;
    return task;
}

rota_task_t *rota_task_schedule(rota_loop_t *loop, VALUE block)
{
    require_room(loop);
    if (loop->closing) rb_raise(rota_eError, "the loop is ending and takes no new tasks");
    rota_task_t *task = make_task(loop, NULL, Qnil, block);
    task->parent = loop->root;
    rota_list_push_back(&loop->scheduled, &task->sibling);
    take_birth(task);
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

/* Has the failure somewhere to go but the parent? Not to who stood in the line and declined, having
 * been given something else meanwhile. */
static bool somebody_is_told(const rota_task_t *task, uint32_t waiters_told)
{
    return task->awaited || !NIL_P(rota_task_supervisors(task)) || waiters_told;
}

static VALUE push_end(VALUE data)
{
    VALUE *both = (VALUE *)data;
    rota_task_t *task = rota_task_get(both[1]);
    return rb_funcall(both[0], rb_intern("push"), 1, rb_assoc_new(both[1], task->result));
}

/* A mailbox that was closed wants no more. Gives the state of a kill. */
static int tell(rota_task_t *task, VALUE monitor)
{
    VALUE both[] = {monitor, task->self}, unused, exception;
    return rota_error_catch(push_end, (VALUE)both, &unused, &exception);
}

static int tell_all(rota_task_t *task, VALUE monitors)
{
    int jump = 0;
    if (NIL_P(monitors)) return jump;
    for (long i = 0; i < RARRAY_LEN(monitors) && !jump; i++)
        jump = tell(task, RARRAY_AREF(monitors, i));
    RB_GC_GUARD(monitors);
    return jump;
}

static int tell_monitors(rota_task_t *task)
{
    if (!task->rest) return 0;
    int jump = tell_all(task, task->rest->supervisors);
    return jump ? jump : tell_all(task, task->rest->monitors);
}

static void leave_parent(rota_task_t *task, uint32_t waiters_told)
{
    rota_task_t *parent = task->parent;
    rota_list_remove(&task->sibling);
    task->parent = NULL;
    if (!parent) return;
    if (task->failed && !somebody_is_told(task, waiters_told))
        rota_interrupt_task(parent, task->result, task);
    child_has_left(parent);
}

static void release_held(rota_task_t *task)
{
    rota_list_t *link;
    while ((link = rota_list_pop(&task->held))) {
        rota_held_t *held = ROTA_LIST_ENTRY(link, rota_held_t, link);
        held->release(held);
    }
}

/* The one place where a task becomes dead. Everything that it still carried is dropped. Gives the
 * state of a kill that surfaced, after which no Ruby code may run until it is continued. */
static int bury(rota_task_t *task, bool failed, VALUE result)
{
    VALUE self = task->self; /* the loop lets go of it, perhaps the last who held it */
    assert(task->state != ROTA_TASK_DEAD && rota_list_empty(&task->children));
    task->failed = failed;
    task->result = result;
    task->fiber = Qnil;
    rota_deadlines_detach(task);
    rota_interrupts_drop(task);
    task->state = ROTA_TASK_DEAD;
    rota_list_remove(&task->alive);
    task->loop->tasks_alive--;
    rota_budget_trim(&task->loop->budget, task->loop->tasks_alive + task->loop->idle_count);
    release_held(task);
    leave_parent(task, rota_waiters_grant_all(&task->waiters, Qnil));
    int jump = tell_monitors(task);
    RB_GC_GUARD(self);
    return jump;
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

static bool is_ancestor(const rota_task_t *task, const rota_task_t *of)
{
    while (of && of != task) of = of->parent;
    return of == task;
}

/* `end`: what a task that runs already is told. Gives the state of a jump that surfaced. */
static int tell_to_end(rota_task_t *task, VALUE end)
{
    if (task->state == ROTA_TASK_UNBORN) return rota_task_end_unborn(task, Qnil);
    rota_interrupt_task(task, end, NULL);
    return 0;
}

/* A parent tells its children to end once: who comes later is told at once. */
void rota_task_join_ending(rota_task_t *task)
{
    if (!task->parent || !task->parent->ends_children || task->apart) return;
    int jump = tell_to_end(task, rota_error_bare(rota_eTerminate, Qnil));
    if (jump) rb_jump_tag(jump);
}

/* A parent that ends a scope has told nobody outside of it. */
static bool was_told(const rota_task_t *parent, const rota_task_t *child)
{
    return parent->ends_children && (!parent->rest || child->scope >= parent->rest->scope_ended);
}

/* A supervisor that leaves releases the children of its task; this one may be none any more. */
static void tell_supervisors_of_move(const rota_task_t *task)
{
    VALUE supervisors = rota_task_supervisors(task);
    if (NIL_P(supervisors)) return;
    for (long i = 0; i < RARRAY_LEN(supervisors); i++)
        rb_funcall(RARRAY_AREF(supervisors, i), rb_intern("note_moved"), 1, task->self);
    RB_GC_GUARD(supervisors);
}

void rota_task_attach(rota_task_t *task, rota_task_t *parent)
{
    if (parent->state == ROTA_TASK_DEAD) rb_raise(rota_eError, "a dead task has no children");
    if (task->loop != parent->loop) rb_raise(rota_eError, "the tasks belong to different threads");
    if (!task->parent) rb_raise(rota_eError, "the root task has no parent");
    if (is_ancestor(task, parent))
        rb_raise(rb_eArgError, "a task cannot be its own descendant's child");
    rota_task_t *former = task->parent;
    bool told = was_told(former, task);
    VALUE supervisors = supervisors_under(parent, task);
    rota_list_remove(&task->sibling);
    add_child(parent, task, supervisors);
    child_has_left(former);
    rota_loop_notify(task->loop);
    tell_supervisors_of_move(task);
    if (!told) rota_task_join_ending(task);
}

/* Who restarts what ends with it (a supervisor) was told to end, too, and hears that first. */
RBIMPL_ATTR_NORETURN()
static void refuse_revival(void)
{
    rota_switchpoint();
    rb_raise(rota_eError, "the root task is ending its children, and none can be restarted");
}

static bool takes_back(const rota_task_t *parent)
{
    return parent->state != ROTA_TASK_DEAD && !parent->ends_children;
}

void rota_task_revive(rota_task_t *task, VALUE argument)
{
    rota_loop_t *loop = task->loop;
    rota_task_t *parent = NIL_P(task->home) ? NULL : rota_task_get(task->home);
    if (!parent)
        rb_raise(rota_eError, "neither a root task nor one of Fiber.schedule can be restarted");
    if (!loop->engine || loop->closing) rb_raise(rota_eError, "the loop of the task has ended");
    if (!takes_back(parent)) parent = loop->root;
    if (!takes_back(parent)) refuse_revival();
    require_room(loop);
    reserve_birth(loop);
    VALUE supervisors = supervisors_under(parent, task);
    VALUE storage = rota_storage_copy(); /* of who restarts it: the spinner's went at its end */
    task->state = ROTA_TASK_UNBORN;
    task->failed = task->graceful = false;
    task->storage = storage;
    task->argument = argument;
    take_birth(task);
    rota_list_push_back(&loop->tasks, &task->alive);
    loop->tasks_alive++;
    add_child(parent, task, supervisors);
    rota_list_push_back(&loop->ready, &task->birth->ready);
    loop->stats.spins++;
    rota_loop_notify(loop);
}

/* What those are told that run already; Qnil: there are none. */
static VALUE end_for(rota_list_t *children, uint64_t scope)
{
    ROTA_LIST_EACH(children, link) {
        const rota_task_t *child = ROTA_LIST_ENTRY(link, rota_task_t, sibling);
        bool runs = child->scope >= scope && child->state != ROTA_TASK_UNBORN;
        if (runs) return rota_error_bare(rota_eTerminate, Qnil);
    }
    return Qnil;
}

/* A task's children, or a loop's scheduled tasks: those of the scope or inside it, in the order in
 * which they were spun. Who is told of an end may run Ruby, and others meanwhile, who end the next
 * ones, or take them elsewhere: so nobody's place in the list is remembered. Nothing is raised
 * while some of them are on a list of our own. */
static int terminate_all(rota_list_t *children, uint64_t scope)
{
    VALUE end = end_for(children, scope);
    int jump = 0;
    rota_list_t untold, *link;
    rota_list_init(&untold);
    rota_list_splice_back(&untold, children);
    while ((link = rota_list_pop(&untold))) {
        rota_task_t *child = ROTA_LIST_ENTRY(link, rota_task_t, sibling);
        rota_list_push_back(children, link);
        if (child->scope < scope) continue;
        int surfaced = tell_to_end(child, end);
        if (surfaced) jump = surfaced;
    }
    return jump;
}

static int terminate_children(rota_task_t *task, uint64_t scope)
{
    return terminate_all(&task->children, scope);
}

/* Others may have spun children of a task that never ran. They are told to end, and their
 * grandparent waits for them. */
static int leave_children(rota_task_t *task)
{
    rota_list_t *link;
    int jump = terminate_children(task, 0);
    while ((link = rota_list_pop(&task->children))) {
        rota_task_t *child = ROTA_LIST_ENTRY(link, rota_task_t, sibling);
        child->parent = task->parent;
        child->scope = task->scope;
        child->shielded_at = task->shielded_at;
        rota_list_push_back(&task->sibling, &child->sibling); /* in front of the task */
    }
    return jump;
}

int rota_task_end_unborn(rota_task_t *task, VALUE exception)
{
    VALUE value = Qnil;
    int jump = 0;
    bool failed = !NIL_P(exception) && is_failure(exception, &value);
    rota_list_remove(&task->birth->ready);
    drop_birth(task);
    if (!rota_list_empty(&task->children)) jump = leave_children(task);
    int surfaced = bury(task, failed, failed ? exception : value);
    return surfaced ? surfaced : jump;
}

/* Parks until the last child of the scope (`scheduled`: and the last scheduled task) has ended or,
 * unless shielded, until an interrupt comes. Gives the state of a jump that surfaced. A trap
 * handler may wait for children of its own inside. */
static int wait_for_tasks(rota_task_t *task, uint64_t scope, bool shielded, bool scheduled)
{
    rota_loop_t *loop = task->loop;
    rota_park_t park;
    rota_alarm_t alarm;
    rota_park_result_t result = ROTA_PARK_WOKEN;
    rota_children_wait_t wait = {&park, scope, scheduled};
    rota_children_wait_t *outer = task->children_wait;
    bool told = false;

    if (!has_children(task, scope) && !(scheduled && has_scheduled(task))) return 0;
    /* Without memory for it nothing is reported; a task's end must not fail. */
    rota_alarm_try(loop, &alarm, &park, shielded ? rota_now_ns() + GRACE_NS : UINT64_MAX);
    rota_park_begin(loop, &park, "its children", -1);
    park.shielded = shielded;
    task->children_wait = &wait;
    while ((has_children(task, scope) || (scheduled && has_scheduled(task))) &&
           result == ROTA_PARK_WOKEN) {
        result = rota_park_wait(loop, &park);
        if (alarm.rang && !told && result == ROTA_PARK_WOKEN) {
            park.jump = rota_deadlock_report_children(task);
            told = true;
            if (park.jump) break;
        }
    }
    task->children_wait = outer;
    rota_alarm_clear(loop, &alarm);
    rota_park_end(loop, &park);
    child_has_left(task); /* while the outer wait could not be told */
    return park.jump;
}

static int wait_for_children(rota_task_t *task, uint64_t scope, bool shielded)
{
    return wait_for_tasks(task, scope, shielded, false);
}

/* Tells them to end, and waits for them. They are told once, so none may be restarted as a child of
 * the task meanwhile. Gives the state of a jump that surfaced. */
static int end_children(rota_task_t *task, uint64_t scope, bool tell)
{
    bool outer = task->ends_children;
    if (!outer && task->rest) task->rest->scope_ended = scope;
    task->ends_children = true;
    int jump = tell ? terminate_children(task, scope) : 0;
    if (!jump) jump = wait_for_children(task, scope, true);
    task->ends_children = outer;
    if (!outer && task->rest) task->rest->scope_ended = 0;
    return jump;
}

static void await_children(rota_task_t *task, uint64_t scope)
{
    for (;;) {
        rota_interrupt_check(task->loop);
        if (!has_children(task, scope)) return;
        int jump = wait_for_children(task, scope, false);
        if (jump) rb_jump_tag(jump);
    }
}

void rota_task_run_out(rota_task_t *root, bool all)
{
    uint64_t scope = all ? 0 : UINT64_MAX;
    for (;;) {
        rota_interrupt_check(root->loop);
        if (!has_children(root, scope) && !has_scheduled(root)) return;
        int jump = wait_for_tasks(root, scope, false, true);
        if (jump) rb_jump_tag(jump);
    }
}

/* -- scopes -------------------------------------------------------------------------------------
 *
 * A scope is a part of a task: its block runs in the task itself, so that break, throw,
 * fiber-locals and deadlines mean what they mean without it. It has a number, larger than that of
 * the scopes it is nested in; the task's children carry the number of the one they were spun in. */

struct scope {
    rota_task_t *task;
    VALUE block;
    uint64_t number, outer;
};

static VALUE run_scope(VALUE data)
{
    struct scope *scope = (struct scope *)data;
    rota_task_t *task = scope->task;
    VALUE value = rb_proc_call_with_block(scope->block, 1, &task->self, Qnil);
    if (rota_loop_left_behind(task->loop)) return value;
    await_children(task, scope->number);
    return value;
}

/* Further failures are suppressed by the exception that leaves the scope; without one (it is left
 * by break, throw or kill) they stay the task's interrupts. */
static VALUE end_scope(VALUE data)
{
    struct scope *scope = (struct scope *)data;
    rota_task_t *task = scope->task;
    VALUE error = rb_errinfo();

    if (has_children(task, scope->number) && !rota_loop_left_behind(task->loop)) {
        int jump = end_children(task, scope->number, true);
        if (jump) rota_park_continue_jump(jump, end_scope, data);
    }
    task->rest->scope_open = scope->outer;
    if (!rota_error_is_exception(error)) return Qnil;
    VALUE failures = rota_interrupts_drop_failures(task, scope->number);
    if (!NIL_P(failures)) rota_error_suppress(error, failures);
    return Qnil;
}

VALUE rota_task_scope(rota_loop_t *loop, VALUE block)
{
    rota_task_t *task = loop->current;
    VALUE self = task->self;
    rota_task_rest_t *rest = rota_task_rest(task);
    struct scope scope = {task, block, ++loop->scopes, rest->scope_open};
    rest->scope_open = scope.number;
    VALUE value = rb_ensure(run_scope, (VALUE)&scope, end_scope, (VALUE)&scope);
    RB_GC_GUARD(self);
    RB_GC_GUARD(block);
    return value;
}

/* -- a task's block -----------------------------------------------------------------------------
 */

/* A task on its way to its end. */
struct ending {
    rota_task_t *task;
    VALUE value;
    bool failed;
    bool stopped;    /* the block was left by stop or terminate */
    bool terminated; /* the children were told */
    bool closing;    /* scheduled tasks are not waited for, but terminated */
    int jump;        /* a kill or throw that goes on in the fiber once the task has ended */
    bool jumping;    /* ... it is already on its way, and this is its rb_ensure */
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
    failures = without(failures, ending->value);
    if (RARRAY_LEN(failures)) rota_error_suppress(ending->value, failures);
    return Qnil;
}

static VALUE run_out(VALUE data)
{
    rota_task_run_out((rota_task_t *)data, true);
    return Qnil;
}

/* Runs a step of the task under rb_protect. An exception becomes the task's failure, any other jump
 * is noted. */
static void protect_step(struct ending *ending, VALUE (*step)(VALUE), VALUE arg)
{
    int state = 0;
    VALUE value = rb_protect(step, arg, &state);
    if (!state) {
        if (step != add_failures && step != run_out) ending->value = value;
        return;
    }
    VALUE error = rb_errinfo();
    if (rota_error_is_exception(error)) {
        rb_set_errinfo(Qnil);
        fail_with(ending, error);
        ending->stopped = !ending->failed;
    } else {
        ending->jump = state;
    }
}

/* An interrupt that came while the root waited for scheduled tasks. */
static void take_interrupt(struct ending *ending)
{
    struct ending taken = {.task = ending->task, .value = Qnil};
    protect_step(&taken, run_out, (VALUE)ending->task);
    ending->jump = taken.jump;
    if (!taken.failed || taken.value == ending->value) return;
    if (ending->failed) {
        rota_error_suppress(ending->value, rb_ary_new_from_args(1, taken.value));
    } else {
        fail_with(ending, taken.value);
    }
}

/* The root waits for the tasks of Fiber.schedule. An interrupt ends that: whoever is left is
 * terminated, and no new one is taken. Gives the state of a jump that surfaced. */
static int end_scheduled(struct ending *ending)
{
    rota_task_t *task = ending->task;
    bool told = false;
    while (has_scheduled(task)) {
        if (ending->closing && !told) {
            task->loop->closing = told = true;
            int jump = terminate_all(&task->loop->scheduled, 0);
            if (jump) return jump;
        }
        int jump = wait_for_tasks(task, 0, ending->closing, true);
        if (!jump && !ending->closing && rota_interrupts_waiting(task)) {
            ending->closing = true;
            take_interrupt(ending);
            jump = ending->jump;
        }
        if (jump) {
            ending->closing = true;
            return jump;
        }
    }
    return 0;
}

static int go_on(struct ending *ending, int jump);

/* Everything between the end of a task's block and its burial. Gives the state of a jump that is to
 * go on now; one that surfaces in the middle goes on only after the rest was done. */
static int end_task(struct ending *ending)
{
    rota_task_t *task = ending->task;
    int jump = 0;

    if (!rota_list_empty(&task->children)) {
        bool tell = !ending->terminated;
        ending->terminated = true;
        jump = end_children(task, 0, tell);
        if (jump) return go_on(ending, jump);
    }
    if (ROTA_UNLIKELY(has_scheduled(task))) {
        task->ends_children = true; /* those that scheduled tasks leave to it */
        jump = end_scheduled(ending);
        task->ends_children = false;
        if (jump) return go_on(ending, jump);
    }
    if (!rota_list_empty(&task->interrupts)) protect_step(ending, add_failures, (VALUE)ending);
    jump = bury(task, ending->failed, ending->value);
    task->loop->current = NULL;
    if (!jump) jump = ending->jump;
    return ending->jumping ? 0 : jump;
}

static VALUE end_meanwhile(VALUE data)
{
    int jump = end_task((struct ending *)data);
    if (jump) rb_jump_tag(jump);
    return Qnil;
}

static VALUE continue_jump(VALUE data)
{
    rota_park_continue_jump(((struct ending *)data)->jump, end_meanwhile, data);
}

/* The task ends under rb_ensure, so that nothing that it does meanwhile disturbs the jump. */
static int go_on(struct ending *ending, int jump)
{
    int state = 0;
    ending->jumping = true;
    ending->jump = jump;
    rb_protect(continue_jump, (VALUE)ending, &state);
    return state;
}

static VALUE call_block(VALUE data)
{
    rota_task_t *task = (rota_task_t *)data;
    rota_storage_install(task->storage);
    rota_interrupt_check(task->loop);
    int argc = task->argument == Qundef ? 0 : 1;
    return rb_proc_call_with_block(task->block, argc, &task->argument, Qnil);
}

static bool wants_restart(const struct ending *ending)
{
    return ending->failed && RTEST(rb_obj_is_kind_of(ending->value, rota_eRestart));
}

/* The end of a task is a switchpoint: one that was to be restarted at the next is. */
static bool takes_restart(struct ending *ending)
{
    if (ending->failed || ending->stopped) return false;
    VALUE restart = rota_interrupt_take_restart(ending->task);
    if (ROTA_LIKELY(!restart)) return false;
    ending->failed = true;
    ending->value = restart;
    return true;
}

/* It may come while the task waits for the end of its children, too. */
static bool goes_on_anew(struct ending *ending)
{
    rota_task_t *task = ending->task;
    if (wants_restart(ending) || ending->jump) return wants_restart(ending);
    if (takes_restart(ending)) return true;
    if (rota_list_empty(&task->children)) return false;
    ending->terminated = true;
    ending->jump = end_children(task, 0, true);
    return !ending->jump && takes_restart(ending);
}

/* The children of the run before end first; what is in the mailbox stays, and so does what was
 * raised in the task meanwhile (a termination by a parent that tells it once, failures of those
 * children): the new run begins with it. */
static void prepare_restart(struct ending *ending)
{
    rota_task_t *task = ending->task;
    task->argument = rb_attr_get(ending->value, rb_intern("@value"));
    ending->jump = end_children(task, 0, true);
}

#define TAG_RAISE 6 /* what rb_protect says of an exception */

/* A forked child ends where the task does in which it was forked: all that the block would return
 * into is the parent's. The exit status is what that of a script would be. */
RBIMPL_ATTR_NORETURN()
static void end_child(const struct ending *ending)
{
    if (ending->failed) rb_set_errinfo(ending->value);
    ruby_stop(ending->failed ? TAG_RAISE : ending->jump);
}

/* A kill, `exit` or a signal is no failure that scheduled tasks would outlive. */
static bool ends_the_process(const struct ending *ending)
{
    if (ending->jump) return true;
    return ending->failed && !RTEST(rb_obj_is_kind_of(ending->value, rb_eStandardError));
}

/* Gives the state of a jump that goes on in the fiber now that the task has ended. */
static int run_block(rota_task_t *task, struct ending *ending)
{
    for (;;) {
        *ending = (struct ending){.task = task, .value = Qnil};
        protect_step(ending, call_block, (VALUE)task);
        if (ROTA_UNLIKELY(rota_loop_left_behind(task->loop))) end_child(ending);
        if (task->waits && !ending->failed && !ending->stopped && !ending->jump) {
            protect_step(ending, run_out, (VALUE)task);
            if (ROTA_UNLIKELY(rota_loop_left_behind(task->loop))) end_child(ending);
            ending->closing = ending->failed || ending->jump;
        } else {
            ending->closing = ends_the_process(ending);
        }
        if (!goes_on_anew(ending)) break;
        prepare_restart(ending);
        if (ending->jump) break;
    }
    if (!ending->jump && ending->failed && task->parent)
        ending->jump = rota_error_add_place(ending->value, task->block);
    return ending->jump ? go_on(ending, ending->jump) : end_task(ending);
}

int rota_task_run(rota_loop_t *loop, rota_task_t *task)
{
    struct ending ending;
    loop->current = task;
    task->state = ROTA_TASK_ALIVE;
    task->fiber = rb_fiber_current();
    drop_birth(task);
    return run_block(task, &ending);
}

static VALUE run_scheduled(VALUE data)
{
    rota_task_t *task = (rota_task_t *)data;
    int jump = rota_task_run(task->loop, task);
    if (jump) rb_jump_tag(jump);
    return Qnil;
}

static VALUE leave_fiber(VALUE data)
{
    rota_loop_t *loop = ((rota_task_t *)data)->loop;
    if (!rota_loop_left_behind(loop)) rota_park_leave(loop);
    return Qnil;
}

void rota_task_run_scheduled(rota_task_t *task)
{
    VALUE self = task->self; /* until its loop was left */
    rb_ensure(run_scheduled, (VALUE)task, leave_fiber, (VALUE)task);
    RB_GC_GUARD(self);
}

VALUE rota_task_run_root(rota_task_t *task, VALUE block)
{
    struct ending ending;
    task->block = block;
    task->argument = task->self;
    int jump = run_block(task, &ending);
    if (jump) rb_jump_tag(jump);
    if (ending.failed) rb_exc_raise(ending.value);
    return ending.value;
}

void rota_task_close_root(rota_task_t *root, bool dying)
{
    struct ending ending = {.task = root, .value = Qnil, .closing = dying};
    if (!dying) {
        protect_step(&ending, run_out, (VALUE)root);
        ending.closing = ending.failed || ending.jump;
    }
    int jump = ending.jump ? go_on(&ending, ending.jump) : end_task(&ending);
    if (jump) rb_jump_tag(jump);
    if (ending.failed) rb_exc_raise(ending.value);
}

VALUE rota_task_finish_root(rota_task_t *task)
{
    struct ending ending = {.task = task, .value = Qnil};
    int jump = end_task(&ending);
    if (jump) rb_jump_tag(jump);
    return ending.failed ? ending.value : Qnil;
}

/* -- waiting for it -----------------------------------------------------------------------------
 */

/* In a forked child nobody would ever end it. */
static void refuse_parents(const rota_task_t *task)
{
    if (task->state == ROTA_TASK_DEAD || !task->loop) return;
    if (ROTA_LIKELY(!rota_loop_left_behind(task->loop))) return;
    rb_raise(rota_eError, "the task belongs to the process that forked this one");
}

bool rota_task_join(rota_loop_t *loop, rota_task_t *task, uint64_t deadline_ns)
{
    rota_waiting_t waiting = {.what = "a task", .detail = -1, .deadline_ns = deadline_ns};
    VALUE unused;

    if (loop && task == loop->current) rb_raise(rota_eError, "a task cannot await itself");
    loop = rota_switchpoint(); /* first: it may end during an interjection */
    refuse_parents(task);
    if (task->state == ROTA_TASK_DEAD) return true;
    return rota_waiters_wait_in(loop, &task->waiters, &waiting, &unused);
}

void rota_task_take_failure(rota_task_t *parent, const rota_task_t *child)
{
    rota_list_t *link = parent->interrupts.next;
    while (link != &parent->interrupts) {
        rota_interrupt_t *interrupt = ROTA_LIST_ENTRY(link, rota_interrupt_t, link);
        link = link->next;
        if (interrupt->source == child) rota_interrupt_discard(parent, interrupt);
    }
}

/* Waiting for many: what all their waiters share. */
struct tally {
    rota_park_t park;
    VALUE thread; /* a thread without a loop waits, and has no park */
    uint32_t left;
    bool failed; /* one of them has */
};

struct counted {
    rota_waiter_t waiter;
    struct tally *tally;
    rota_task_t *task;
};

static bool is_over(const struct tally *tally)
{
    return tally->left == 0 || tally->failed;
}

/* Wakes who waits only for the last one, or for a failure. */
static bool count_end(rota_waiter_t *waiter, VALUE unused)
{
    struct counted *counted = ROTA_CONTAINER_OF(waiter, struct counted, waiter);
    struct tally *tally = counted->tally;
    (void)unused;
    tally->left--;
    tally->failed |= counted->task->failed;
    waiter->thread = is_over(tally) ? tally->thread : Qfalse;
    waiter->park = is_over(tally) ? &tally->park : NULL;
    return true;
}

struct joining {
    rota_loop_t *loop; /* NULL: a thread without one */
    VALUE tasks;
    struct counted *counted;
    struct tally tally;
};

static void join_lines(struct joining *joining)
{
    struct tally *tally = &joining->tally;
    for (long i = 0; i < RARRAY_LEN(joining->tasks); i++) {
        struct counted *counted = &joining->counted[i];
        rota_list_init(&counted->waiter.link);
        counted->waiter.offer = count_end;
        counted->tally = tally;
        counted->task = RTYPEDDATA_DATA(RARRAY_AREF(joining->tasks, i));
        if (counted->task->state == ROTA_TASK_DEAD) {
            tally->failed |= counted->task->failed;
            continue;
        }
        tally->left++;
        rota_waiters_join(&counted->task->waiters, &counted->waiter);
    }
}

static void leave_lines(struct joining *joining)
{
    for (long i = 0; i < RARRAY_LEN(joining->tasks); i++)
        rota_list_remove(&joining->counted[i].waiter.link);
}

static VALUE join_all(VALUE data)
{
    struct joining *joining = (struct joining *)data;
    rota_loop_t *loop = joining->loop;
    struct tally *tally = &joining->tally;
    rota_park_result_t result = ROTA_PARK_WOKEN;

    rota_park_begin(loop, &tally->park, "tasks", -1);
    join_lines(joining);
    while (!is_over(tally) && result == ROTA_PARK_WOKEN)
        result = rota_park_wait(loop, &tally->park);
    leave_lines(joining);
    rota_park_end(loop, &tally->park);
    if (tally->park.jump) rb_jump_tag(tally->park.jump);
    if (!is_over(tally)) rota_interrupt_raise(loop);
    return Qnil;
}

static VALUE free_counted(VALUE data)
{
    xfree(((struct joining *)data)->counted);
    return Qnil;
}

static VALUE join_all_natively(VALUE data)
{
    struct joining *joining = (struct joining *)data;
    joining->tally.thread = rb_thread_current();
    join_lines(joining);
    while (!is_over(&joining->tally)) rb_thread_sleep_forever();
    return Qnil;
}

static VALUE leave_natively(VALUE data)
{
    leave_lines((struct joining *)data);
    return free_counted(data);
}

void rota_tasks_join(rota_loop_t *loop, VALUE tasks)
{
    struct joining joining = {.loop = loop, .tasks = tasks};
    for (long i = 0; i < RARRAY_LEN(tasks); i++)
        refuse_parents(rota_task_get(RARRAY_AREF(tasks, i)));
    for (long i = 0; loop && i < RARRAY_LEN(tasks); i++)
        if (rota_task_get(RARRAY_AREF(tasks, i)) == loop->current)
            rb_raise(rota_eError, "a task cannot await itself");
    if (loop) rota_interrupt_check(loop);
    joining.counted = ZALLOC_N(struct counted, RARRAY_LEN(tasks) + 1);
    if (loop)
        rb_ensure(join_all, (VALUE)&joining, free_counted, (VALUE)&joining);
    else
        rb_ensure(join_all_natively, (VALUE)&joining, leave_natively, (VALUE)&joining);
    RB_GC_GUARD(tasks);
}

VALUE rota_task_result(const rota_task_t *task)
{
    if (task->failed) rb_exc_raise(task->result);
    return task->result;
}

void rota_task_interrupt(rota_task_t *task, VALUE exception)
{
    int jump = 0;
    if (task->state == ROTA_TASK_UNBORN)
        jump = rota_task_end_unborn(task, exception);
    else
        rota_interrupt_task(task, exception, NULL);
    if (jump) rb_jump_tag(jump);
}

static bool take_end(VALUE object, VALUE *value)
{
    rota_task_t *task = rota_task_get(object);
    const rota_loop_t *loop = rota_loop_current();
    if (task->state != ROTA_TASK_DEAD) return false;
    if (loop && loop->current) rota_task_take_failure(loop->current, task); /* a shield held it */
    *value = rota_task_result(task);
    return true;
}

static rota_waiters_t *line_for_end(VALUE object)
{
    return &rota_task_get(object)->waiters;
}

static VALUE end_result(VALUE object, VALUE unused)
{
    (void)unused;
    return rota_task_result(rota_task_get(object));
}

static const rota_selectable_t selectable = {
    .type = &rota_task_type,
    .try_take = take_end,
    .line = line_for_end,
    .unwrap = end_result,
};

void rota_init_task(VALUE module)
{
    rota_select_register(&selectable);
    id_new = rb_intern("new");
    rota_cTask = rb_define_class_under(module, "Task", rb_cObject);
    rb_undef_alloc_func(rota_cTask);
}
