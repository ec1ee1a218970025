/* Rota::Monitor: a lock that its owner may enter again. */
#ifndef ROTA_MONITOR_H
#define ROTA_MONITOR_H

#include "runtime/shim.h"

void rota_init_monitor(VALUE module);

#endif
