/* Rota::Stream#wait_readable and #wait_writable. */
#ifndef ROTA_STREAM_WAITING_H
#define ROTA_STREAM_WAITING_H

#include "runtime/shim.h"

void rota_init_stream_waiting(VALUE klass);

#endif
