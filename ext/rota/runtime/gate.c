#include "runtime/gate.h"

#include "runtime/interrupt.h"

static void pass_on(void *gate, VALUE unused)
{
    (void)unused;
    rota_gate_leave(gate);
}

void rota_gate_enter(rota_gate_t *gate, const char *what, int detail)
{
    rota_waiting_t waiting = {what, detail, UINT64_MAX, pass_on, gate};
    VALUE unused;
    if (gate->held) {
        rota_waiters_wait(&gate->waiters, &waiting, &unused);
        return;
    }
    rota_interrupt_check(rota_loop_demand());
    gate->held = true;
}

void rota_gate_leave(rota_gate_t *gate)
{
    gate->held = rota_waiters_grant(&gate->waiters, Qnil);
}
