/* Hooks for fibers: fiber (Fiber.schedule), yield, fiber_interrupt. */
#ifndef ROTA_FIBER_HOOKS_H
#define ROTA_FIBER_HOOKS_H

#include "runtime/shim.h"

void rota_init_fiber_hooks(VALUE scheduler_class);

#endif
