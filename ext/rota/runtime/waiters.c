#include "runtime/waiters.h"

#include "runtime/interrupt.h"
#include "runtime/sleep.h"
#include "runtime/task.h"

#define LOOK_EVERY_NS (250 * ROTA_NS_PER_MS)

void rota_waiters_init(rota_waiters_t *waiters)
{
    rota_list_init(&waiters->line);
    waiters->natives = 0;
    waiters->fork_generation = rota_fork_generation;
}

static rota_list_t *line_of(rota_waiters_t *waiters)
{
    if (ROTA_UNLIKELY(waiters->fork_generation != rota_fork_generation)) rota_waiters_init(waiters);
    return &waiters->line;
}

bool rota_waiters_empty(rota_waiters_t *waiters)
{
    return rota_list_empty(line_of(waiters));
}

uint32_t rota_waiters_count(rota_waiters_t *waiters)
{
    uint32_t count = 0;
    ROTA_LIST_EACH(line_of(waiters), link) count++;
    return count;
}

uint32_t rota_waiters_natives(rota_waiters_t *waiters)
{
    (void)line_of(waiters);
    return waiters->natives;
}

/* -- a look every so often ----------------------------------------------------------------------
 */

struct look {
    rota_timer_t timer;
    rota_waiter_t *waiter;
    rota_list_t *line;
    bool due;
};

/* Where the first in line does not, because it came before there was anything to look for, or found
 * that there is no more, each has to find out for itself. */
static bool first_looks(rota_list_t *line, const rota_waiter_t *waiter)
{
    const rota_waiter_t *first = ROTA_LIST_ENTRY(line->next, rota_waiter_t, link);
    return !waiter->granted && first != waiter && first->looks;
}

static void note_due(rota_timer_t *timer);

/* Where memory is out the wait goes on without. All loops look at the same times, so that a line
 * wakes each of them once. */
static void arm_look(rota_loop_t *loop, struct look *look)
{
    uint64_t now_ns = rota_now_ns(), next_ns = now_ns - now_ns % LOOK_EVERY_NS + LOOK_EVERY_NS;
    look->timer = (rota_timer_t){.fire = note_due};
    look->due = false;
    look->waiter->looks = rota_heap_insert(&loop->timers, &look->timer, next_ns) == 0;
    if (look->waiter->looks) loop->looks++;
}

static void note_due(rota_timer_t *timer)
{
    struct look *look = ROTA_CONTAINER_OF(timer, struct look, timer);
    rota_park_t *park = look->waiter->park;
    rota_loop_t *loop = park->task->loop;
    loop->looks--;
    if (first_looks(look->line, look->waiter)) {
        arm_look(loop, look);
    } else {
        look->due = true;
        rota_park_wake(loop, park);
    }
}

static void disarm_look(rota_loop_t *loop, struct look *look)
{
    if (!rota_timer_armed(&look->timer)) return;
    rota_heap_remove(&loop->timers, &look->timer);
    loop->looks--;
}

static VALUE call_look(VALUE data)
{
    const rota_waiting_t *waiting = (const rota_waiting_t *)data;
    return RBOOL(waiting->look(waiting->data));
}

/* Does the wait go on? */
static bool look_around(rota_loop_t *loop, const rota_waiting_t *waiting, struct look *look)
{
    rota_park_t *park = look->waiter->park;
    look->due = look->waiter->looks = false;
    VALUE again = rb_protect(call_look, (VALUE)waiting, &park->jump);
    if (park->jump) return false;
    if (RTEST(again)) arm_look(loop, look);
    return true;
}

/* -- a task -------------------------------------------------------------------------------------
 */

