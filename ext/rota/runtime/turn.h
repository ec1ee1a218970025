/* The turn: one pass of the loop. Run what is ready; with nothing ready submit, drain, fire timers;
 * with still nothing ready wait in the kernel without the GVL. */
#ifndef ROTA_TURN_H
#define ROTA_TURN_H

#include "runtime/loop.h"

/* The next record to enter; never NULL. Waits in the kernel as long as nobody can run. The record
 * is off the run queue. May return the caller's own. Runs no Ruby code itself, but releases the
 * GVL.
 */
rota_park_t *rota_turn_next(rota_loop_t *loop, rota_park_t *me);

/* Submits, drains and fires timers without waiting. */
void rota_turn_poll(rota_loop_t *loop);

#endif
