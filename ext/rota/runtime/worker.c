#include "runtime/worker.h"

#include "runtime/error.h"
#include "runtime/fiber.h"
#include "runtime/interrupt.h"
#include "runtime/storage.h"
#include "runtime/task.h"

#include <stdatomic.h>

#ifdef ROTA_HOSTILE
#define IDLE_MAX   2
#define SPARE_FROM 2
#else
#define IDLE_MAX   512
/* With so many tasks there is always an idle worker, see keep_spare. */
#define SPARE_FROM 8
#endif
/* So many fibers that nobody uses any more hold so many stacks: time to ask for a minor collection.
 */
#define LEFT_PER_GC 4000

static VALUE no_storage;

/* Since the last time. One count for all loops, because the memory maps are the process's. */
static _Atomic uint32_t left_since_gc;

/* A worker whose fiber was not entered yet, and the record to enter it by. */
typedef struct newborn {
    rota_worker_t worker;
    rota_park_t park;
} newborn_t;

static void leave(rota_worker_t *worker)
{
    rota_list_remove(&worker->all);
    rota_list_remove(&worker->idle);
}

static void discard(newborn_t *newborn)
{
    rota_list_remove(&newborn->worker.all);
    xfree(newborn);
}

static VALUE collect_young(VALUE unused)
{
    VALUE options = rb_hash_new();
    rb_hash_aset(options, ID2SYM(rb_intern("full_mark")), Qfalse);
    rb_funcallv_kw(rb_mGC, rb_intern("start"), 1, &options, RB_PASS_KEYWORDS);
    return unused;
}

/* A handler or a finalizer may run in here: gives the state of a kill, or *exception. */
static int count_left(uint32_t fibers, VALUE *exception)
{
    VALUE unused;
    *exception = Qfalse;
    if (atomic_fetch_add(&left_since_gc, fibers) + fibers < LEFT_PER_GC) return 0;
    atomic_store(&left_since_gc, 0);
    return rota_error_catch(collect_young, Qnil, &unused, exception);
}

int rota_workers_note_stack(rota_loop_t *loop)
{
    VALUE exception;
    int jump = count_left(1, &exception);
    if (exception) rota_interrupt_root(loop, exception);
    return jump;
}

void rota_workers_leave(const rota_loop_t *loop)
{
    uint32_t fibers = 0;
    VALUE exception;
    ROTA_LIST_EACH(&loop->workers, link) fibers++;
    int jump = count_left(fibers, &exception);
    if (jump) rb_jump_tag(jump);
    if (exception) rb_exc_raise(exception); /* no task is left that could */
}

/* The last switch of this fiber. Whatever comes back here by a stray transfer is sent away again:
 * the record is never woken. Returns for a kill, which goes on, or when the loop was closed. (Not
 * inlined, as below: the record is not to be on the stack of each worker.) */
ROTA_APART static int retire(rota_worker_t *worker)
{
    rota_loop_t *loop = worker->loop;
    rota_park_t park;

    loop->stats.retired++;
    rota_loop_stand_in(loop);
    int jump = rota_workers_note_stack(loop);
    leave(worker);
    loop->current = NULL;
    if (jump) return jump;
    rota_park_begin(loop, &park, "retired", -1);
    while (loop->engine && !park.jump) rota_park_wait(loop, &park);
    rota_park_end(loop, &park);
    return park.jump;
}

static bool reusable(rota_worker_t *worker)
{
    return rb_ivar_count(worker->fiber) == 0 && worker->loop->idle_count < IDLE_MAX;
}

/* What it was given is somebody else's to run. */
static void give_back(rota_worker_t *worker)
{
    rota_task_t *task = worker->task;
    if (!task) return;
    worker->task = NULL;
    task->state = ROTA_TASK_UNBORN;
    task->fiber = Qnil;
    rota_list_push_front(&worker->loop->ready, &task->birth->ready);
}

/* Waits for the next task: one that was never entered, taken at once if it is first in line, or
 * one that a dispatcher assigns. There is none after a kill, whose state is returned, and after the
 * loop was closed. (Not inlined: the record is not to stay on the stack beside a task.) */
ROTA_APART static int wait_for_task(rota_worker_t *worker)
{
    rota_loop_t *loop = worker->loop;
    rota_park_t park;
    worker->task = NULL;
    loop->current = NULL;
    rota_park_begin(loop, &park, "a task", -1);
    park.worker = worker;
    worker->park = &park;
    while (!worker->task && !park.jump && loop->engine) rota_park_wait(loop, &park);
    if (park.jump) give_back(worker);
    rota_park_end(loop, &park);
    worker->park = NULL;
    return park.jump;
}

