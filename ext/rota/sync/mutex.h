/* Rota::Mutex. */
#ifndef ROTA_MUTEX_H
#define ROTA_MUTEX_H

#include "runtime/shim.h"

extern const rb_data_type_t rota_mutex_type; /* of a rota_lock_t */

void rota_init_mutex(VALUE module);

#endif