static bool wait_as_task(rota_loop_t *loop, rota_list_t *line, const rota_waiting_t *waiting,
                         VALUE *value)
{
    rota_park_t park;
    rota_alarm_t alarm;
    rota_waiter_t waiter = {
        .waiting = waiting,
        .park = &park,
        .thread = Qfalse,
        .value = Qnil,
    };
    struct look look = {.waiter = &waiter, .line = line};
    rota_park_result_t result;

    rota_alarm_set(loop, &alarm, &park, waiting->deadline_ns);
    rota_list_init(&waiter.link);
    rota_park_begin(loop, &park, waiting->what, waiting->detail);
    rota_list_push_back(line, &waiter.link);
    if (ROTA_UNLIKELY(waiting->look != NULL)) arm_look(loop, &look);
    do result = rota_park_wait(loop, &park);
    while (!waiter.granted && !alarm.rang && result == ROTA_PARK_WOKEN &&
           (!look.due || look_around(loop, waiting, &look)));
    rota_list_remove(&waiter.link);
    disarm_look(loop, &look);
    rota_alarm_clear(loop, &alarm);
    rota_park_end(loop, &park);

    if (ROTA_UNLIKELY(park.jump)) {
        if (waiter.granted && waiting->refuse) waiting->refuse(waiting->data, waiter.value);
        rb_jump_tag(park.jump);
    }
    *value = waiter.value;
    if (!waiter.granted && !alarm.rang) rota_interrupt_raise(loop);
    return waiter.granted;
}

/* -- a thread without a loop --------------------------------------------------------------------
 */

struct native_wait {
    rota_waiter_t waiter;
    rota_waiters_t *waiters;
    bool taken; /* the wait ended by itself */
};

/* Until the time has come, or somebody wakes the thread. False: it had come. */
static bool sleep_natively(uint64_t until_ns)
{
    if (until_ns == UINT64_MAX) {
        rb_thread_sleep_forever();
        return true;
    }
    uint64_t now_ns = rota_now_ns();
    if (now_ns >= until_ns) return false;
    uint64_t left_ns = until_ns - now_ns;
    rb_thread_wait_for((struct timeval){
        .tv_sec = (time_t)(left_ns / (uint64_t)ROTA_NS_PER_S),
        .tv_usec = (suseconds_t)(left_ns % (uint64_t)ROTA_NS_PER_S / 1000 + 1),
    });
    return true;
}

static VALUE stand_in_line(VALUE data)
{
    struct native_wait *native = (struct native_wait *)data;
    const rota_waiting_t *waiting = native->waiter.waiting;
    rota_list_t *line = line_of(native->waiters);
    bool looks = waiting->look != NULL;
    while (!native->waiter.granted) {
        uint64_t until_ns = looks ? rota_now_ns() + LOOK_EVERY_NS : waiting->deadline_ns;
        native->waiter.looks = looks;
        while (!native->waiter.granted && sleep_natively(until_ns)) continue;
        if (!looks) break;
        if (native->waiter.granted || first_looks(line, &native->waiter)) continue;
        looks = waiting->look(waiting->data);
    }
    native->taken = true;
    return Qnil;
}

static VALUE leave_line(VALUE data)
{
    struct native_wait *native = (struct native_wait *)data;
    const rota_waiting_t *waiting = native->waiter.waiting;
    native->waiters->natives--;
    rota_list_remove(&native->waiter.link);
    if (!native->taken && native->waiter.granted && waiting->refuse)
        waiting->refuse(waiting->data, native->waiter.value);
    return Qnil;
}

static bool wait_as_thread(rota_waiters_t *waiters, const rota_waiting_t *waiting, VALUE *value)
{
    struct native_wait native = {.waiters = waiters};
    native.waiter.waiting = waiting;
    native.waiter.value = Qnil;
    native.waiter.thread = rb_thread_current();
    rota_list_init(&native.waiter.link);
    rota_list_push_back(line_of(waiters), &native.waiter.link);
    waiters->natives++;
    rb_ensure(stand_in_line, (VALUE)&native, leave_line, (VALUE)&native);
    *value = native.waiter.value;
    return native.waiter.granted;
}

/* -- a script's first wait ----------------------------------------------------------------------
 */

