/* Loop#recvmsg. */
#ifndef ROTA_RECVMSG_H
#define ROTA_RECVMSG_H

#include "runtime/shim.h"

void rota_init_recvmsg(VALUE loop_class);

#endif
