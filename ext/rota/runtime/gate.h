/* A gate lets one task through at a time, first come first served: what serialises the writers of a
 * stream, and its readers. Leaving hands the gate over; it is never free between two waiters. */
#ifndef ROTA_GATE_H
#define ROTA_GATE_H

#include "runtime/waiters.h"

typedef struct rota_gate {
    rota_waiters_t waiters;
    bool held;
} rota_gate_t;

static inline void rota_gate_init(rota_gate_t *gate)
{
    rota_waiters_init(&gate->waiters);
    gate->held = false;
}

/* Waits for the gate. Raises interrupts; the gate is not held then. */
void rota_gate_enter(rota_gate_t *gate, const char *what, int detail);
/* The same, but at most until the deadline: false then. UINT64_MAX: none. */
bool rota_gate_enter_until(rota_gate_t *gate, const char *what, int detail, uint64_t deadline_ns);
void rota_gate_leave(rota_gate_t *gate);

#endif
