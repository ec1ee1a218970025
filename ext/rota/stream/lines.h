/* Rota::Stream#gets and its like: lines by IO#gets's rules. */
#ifndef ROTA_STREAM_LINES_H
#define ROTA_STREAM_LINES_H

#include "runtime/shim.h"

void rota_init_stream_lines(VALUE klass);

#endif