/* Nothing of a task is left to the next. */
static int make_clean(rota_worker_t *worker)
{
    rota_loop_t *loop = worker->loop;
    VALUE exception;
    rota_loop_stand_in(loop);
    int jump = rota_storage_clear(loop->thread, &exception);
    if (exception) rota_interrupt_task(loop->root, exception, NULL);
    loop->current = NULL;
    return jump;
}

static newborn_t *to_newborn(rota_list_t *link)
{
    return ROTA_CONTAINER_OF(link, newborn_t, worker.all);
}

struct making {
    rota_loop_t *loop;
    newborn_t *newborn;
};

/* The maker's storage is nothing for it to inherit. */
static VALUE make_fiber(VALUE data)
{
    struct making *making = (struct making *)data;
    VALUE body = making->loop->worker_body;
    making->newborn = ZALLOC(newborn_t);
    return rota_fiber_make(NIL_P(rota_storage_copy()) ? Qnil : no_storage, body);
}

/* Raises nothing, for it is called where a task waits. NULL: the task failed with *exception, or
 * *jump is the state of a kill. */
static newborn_t *make_worker(rota_loop_t *loop, VALUE *exception, int *jump)
{
    struct making making = {.loop = loop};
    VALUE fiber;
    *jump = rota_error_catch(make_fiber, (VALUE)&making, &fiber, exception);
    newborn_t *newborn = making.newborn;
    if (*jump || *exception) {
        xfree(newborn);
        return NULL;
    }
    rota_worker_t *worker = &newborn->worker;
    worker->loop = loop;
    rota_list_init(&worker->idle);
    rota_list_init(&worker->all);
    rota_list_init(&newborn->park.ready);
    newborn->park.worker = worker;
    worker->park = &newborn->park;
    worker->fiber = newborn->park.fiber = fiber;
    rota_list_push_back(&loop->newborn_workers, &worker->all);
    loop->stats.workers_made++;
    return newborn;
}

/* By its fiber: the memory of one that has begun may be another's by now. */
static newborn_t *unstarted(const rota_loop_t *loop, VALUE fiber)
{
    ROTA_LIST_EACH(&loop->newborn_workers, link)
        if (to_newborn(link)->worker.fiber == fiber) return to_newborn(link);
    return NULL;
}

/* The spare could not begin: whoever needs one will try again, and fail with it. */
static int give_up(const rota_loop_t *loop, VALUE fiber, int state)
{
    newborn_t *spare = unstarted(loop, fiber);
    if (!spare) return state;
    discard(spare);
    if (!rota_error_is_exception(rb_errinfo())) return state;
    rb_set_errinfo(Qnil);
    return 0;
}

/* A worker that begins a task while no other is idle makes one, and enters it once. Making a fiber
 * and its stack is deep in Ruby, and who dispatches a task that has no worker yet is a task that
 * waits, deep in its own stack: there it would touch one more page, of each idle connection. Gives
 * the state of a kill. (Not inlined: what it needs is not to stay on the stack of each worker.) */
ROTA_APART static int keep_spare(rota_worker_t *worker)
{
    rota_loop_t *loop = worker->loop;
    rota_park_t park;
    VALUE exception;
    int state;

    if (loop->tasks_alive < SPARE_FROM || !rota_list_empty(&loop->idle_workers)) return 0;
    loop->current = worker->task;
    newborn_t *spare = make_worker(loop, &exception, &state);
    if (!spare) return state;
    VALUE fiber = spare->worker.fiber;
    rota_park_begin(loop, &park, "its turn", -1);
    park.shielded = true;
    rota_park_wake_first(loop, &park);
    state = rota_park_start(loop, &park, &spare->park);
    rota_park_end(loop, &park);
    if (ROTA_UNLIKELY(state)) state = give_up(loop, fiber, state);
    RB_GC_GUARD(fiber); /* nor may another fiber have its name */
    return state;
}

/* Runs one task after another. Gives the state of a kill or throw, which goes on into the thread's
 * first fiber; 0 after the end of the loop, by a stray transfer. */
static int run_tasks(rota_worker_t *worker)
{
    int jump = worker->task ? 0 : wait_for_task(worker);
    while (worker->task && !jump) {
        if ((jump = keep_spare(worker))) give_back(worker);
        if (!jump) jump = rota_task_run(worker->loop, worker->task);
        if (!jump) jump = make_clean(worker);
        if (jump) break;
        if (!reusable(worker)) return retire(worker);
        jump = wait_for_task(worker);
    }
    leave(worker);
    return jump;
}

