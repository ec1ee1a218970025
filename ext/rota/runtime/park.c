#include "runtime/park.h"

#include "runtime/error.h"
#include "runtime/interrupt.h"
#include "runtime/loop.h"
#include "runtime/task.h"
#include "runtime/turn.h"
#include "runtime/worker.h"

#define PARKED (-1) /* beside rota_park_result_t */

static bool innermost(const rota_park_t *park)
{
    return !park->task || park->task->park == park;
}

static void cover_outer(rota_task_t *task, rota_park_t *park)
{
    park->outer = task->park;
    /* A woken outer record leaves the run queue: entering its fiber now would enter this wait. */
    if (park->outer) rota_list_remove(&park->outer->ready);
    task->park = park;
}

void rota_park_begin(rota_loop_t *loop, rota_park_t *park, const char *what, int detail)
{
    rota_task_t *task = loop->current;
    *park =
        (rota_park_t){.task = task, .fiber = Qfalse, .what = what, .detail = detail, .value = Qnil};
    rota_list_init(&park->ready);
    if (!task) return;
    park->since_ns = rota_now_coarse_ns();
    cover_outer(task, park);
}

void rota_park_begin_ready(rota_loop_t *loop, rota_park_t *park, const char *what)
{
    *park = (rota_park_t){.task = loop->current,
                          .fiber = Qfalse,
                          .what = what,
                          .detail = -1,
                          .value = Qnil,
                          .woken = true,
                          .since_ns = loop->polled_at_ns};
    rota_list_init(&park->ready);
    cover_outer(loop->current, park);
    rota_list_push_back(&loop->ready, &park->ready);
}

static void push_ready(rota_loop_t *loop, rota_park_t *park)
{
    if (!rota_list_linked(&park->ready)) rota_list_push_back(&loop->ready, &park->ready);
}

void rota_park_end(rota_loop_t *loop, rota_park_t *park)
{
    rota_list_remove(&park->ready);
    if (!park->task) return;
    assert(park->task->park == park);
    park->task->park = park->outer;
    if (park->outer && park->outer->woken && !park->outer->dispatched)
        push_ready(loop, park->outer);
}

void rota_park_wake(rota_loop_t *loop, rota_park_t *park)
{
    if (park->woken) return;
    park->woken = true;
    if (innermost(park)) push_ready(loop, park);
}

void rota_park_interrupt(rota_loop_t *loop, rota_park_t *park)
{
    if (!park->shielded && innermost(park)) push_ready(loop, park);
}

void rota_park_wake_first(rota_loop_t *loop, rota_park_t *park)
{
    if (park->woken) return;
    park->woken = true;
    if (innermost(park)) rota_list_push_front(&loop->ready, &park->ready);
}

static VALUE transfer(VALUE fiber)
{
    return rb_fiber_transfer(fiber, 0, NULL);
}

/* Enters the fiber of `next`. Returns when somebody enters ours: with 0, or with the state of a
 * jump that surfaced on the way in. */
static int enter(rota_loop_t *loop, rota_park_t *next)
{
    VALUE fiber = next->fiber;
    int state = 0;

    loop->stats.switches++;
    /* A trap handler may run inside the switch: to a worker that is the task's that it begins. */
    loop->current = next->worker ? next->worker->task : next->task;
    loop->current_fiber = fiber;
    next->dispatched = true;
    if (ROTA_UNLIKELY(next->visitor)) rota_reserve_give(&loop->visitors, next);
    rb_protect(transfer, fiber, &state);
    return state;
}

/* A fiber entered ours without being asked: a fiber that ended came back here (current is NULL), or
 * user code transferred to it. The visitor is continued at once; its transfer returns nil. */
ROTA_APART static void requeue_visitor(rota_loop_t *loop, const rota_park_t *me)
{
    if (!loop->current || loop->current_fiber == me->fiber) return;
    loop->stats.visits++;
    rota_park_t *visitor = rota_reserve_take(&loop->visitors);
    if (ROTA_UNLIKELY(!visitor)) return; /* never: as many wait to be continued already */
    rota_list_init(&visitor->ready);
    visitor->fiber = loop->current_fiber;
    visitor->task = loop->current;
    visitor->woken = visitor->visitor = true;
    rota_list_push_front(&loop->ready, &visitor->ready);
}

void rota_park_leave(rota_loop_t *loop)
{
    loop->current = NULL;
    if (loop->root->park) return;
    ROTA_LIST_EACH(&loop->ready, link) {
        rota_park_t *park = ROTA_LIST_ENTRY(link, rota_park_t, ready);
        if (!park->visitor || park->task != loop->root) continue;
        rota_list_remove(&park->ready);
        loop->current = park->task;
        loop->current_fiber = park->fiber;
        rota_reserve_give(&loop->visitors, park);
        return;
    }
}

