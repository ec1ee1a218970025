/* The only place that releases the GVL. */
#ifndef ROTA_GVL_H
#define ROTA_GVL_H

#include "core/engine.h"

/* Waits in the engine (rota_engine_api.wait) without the GVL. Raises nothing, checks no interrupts:
 * *ran tells whether the wait was entered at all, which Ruby refuses when an interrupt is pending.
 * The result is the engine's; -EINTR when a signal or another thread broke the wait. */
int rota_gvl_wait(rota_engine_t *engine, int64_t timeout_ns, bool *ran);

/* May this process spin before it sleeps? Not on a single processor. */
bool rota_turn_may_spin(void);

/* Tells the processor that this is a spin. */
static inline void rota_cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

#endif
