/* A gate lets one task through at a time, first come first served: what serialises the writers of a
 * stream, and its readers. Leaving hands the gate over; it is never free between two waiters. */
#ifndef ROTA_GATE_H
#define ROTA_GATE_H

#include "runtime/waiters.h"

/* All zero: free. Made small for streams, which have two each: the line begins with the first who
 * has to wait, and stays from then on. */
typedef struct rota_gate {
    uint64_t held : 1;
    uint64_t line : 63; /* half the address of a rota_waiters_t; 0: none */
} rota_gate_t;

void rota_gate_free(rota_gate_t *gate);
size_t rota_gate_memsize(const rota_gate_t *gate);

/* Waits for the gate. Raises interrupts; the gate is not held then. */
void rota_gate_enter(rota_gate_t *gate, const char *what, int detail);
/* The same, but at most until the deadline: false then. UINT64_MAX: none. */
bool rota_gate_enter_until(rota_gate_t *gate, const char *what, int detail, uint64_t deadline_ns);
void rota_gate_leave(rota_gate_t *gate);

#endif
