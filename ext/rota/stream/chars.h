/* Rota::Stream#getc, #getbyte and their like: one character or byte at a time, and pushed back. */
#ifndef ROTA_STREAM_CHARS_H
#define ROTA_STREAM_CHARS_H

#include "runtime/shim.h"

void rota_init_stream_chars(VALUE klass);

#endif
