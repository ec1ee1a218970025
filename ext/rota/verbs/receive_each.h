/* Loop#recv_each. */
#ifndef ROTA_RECEIVE_EACH_H
#define ROTA_RECEIVE_EACH_H

#include "runtime/shim.h"

void rota_init_receive_each(VALUE loop_class);

#endif
