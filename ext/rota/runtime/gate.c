#include "runtime/gate.h"

static void pass_on(void *gate, VALUE unused)
{
    (void)unused;
    rota_gate_leave(gate);
}

static rota_waiters_t *line_of(const rota_gate_t *gate)
{
    return (rota_waiters_t *)((uintptr_t)gate->line << 1);
}

static rota_waiters_t *make_line(rota_gate_t *gate)
{
    rota_waiters_t *line = line_of(gate);
    if (line) return line;
    line = ALLOC(rota_waiters_t);
    rota_waiters_init(line);
    gate->line = (uintptr_t)line >> 1;
    return line;
}

void rota_gate_free(rota_gate_t *gate)
{
    xfree(line_of(gate));
    *gate = (rota_gate_t){0};
}

size_t rota_gate_memsize(const rota_gate_t *gate)
{
    return gate->line ? sizeof(rota_waiters_t) : 0;
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
    if (gate->held) return rota_waiters_wait_in(loop, make_line(gate), &waiting, &unused);
    gate->held = true;
    return true;
}

void rota_gate_enter(rota_gate_t *gate, const char *what, int detail)
{
    rota_gate_enter_until(gate, what, detail, UINT64_MAX);
}

void rota_gate_leave(rota_gate_t *gate)
{
    gate->held = gate->line && rota_waiters_grant(line_of(gate), Qnil);
}
