/* Hooks for waiting: block, unblock, kernel_sleep, timeout_after. */
#ifndef ROTA_BLOCK_HOOKS_H
#define ROTA_BLOCK_HOOKS_H

#include "runtime/shim.h"

void rota_init_block_hooks(VALUE scheduler_class);

#endif
