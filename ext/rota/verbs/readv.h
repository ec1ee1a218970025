/* Loop#readv. */
#ifndef ROTA_READV_H
#define ROTA_READV_H

#include "runtime/shim.h"

void rota_init_readv(VALUE loop_class);

#endif
