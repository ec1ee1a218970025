#include "runtime/sleep.h"

#include "runtime/interrupt.h"
#include "runtime/road.h"
#include "runtime/task.h"

static void ring(rota_timer_t *timer)
{
    rota_alarm_t *alarm = ROTA_CONTAINER_OF(timer, rota_alarm_t, timer);
    alarm->rang = true;
    rota_park_wake(alarm->park->task->loop, alarm->park);
}

ROTA_APART static bool arm(rota_loop_t *loop, rota_alarm_t *alarm, rota_park_t *park,
                           uint64_t deadline_ns)
{
    *alarm = (rota_alarm_t){.timer = {.fire = ring}, .park = park};
    return rota_heap_insert(&loop->timers, &alarm->timer, deadline_ns) == 0;
}

bool rota_alarm_try(rota_loop_t *loop, rota_alarm_t *alarm, rota_park_t *park, uint64_t deadline_ns)
{
    rota_timer_init(&alarm->timer);
    alarm->rang = false;
    return ROTA_LIKELY(deadline_ns == UINT64_MAX) || arm(loop, alarm, park, deadline_ns);
}

void rota_alarm_set(rota_loop_t *loop, rota_alarm_t *alarm, rota_park_t *park, uint64_t deadline_ns)
{
    if (!rota_alarm_try(loop, alarm, park, deadline_ns)) rb_memerror();
}

void rota_alarm_clear(rota_loop_t *loop, rota_alarm_t *alarm)
{
    rota_heap_remove(&loop->timers, &alarm->timer);
}

VALUE rota_sleep_until(rota_loop_t *loop, uint64_t deadline_ns, const char *what, bool endless)
{
    rota_park_t park;
    rota_alarm_t alarm;
    rota_park_result_t result;

    rota_interrupt_check(loop);
    rota_alarm_set(loop, &alarm, &park, deadline_ns);
    rota_park_begin(loop, &park, what, -1);
    park.schedulable = true;
    loop->endless_sleeps += endless;
    do result = rota_park_wait(loop, &park);
    while (result == ROTA_PARK_WOKEN && park.schedulable && !alarm.rang);
    loop->endless_sleeps -= endless;
    rota_alarm_clear(loop, &alarm);
    rota_park_end(loop, &park);

    if (ROTA_UNLIKELY(park.jump)) rb_jump_tag(park.jump);
    if (!park.schedulable) return park.value;
    if (!alarm.rang) rota_interrupt_raise(loop);
    return Qundef;
}

ROTA_APART void rota_snooze(rota_loop_t *loop)
{
    rota_park_t park;

    rota_interrupt_check(loop);
    rota_park_begin_ready(loop, &park, "its turn");
    /* Woken from the start, so the wait must be told to let the others go first. */
    rota_park_yield(loop, &park);
    rota_park_end(loop, &park);
    if (ROTA_UNLIKELY(park.jump)) rb_jump_tag(park.jump);
    rota_interrupt_check(loop);
}

bool rota_give_way(rota_loop_t *loop)
{
    bool gave_way = !rota_task_undisturbed(loop->current); /* it may be an interjection */
    rota_interrupt_check(loop);
    if (ROTA_UNLIKELY(!rota_road_has_turn(loop))) {
        rota_snooze(loop);
        gave_way = true;
    }
    return gave_way;
}

bool rota_schedule(rota_task_t *task, VALUE value)
{
    rota_park_t *park = task->state == ROTA_TASK_DEAD ? NULL : task->park;
    if (!park || !park->schedulable) return false;
    park->schedulable = false;
    park->value = value;
    rota_park_wake(task->loop, park);
    rota_loop_notify(task->loop);
    return true;
}
