/* Rota::ConditionVariable. */
#ifndef ROTA_CONDITION_H
#define ROTA_CONDITION_H

#include "runtime/shim.h"

void rota_init_condition(VALUE module);

#endif