/* A jump surfaced on our fiber. Exceptions become interrupts, by value; a kill or throw can only go
 * on here, so it is kept for whoever parked. */
ROTA_APART static void take_jump(rota_park_t *me, rota_task_t *aimed_at, int state)
{
    VALUE error = rb_errinfo();
    if (!rota_error_is_exception(error)) {
        me->jump = state;
        return;
    }
    rb_set_errinfo(Qnil);
    if (aimed_at->parent)
        rota_interrupt_task(aimed_at, error, NULL);
    else
        rota_interrupt_root(aimed_at->loop, error);
}

static void resumed(rota_loop_t *loop, rota_park_t *me)
{
    loop->current = me->task;
    loop->current_fiber = me->fiber;
}

static VALUE check_interrupts(VALUE unused)
{
    rb_thread_check_ints();
    return unused;
}

/* A child that was forked in code that ran inside a wait ends with that code: the wait is one of
 * its parent's, and nobody in the child could end it but by entering tasks that are the parent's,
 * too.
 */
static void end_child(const rota_loop_t *loop, int state)
{
    if (ROTA_UNLIKELY(rota_loop_left_behind(loop))) ruby_stop(state);
}

/* Only here may what others raise in this thread surface; trap handlers run inside. */
ROTA_APART void rota_park_look(rota_loop_t *loop, rota_park_t *me)
{
    int state = 0;
    me->looks = false;
    me->dispatched = true; /* a handler may park in here */
    rota_loop_stand_in(loop);
    loop->looking = true;
    rb_protect(check_interrupts, Qnil, &state);
    end_child(loop, state);
    loop->looking = false;
    resumed(loop, me);
    if (state) take_jump(me, loop->root, state);
}

/* What the task has to take inside this wait. */
static rota_interrupt_t *interrupt_of(const rota_park_t *me)
{
    if (!me->task || me->shielded || rota_task_undisturbed(me->task)) return NULL;
    return rota_interrupt_first(me->task, me->fiber);
}

/* ... one to be raised, which ends the wait. */
static bool may_interrupt(const rota_park_t *me)
{
    const rota_interrupt_t *interrupt = interrupt_of(me);
    return interrupt && !interrupt->call;
}

bool rota_park_is_over(const rota_park_t *park)
{
    return park->woken || park->jump || interrupt_of(park);
}

static void leave_to(rota_loop_t *loop, rota_park_t *me, rota_park_t *next)
{
    rota_task_t *unborn = next->worker ? next->worker->task : NULL;
    me->dispatched = false;
    if (me->worker) rota_worker_rest(me->worker);
    int state = enter(loop, next);
    if (me->worker) rota_worker_rouse(me->worker);
    if (ROTA_LIKELY(me->dispatched)) {
        if (ROTA_UNLIKELY(state)) take_jump(me, loop->root, state);
        return;
    }
    if (unborn && rota_worker_stillborn(loop, unborn, state, &me->jump)) return;
    if (state) take_jump(me, loop->current && me->task ? me->task : loop->root, state);
    requeue_visitor(loop, me);
}

int rota_park_start(rota_loop_t *loop, rota_park_t *me, rota_park_t *first)
{
    me->fiber = rb_fiber_current();
    me->dispatched = false;
    int state = enter(loop, first);
    bool invited = me->dispatched;
    me->dispatched = true;
    if (!invited && !state) requeue_visitor(loop, me);
    resumed(loop, me);
    if (!invited) return state;
    if (state) take_jump(me, loop->root, state);
    return me->jump;
}

struct interjection {
    rota_task_t *task;
    rota_interrupt_t *interrupt;
};

static VALUE call_interjection(VALUE data)
{
    const struct interjection *due = (const struct interjection *)data;
    rota_interrupt_call(due->task, due->interrupt);
    return Qnil;
}

/* What others want done in this task is done inside its wait, which then goes on. It may park: the
 * record is an outer one then. What was queued meanwhile is for the next turn. */
ROTA_APART static void run_interjections(rota_loop_t *loop, rota_park_t *me)
{
    uint32_t last = me->task->interjections;
    rota_interrupt_t *interrupt;
    while ((interrupt = rota_interrupt_call_due(me->task, me->fiber, last))) {
        int state = 0;
        struct interjection due = {me->task, interrupt};
        rb_protect(call_interjection, (VALUE)&due, &state);
        end_child(loop, state);
        if (state) take_jump(me, me->task, state);
    }
    if (interrupt_of(me)) rota_park_interrupt(loop, me);
}

/* Why the wait is over, or PARKED while it is not. A wake-up and an interrupt may both be there:
 * the caller looks at what it waited for first, and the interrupt stays. */
