/* What a stream's readers of characters see: its bytes in an encoding, or what a converter makes of
 * them when Stream#set_encoding asked for one. By the rules of MRI's IO:
 *
 * - without a converter, characters and bytes are the same, and can be read by turns;
 * - with one, bytes are converted character by character as somebody asks, so that what was not
 *   asked for is still there for a reader of bytes; only while half a result waits (a character
 *   that was pushed back, a line that a timeout cut off) are readers of bytes refused.
 *
 * A stream that was never asked for an encoding has no rota_text_t: it reads in the default
 * external encoding of the moment, and writes bytes as they are. */
#ifndef ROTA_TEXT_H
#define ROTA_TEXT_H

#include "stream/stream.h"

typedef struct rota_text rota_text_t;

/* The encoding of the Strings that readers of characters get. */
rb_encoding *rota_text_encoding(const rota_stream_t *stream);

/* Labels a String with it. */
VALUE rota_text_label(const rota_stream_t *stream, VALUE string);

/* Is there a converter between the stream's bytes and its characters? */
bool rota_text_converts(const rota_stream_t *stream);

/* Converted bytes that nobody took yet. */
size_t rota_text_pending(const rota_stream_t *stream);

/* The same calls as in receive.h, on what is read as characters. Filling may raise Encoding errors,
 * too; the bytes that could not be converted are gone then, what came before them is there. */
const uint8_t *rota_text_view(rota_stream_t *stream, size_t *length);
bool rota_text_fill(rota_loop_t *loop, rota_stream_t *stream);
/* ... for who reads up to the end: converts as much as there is. */
bool rota_text_fill_much(rota_loop_t *loop, rota_stream_t *stream);
VALUE rota_text_take_string(rota_stream_t *stream, size_t length);
void rota_text_skip(rota_stream_t *stream, size_t length);
void rota_text_push_back(rota_stream_t *stream, VALUE string);

/* The stream goes on somewhere else: drops what waits of a conversion. */
void rota_text_forget(rota_stream_t *stream);

/* What is sent for a String: itself, or a conversion of it. */
VALUE rota_text_outgoing(const rota_stream_t *stream, VALUE string);

void rota_text_mark(const rota_stream_t *stream);
size_t rota_text_memsize(const rota_stream_t *stream);
void rota_text_free(rota_stream_t *stream);

void rota_init_stream_text(VALUE klass);

#endif
