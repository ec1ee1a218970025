/* Rota::Stream#close, #close_read and #close_write. */
#ifndef ROTA_STREAM_ENDING_H
#define ROTA_STREAM_ENDING_H

#include "runtime/shim.h"

void rota_init_stream_ending(VALUE klass);

#endif
