/* Loop#sendmsg. */
#ifndef ROTA_SENDMSG_H
#define ROTA_SENDMSG_H

#include "runtime/shim.h"

void rota_init_sendmsg(VALUE loop_class);

#endif
