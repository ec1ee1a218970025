/* Loop#connect. */
#ifndef ROTA_CONNECT_H
#define ROTA_CONNECT_H

#include "runtime/shim.h"

void rota_init_connect(VALUE loop_class);

#endif
