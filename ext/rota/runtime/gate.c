#include "runtime/gate.h"

#include "runtime/interrupt.h"
#include "runtime/task.h"

struct passer {
    rota_list_t link;
    rota_park_t *park;
    bool passed; /* the gate is its own */
};

void rota_gate_enter(rota_loop_t *loop, rota_gate_t *gate, const char *what, int detail)
{
    rota_park_t park;
    struct passer passer = {.park = &park};
    rota_park_result_t result = ROTA_PARK_WOKEN;

    rota_interrupt_check(loop);
    if (ROTA_LIKELY(!gate->held)) {
        gate->held = true;
        return;
    }
    rota_list_init(&passer.link);
    rota_park_begin(loop, &park, what, detail);
    rota_list_push_back(&gate->waiters, &passer.link);
    while (!passer.passed && result == ROTA_PARK_WOKEN) result = rota_park_wait(loop, &park);
    rota_list_remove(&passer.link);
    rota_park_end(loop, &park);
    if (ROTA_UNLIKELY(park.jump)) {
        if (passer.passed) rota_gate_leave(loop, gate);
        rb_jump_tag(park.jump);
    }
    if (!passer.passed) rota_interrupt_raise(loop);
}

void rota_gate_leave(rota_loop_t *loop, rota_gate_t *gate)
{
    rota_list_t *link = rota_list_pop(&gate->waiters);
    if (ROTA_LIKELY(!link)) {
        gate->held = false;
        return;
    }
    struct passer *passer = ROTA_LIST_ENTRY(link, struct passer, link);
    passer->passed = true;
    rota_park_wake(loop, passer->park);
}
