/* Rota::Stream#read_until: bytes up to a delimiter, for protocols. */
#ifndef ROTA_STREAM_DELIMITED_H
#define ROTA_STREAM_DELIMITED_H

#include "runtime/shim.h"

void rota_init_stream_delimited(VALUE klass);

#endif
