/* Loop#close. */
#ifndef ROTA_CLOSE_H
#define ROTA_CLOSE_H

#include "runtime/shim.h"

void rota_init_close(VALUE loop_class);

#endif
