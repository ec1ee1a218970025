/* Rota::Stream#read, #readpartial, #eof? and their like. */
#ifndef ROTA_STREAM_READING_H
#define ROTA_STREAM_READING_H

#include "stream/stream.h"

/* The stream for a reader of characters: open, and opened for reading. IOError otherwise. */
rota_stream_t *rota_stream_for_text(VALUE self, rota_loop_t **loop);
/* The same for a reader of bytes, which must not overtake characters that are converted already. */
rota_stream_t *rota_stream_for_bytes(VALUE self, rota_loop_t **loop);

/* Runs `body(reading)` as the only reader. The bytes that it sees are not taken by another task
 * while it waits for more. */
VALUE rota_stream_as_reader(VALUE self, VALUE (*body)(VALUE), void *reading);
/* The same for a body that cannot do without a byte or the end: where nothing is there yet, that is
 * waited for first. */
VALUE rota_stream_as_taker(VALUE self, VALUE (*body)(VALUE), void *reading);
/* The same as the first; nil when it was not this task's turn before the deadline. */
VALUE rota_stream_as_reader_until(VALUE self, VALUE (*body)(VALUE), void *reading,
                                  uint64_t deadline_ns);

/* Runs `body(change)`, which does not wait, when nobody reads: for what changes the bytes that a
 * reader looks at. With no reader it is no switchpoint: who took bytes can give them back, whatever
 * else is to happen to the task. */
VALUE rota_stream_between_readers(VALUE self, VALUE (*body)(VALUE), void *change);

/* Waits until `length` bytes are there, or the end is: how many are, at most `length`. */
size_t rota_stream_gather(rota_loop_t *loop, rota_stream_t *stream, size_t length);

/* An argument that counts bytes: ArgumentError when it is negative. */
size_t rota_stream_length_argument(VALUE value);

/* The value of exception: among the options of a verb that does not block. */
bool rota_stream_raises(VALUE options);

void rota_init_stream_reading(VALUE klass);

#endif
