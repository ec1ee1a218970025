/* Waiting for a time or for a call of Task#schedule. */
#ifndef ROTA_SLEEP_H
#define ROTA_SLEEP_H

#include "runtime/loop.h"

/* A park's deadline: wakes the park when it comes. Lives beside the park, on its stack. */
typedef struct rota_alarm {
    rota_timer_t timer;
    rota_park_t *park;
    bool rang;
} rota_alarm_t;

/* Arms the alarm; UINT64_MAX arms nothing. False when memory is out: it will not ring. */
bool rota_alarm_try(rota_loop_t *loop, rota_alarm_t *alarm, rota_park_t *park,
                    uint64_t deadline_ns);
/* The same before the park begins: raises NoMemoryError. */
void rota_alarm_set(rota_loop_t *loop, rota_alarm_t *alarm, rota_park_t *park,
                    uint64_t deadline_ns);
void rota_alarm_clear(rota_loop_t *loop, rota_alarm_t *alarm);

/* Parks the running task until the deadline (UINT64_MAX: without end) or until it is scheduled; the
 * value of the schedule, or Qundef when the deadline came. Interrupts are raised. */
VALUE rota_sleep_until(rota_loop_t *loop, uint64_t deadline_ns, const char *what, bool endless);

/* One pass of the run queue. */
void rota_snooze(rota_loop_t *loop);

/* For what does not wait, so that a task that asks again and again keeps nobody else from running:
 * a snooze, every so many times. Interrupts are raised every time. True: others ran, who may have
 * closed what this task is about to use. */
bool rota_give_way(rota_loop_t *loop);

/* Task#schedule: wakes a task that sleeps or is suspended. False when it does neither. */
bool rota_schedule(rota_task_t *task, VALUE value);

#endif
