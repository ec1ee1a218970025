/* Rota::Stream#write and its like. */
#ifndef ROTA_STREAM_WRITING_H
#define ROTA_STREAM_WRITING_H

#include "runtime/shim.h"

void rota_init_stream_writing(VALUE klass);

#endif