static int wait_over(rota_loop_t *loop, rota_park_t *me)
{
    if (ROTA_UNLIKELY(me->looks)) rota_park_look(loop, me);
    if (ROTA_UNLIKELY(interrupt_of(me) != NULL)) run_interjections(loop, me);
    if (ROTA_UNLIKELY(me->jump)) return ROTA_PARK_JUMP;
    if (may_interrupt(me)) return ROTA_PARK_INTERRUPTED;
    return me->woken ? (int)ROTA_PARK_WOKEN : PARKED;
}

/* The record to enter for a task that was not born yet, which is a worker's. NULL: there is none,
 * for an idle worker that waits by `me` takes the task itself, or the task has failed. */
ROTA_APART static rota_park_t *entry_of_unborn(rota_loop_t *loop, rota_park_t *me,
                                               rota_task_t *task)
{
    if (!me->worker) return rota_worker_assign(loop, task, &me->jump);
    rota_worker_take(me->worker, task);
    return NULL;
}

/* Lets the next who can run do so; back when somebody entered our fiber, or when we are next. */
static void give_way(rota_loop_t *loop, rota_park_t *me)
{
    me->dispatched = false;
    loop->direct_in_a_row = 0;
    rota_park_t *next = rota_turn_next(loop, me);
    if (!next->fiber) next = entry_of_unborn(loop, me, next->task);
    if (next && next != me) leave_to(loop, me, next);
    me->dispatched = true; /* we run: an inner park that ends now must not queue us */
    resumed(loop, me);
}

static rota_park_result_t wait_for_wake(rota_loop_t *loop, rota_park_t *me)
{
    int over;
    me->fiber = rb_fiber_current();
    me->dispatched = true;
    while ((over = wait_over(loop, me)) == PARKED) {
        if (ROTA_UNLIKELY(!loop->engine)) return ROTA_PARK_WOKEN; /* a worker of a closed loop */
        give_way(loop, me);
    }
    rota_list_remove(&me->ready);
    me->woken = false;
    return (rota_park_result_t)over;
}

/* The record stands on the run queue, woken: exactly those before it go first. */
static rota_park_result_t wait_for_turn(rota_loop_t *loop, rota_park_t *me)
{
    me->fiber = rb_fiber_current();
    do give_way(loop, me);
    while (rota_list_linked(&me->ready) && !me->jump);
    return wait_for_wake(loop, me);
}

typedef rota_park_result_t (*wait_function_t)(rota_loop_t *, rota_park_t *);

struct masked_wait {
    rota_loop_t *loop;
    rota_park_t *park;
    wait_function_t wait;
};

static VALUE wait_masked(RB_BLOCK_CALL_FUNC_ARGLIST(yielded, data))
{
    (void)yielded;
    struct masked_wait *masked = (struct masked_wait *)data;
    return (VALUE)masked->wait(masked->loop, masked->park);
}

static VALUE call_masked(VALUE data)
{
    VALUE mask = rb_hash_new();
    rb_hash_aset(mask, rb_eException, ID2SYM(rb_intern("on_blocking")));
    return rb_block_call(rb_cThread, rb_intern("handle_interrupt"), 1, &mask, wait_masked, data);
}

/* Outside Rota.run nothing has masked the thread's interrupts while tasks run, so each park of the
 * main fiber does. */
ROTA_APART static rota_park_result_t wait_under_mask(rota_loop_t *loop, rota_park_t *me,
                                                     wait_function_t wait)
{
    struct masked_wait masked = {loop, me, wait};
    int state = 0;
    VALUE result = rb_protect(call_masked, (VALUE)&masked, &state);
    if (!state) return (rota_park_result_t)result;
    take_jump(me, loop->root, state);
    if (me->jump) return ROTA_PARK_JUMP;
    return may_interrupt(me) ? ROTA_PARK_INTERRUPTED : ROTA_PARK_WOKEN;
}

static rota_park_result_t wait_by(rota_loop_t *loop, rota_park_t *park, wait_function_t wait)
{
    bool unmasked = loop->script && park->task == loop->root && !park->outer;
    return ROTA_UNLIKELY(unmasked) ? wait_under_mask(loop, park, wait) : wait(loop, park);
}

rota_park_result_t rota_park_wait(rota_loop_t *loop, rota_park_t *park)
{
    return wait_by(loop, park, wait_for_wake);
}

rota_park_result_t rota_park_yield(rota_loop_t *loop, rota_park_t *park)
{
    return wait_by(loop, park, wait_for_turn);
}

static VALUE jump_on(VALUE jump)
{
    rb_jump_tag(FIX2INT(jump));
    return Qnil;
}

void rota_park_continue_jump(int jump, VALUE (*settle)(VALUE), VALUE arg)
{
    rb_ensure(jump_on, INT2FIX(jump), settle, arg);
    UNREACHABLE;
}
