/* Loop#send_io and #recv_io: open files from process to process. */
#ifndef ROTA_PASSING_H
#define ROTA_PASSING_H

#include "runtime/shim.h"

void rota_init_passing(VALUE loop_class);

#endif