/* The one whose fiber runs for the first time moves to that fiber's stack. False: there is none. */
static bool begin(rota_loop_t *loop, VALUE fiber, rota_worker_t *worker)
{
    for (rota_list_t *link = loop->newborn_workers.prev; link != &loop->newborn_workers;
         link = link->prev) {
        newborn_t *newborn = to_newborn(link);
        if (newborn->worker.fiber != fiber) continue;
        *worker = (rota_worker_t){.loop = loop, .fiber = fiber, .task = newborn->worker.task};
        rota_list_init(&worker->all);
        rota_list_init(&worker->idle);
        rota_list_push_back(&loop->workers, &worker->all);
        discard(newborn);
        return true;
    }
    return false;
}

/* No rb_ensure: nothing in here raises, and every idle connection has this frame on its stack. */
static VALUE worker_main(RB_BLOCK_CALL_FUNC_ARGLIST(yielded, data))
{
    rota_loop_t *loop = (rota_loop_t *)data;
    VALUE self = loop->self; /* lives as long as this stack, which names its memory */
    rota_worker_t worker;
    (void)yielded;
    /* Nobody's, if it is none: called by who found the Proc. */
    if (!begin(loop, rb_fiber_current(), &worker)) return Qnil;
    int jump = run_tasks(&worker);
    if (loop->engine && !rota_loop_left_behind(loop)) rota_park_leave(loop);
    RB_GC_GUARD(self);
    if (jump) rb_jump_tag(jump);
    return Qnil;
}

void rota_workers_open(rota_loop_t *loop)
{
    loop->worker_body = rb_proc_new(worker_main, (VALUE)loop);
}

static int fail(rota_task_t *task)
{
    VALUE error = rb_errinfo();
    rb_set_errinfo(Qnil);
    return rota_task_end_unborn(task, error);
}

void rota_worker_rest(rota_worker_t *worker)
{
    rota_list_push_front(&worker->loop->idle_workers, &worker->idle);
    worker->loop->idle_count++;
}

void rota_worker_rouse(rota_worker_t *worker)
{
    if (!rota_list_linked(&worker->idle)) return;
    rota_list_remove(&worker->idle);
    worker->loop->idle_count--;
}

void rota_worker_take(rota_worker_t *worker, rota_task_t *task)
{
    worker->task = task;
    worker->park->woken = true;
    task->state = ROTA_TASK_ALIVE;
    task->fiber = worker->fiber;
}

/* To make a fiber may run Ruby (somebody's Fiber#initialize, a handler), and other threads with it:
 * the task may have been ended meanwhile, and even be back on the run queue. */
static bool still_to_begin(const rota_task_t *task)
{
    return task->state == ROTA_TASK_UNBORN && !rota_list_linked(&task->birth->ready);
}

rota_park_t *rota_worker_assign(rota_loop_t *loop, rota_task_t *task, int *jump)
{
    rota_list_t *link = rota_list_pop(&loop->idle_workers);
    rota_worker_t *worker;
    if (link) {
        worker = ROTA_LIST_ENTRY(link, rota_worker_t, idle);
        loop->idle_count--;
        rota_list_remove(&worker->park->ready);
    } else {
        VALUE exception;
        VALUE self = task->self;
        newborn_t *newborn = make_worker(loop, &exception, jump);
        if (!still_to_begin(task)) {
            if (newborn) discard(newborn);
            return NULL;
        }
        RB_GC_GUARD(self);
        if (*jump) rota_list_push_front(&loop->ready, &task->birth->ready);
        if (!newborn && !*jump) *jump = rota_task_end_unborn(task, exception);
        if (!newborn) return NULL;
        worker = &newborn->worker;
    }
    rota_worker_take(worker, task);
    return worker->park;
}

ROTA_APART bool rota_worker_stillborn(rota_loop_t *loop, rota_task_t *task, int state, int *jump)
{
    if (!state) return false;
    ROTA_LIST_EACH(&loop->newborn_workers, link) {
        if (to_newborn(link)->worker.task != task) continue;
        discard(to_newborn(link));
        *jump = fail(task);
        return true;
    }
    return false;
}

static void mark(const rota_list_t *workers)
{
    ROTA_LIST_EACH(workers, link) rb_gc_mark(ROTA_LIST_ENTRY(link, rota_worker_t, all)->fiber);
}

void rota_workers_mark(rota_loop_t *loop)
{
    mark(&loop->workers);
    mark(&loop->newborn_workers);
}

/* The others lie on stacks that may be gone by now: they are not touched. */
void rota_workers_free(rota_loop_t *loop)
{
    rota_list_t *link;
    while ((link = rota_list_pop(&loop->newborn_workers))) xfree(to_newborn(link));
}

void rota_init_worker(void)
{
    no_storage = rb_hash_new();
    rb_gc_register_mark_object(no_storage);
    rb_hash_aset(no_storage, ID2SYM(rb_intern("storage")), Qnil);
    rb_obj_freeze(no_storage);
}
