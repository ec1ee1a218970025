/* Hooks for what happens elsewhere: process_wait. */
#ifndef ROTA_PROCESS_HOOKS_H
#define ROTA_PROCESS_HOOKS_H

#include "runtime/shim.h"

void rota_init_process_hooks(VALUE scheduler_class);

#endif
