/* Rota::Mutex. */
#ifndef ROTA_MUTEX_H
#define ROTA_MUTEX_H

#include "runtime/shim.h"

void rota_init_mutex(VALUE module);

#endif
