#include "runtime/worker.h"

#include "runtime/error.h"
#include "runtime/storage.h"
#include "runtime/task.h"

#ifdef ROTA_HOSTILE
#define IDLE_MAX 1
#else
#define IDLE_MAX 512
#endif
/* So many retired fibers hold so many stacks: time to ask for a minor collection. */
#define RETIRED_PER_GC 4000

static void discard(rota_worker_t *worker)
{
    rota_list_remove(&worker->all);
    rota_list_remove(&worker->idle);
    xfree(worker);
}

static VALUE collect_young(VALUE unused)
{
    VALUE options = rb_hash_new();
    rb_hash_aset(options, ID2SYM(rb_intern("full_mark")), Qfalse);
    rb_funcallv_kw(rb_mGC, rb_intern("start"), 1, &options, RB_PASS_KEYWORDS);
    return unused;
}

/* The last switch of this fiber. Whatever comes back here by a stray transfer is sent away again:
 * the record is never woken. */
static void retire(rota_worker_t *worker)
{
    rota_loop_t *loop = worker->loop;
    rota_park_t park;

    loop->stats.retired++;
    if (++loop->retired_since_gc >= RETIRED_PER_GC) {
        int state = 0;
        loop->retired_since_gc = 0;
        rb_protect(collect_young, Qnil, &state);
        if (state) rb_set_errinfo(Qnil);
    }
    discard(worker);
    loop->current = NULL;
    rota_park_begin(loop, &park, "retired", -1);
    for (;;) rota_park_wait(loop, &park);
}

static bool reusable(rota_worker_t *worker)
{
    return rb_ivar_count(worker->fiber) == 0 && worker->loop->idle_count < IDLE_MAX;
}

/* Waits for the next task: one that was never entered, taken at once if it is first in line, or
 * one that a dispatcher assigns. */
static void wait_for_task(rota_worker_t *worker)
{
    rota_loop_t *loop = worker->loop;
    worker->task = NULL;
    loop->current = NULL;
    rota_list_push_front(&loop->idle_workers, &worker->idle);
    loop->idle_count++;
    rota_park_begin(loop, &worker->park, "a task", -1);
    worker->park.worker = worker;
    while (!worker->task) rota_park_wait(loop, &worker->park);
    if (rota_list_linked(&worker->idle)) {
        rota_list_remove(&worker->idle);
        loop->idle_count--;
    }
    rota_park_end(loop, &worker->park);
}

static VALUE run_tasks(VALUE data)
{
    rota_worker_t *worker = (rota_worker_t *)data;
    worker->started = true;
    for (;;) {
        rota_task_run(worker->loop, worker->task);
        rota_storage_clear(worker->loop->thread);
        if (!reusable(worker)) retire(worker);
        wait_for_task(worker);
    }
    return Qnil;
}

static VALUE end_worker(VALUE data)
{
    discard((rota_worker_t *)data);
    return Qnil;
}

/* Only a kill or throw ends the loop above; it goes on into the thread's first fiber. */
static VALUE worker_main(RB_BLOCK_CALL_FUNC_ARGLIST(yielded, data))
{
    (void)yielded;
    return rb_ensure(run_tasks, data, end_worker, data);
}

/* rb_fiber_new makes blocking fibers on Ruby 3.1 and 3.2. */
static VALUE make_fiber(VALUE data)
{
    VALUE options = rb_hash_new();
    rb_hash_aset(options, ID2SYM(rb_intern("blocking")), Qfalse);
#ifdef ROTA_HAVE_FIBER_STORAGE
    rb_hash_aset(options, ID2SYM(rb_intern("storage")), Qnil);
#endif
    VALUE body = rb_proc_new(worker_main, data);
    VALUE fiber_class = rb_path2class("Fiber");
    return rb_funcall_with_block_kw(fiber_class, rb_intern("new"), 1, &options, body,
                                    RB_PASS_KEYWORDS);
}

static rota_worker_t *make_worker(rota_loop_t *loop, int *state)
{
    rota_worker_t *worker = ZALLOC(rota_worker_t);
    worker->loop = loop;
    rota_list_init(&worker->idle);
    rota_list_init(&worker->park.ready);
    rota_list_init(&worker->all);
    worker->park.worker = worker;
    VALUE fiber = rb_protect(make_fiber, (VALUE)worker, state);
    if (*state) {
        xfree(worker);
        return NULL;
    }
    worker->fiber = worker->park.fiber = fiber;
    rota_list_push_back(&loop->workers, &worker->all);
    loop->stats.workers_made++;
    return worker;
}

static void fail(rota_task_t *task)
{
    VALUE error = rb_errinfo();
    rb_set_errinfo(Qnil);
    rota_task_end_unborn(task, error);
}

rota_park_t *rota_worker_assign(rota_loop_t *loop, rota_task_t *task)
{
    rota_list_t *link = rota_list_pop(&loop->idle_workers);
    rota_worker_t *worker;
    if (link) {
        worker = ROTA_LIST_ENTRY(link, rota_worker_t, idle);
        loop->idle_count--;
        rota_list_remove(&worker->park.ready);
    } else {
        int state = 0;
        worker = make_worker(loop, &state);
        if (!worker) {
            fail(task);
            return NULL;
        }
    }
    worker->task = task;
    worker->park.woken = true;
    return &worker->park;
}

bool rota_worker_stillborn(rota_loop_t *loop, rota_task_t *task, int state)
{
    ROTA_LIST_EACH(&loop->workers, link) {
        rota_worker_t *worker = ROTA_LIST_ENTRY(link, rota_worker_t, all);
        if (worker->task != task) continue;
        if (worker->started || !state) return false;
        discard(worker);
        fail(task);
        return true;
    }
    return false;
}

void rota_worker_mark(rota_worker_t *worker)
{
    rb_gc_mark(worker->fiber);
}

void rota_workers_free(rota_loop_t *loop)
{
    rota_list_t *link;
    while ((link = rota_list_pop(&loop->workers))) {
        rota_worker_t *worker = ROTA_LIST_ENTRY(link, rota_worker_t, all);
        rota_list_remove(&worker->idle);
        xfree(worker);
    }
    loop->idle_count = 0;
}