struct first_wait {
    rota_waiter_t waiter;
    rota_loop_t *loop;
};

static VALUE make_loop(VALUE data)
{
    ((struct first_wait *)data)->loop = rota_loop_demand();
    return Qnil;
}

static VALUE leave_for_loop(VALUE data)
{
    struct first_wait *first = (struct first_wait *)data;
    const rota_waiting_t *waiting = first->waiter.waiting;
    rota_list_remove(&first->waiter.link);
    if (!first->loop && first->waiter.granted && waiting->refuse)
        waiting->refuse(waiting->data, first->waiter.value);
    return Qnil;
}

/* To make a loop runs Ruby, and others with it: a signal handler or a thread that hands over what
 * is waited for must find somebody in line. */
static bool wait_for_loop_too(rota_waiters_t *waiters, const rota_waiting_t *waiting, VALUE *value)
{
    struct first_wait first = {.waiter = {.waiting = waiting, .thread = Qfalse, .value = Qnil}};
    rota_list_init(&first.waiter.link);
    rota_list_push_back(line_of(waiters), &first.waiter.link);
    rb_ensure(make_loop, (VALUE)&first, leave_for_loop, (VALUE)&first);
    if (!first.waiter.granted) return wait_as_task(first.loop, line_of(waiters), waiting, value);
    *value = first.waiter.value;
    return true;
}

rota_loop_t *rota_switchpoint(void)
{
    rota_loop_t *loop = rota_loop_current();
    if (!loop || !loop->current || ROTA_LIKELY(rota_task_undisturbed(loop->current))) return loop;
    rota_interrupt_check(loop);
    return rota_loop_current(); /* an interjection may have done anything */
}

rota_loop_t *rota_fair_switchpoint(void)
{
    rota_loop_t *loop = rota_loop_current();
    if (!loop || !loop->current || ROTA_LIKELY(!rota_give_way(loop))) return loop;
    return rota_loop_current();
}

bool rota_waiters_wait_in(rota_loop_t *loop, rota_waiters_t *waiters, const rota_waiting_t *waiting,
                          VALUE *value)
{
    if (ROTA_LIKELY(loop && loop->current))
        return wait_as_task(loop, line_of(waiters), waiting, value);
    if (!loop && rb_thread_current() != rb_thread_main())
        return wait_as_thread(waiters, waiting, value);
    return wait_for_loop_too(waiters, waiting, value);
}

/* -- handing over -------------------------------------------------------------------------------
 */

static void wake(rota_waiter_t *waiter)
{
    if (waiter->thread) {
        rb_thread_wakeup_alive(waiter->thread);
        return;
    }
    if (!waiter->park) return;
    rota_loop_t *loop = waiter->park->task->loop;
    rota_park_wake(loop, waiter->park);
    rota_loop_notify(loop);
}

void rota_waiters_join(rota_waiters_t *waiters, rota_waiter_t *waiter)
{
    rota_list_push_back(line_of(waiters), &waiter->link);
}

const rota_waiting_t *rota_waiters_first(rota_waiters_t *waiters)
{
    rota_list_t *line = line_of(waiters);
    if (rota_list_empty(line)) return NULL;
    return ROTA_LIST_ENTRY(line->next, rota_waiter_t, link)->waiting;
}

bool rota_waiters_grant(rota_waiters_t *waiters, VALUE value)
{
    rota_list_t *link;
    while ((link = rota_list_pop(line_of(waiters)))) {
        rota_waiter_t *waiter = ROTA_LIST_ENTRY(link, rota_waiter_t, link);
        if (waiter->offer && !waiter->offer(waiter, value)) continue;
        waiter->granted = true;
        waiter->value = value;
        wake(waiter);
        return true;
    }
    return false;
}

uint32_t rota_waiters_grant_all(rota_waiters_t *waiters, VALUE value)
{
    uint32_t count = 0;
    while (rota_waiters_grant(waiters, value)) count++;
    return count;
}
