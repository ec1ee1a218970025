/* Rota::Monitor: a lock that its owner may enter again. */
#ifndef ROTA_MONITOR_H
#define ROTA_MONITOR_H

#include "runtime/shim.h"

extern const rb_data_type_t rota_monitor_type; /* of a rota_lock_t */

void rota_init_monitor(VALUE module);

#endif
