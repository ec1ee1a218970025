/* Rota::Stream#read, #readpartial, #eof? and their like. */
#ifndef ROTA_STREAM_READING_H
#define ROTA_STREAM_READING_H

#include "stream/stream.h"

/* Runs `body(stream)` as the only reader. The bytes that it sees are not taken by another task
 * while it waits for more. */
VALUE rota_stream_as_reader(VALUE self, VALUE (*body)(VALUE), void *reading);

/* Text as IO#read and #gets give it: in the default external encoding. */
VALUE rota_stream_text(VALUE string);

void rota_init_stream_reading(VALUE klass);

#endif
