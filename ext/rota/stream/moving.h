/* Rota::Stream#splice_to. */
#ifndef ROTA_STREAM_MOVING_H
#define ROTA_STREAM_MOVING_H

#include "runtime/shim.h"

void rota_init_stream_moving(VALUE klass);

#endif
