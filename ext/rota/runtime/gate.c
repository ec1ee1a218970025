#include "runtime/gate.h"

static void pass_on(void *gate, VALUE unused)
{
    (void)unused;
    rota_gate_leave(gate);
}

bool rota_gate_enter_until(rota_gate_t *gate, const char *what, int detail, uint64_t deadline_ns)
{
    rota_waiting_t waiting = {
        .what = what,
        .detail = detail,
        .deadline_ns = deadline_ns,
        .refuse = pass_on,
        .data = gate,
    };
    VALUE unused;
    /* First: an interjection may wait, and others enter and leave meanwhile. */
    rota_loop_t *loop = rota_switchpoint();
    if (gate->held) return rota_waiters_wait_in(loop, &gate->waiters, &waiting, &unused);
    return gate->held = true;
}

void rota_gate_enter(rota_gate_t *gate, const char *what, int detail)
{
    rota_gate_enter_until(gate, what, detail, UINT64_MAX);
}

void rota_gate_leave(rota_gate_t *gate)
{
    gate->held = rota_waiters_grant(&gate->waiters, Qnil);
}
