/* Rota::Semaphore: so many at a time. */
#ifndef ROTA_SEMAPHORE_H
#define ROTA_SEMAPHORE_H

#include "runtime/shim.h"

void rota_init_semaphore(VALUE module);

#endif
