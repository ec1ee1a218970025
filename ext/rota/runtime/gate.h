/* A gate lets one task through at a time, first come first served: what serialises the writers of a
 * stream, and its readers. Leaving hands the gate over; it is never free between two waiters. */
#ifndef ROTA_GATE_H
#define ROTA_GATE_H

#include "runtime/sleep.h"

typedef struct rota_gate {
    rota_list_t waiters; /* struct passer in gate.c, on the stacks of the fibers that wait */
    bool held;
} rota_gate_t;

static inline void rota_gate_init(rota_gate_t *gate)
{
    rota_list_init(&gate->waiters);
    gate->held = false;
}

/* Waits for the gate. Raises interrupts; the gate is not held then. */
void rota_gate_enter(rota_loop_t *loop, rota_gate_t *gate, const char *what, int detail);
void rota_gate_leave(rota_loop_t *loop, rota_gate_t *gate);

#endif
