/* The receiving side of a stream: what is there, and waiting for more. */
#ifndef ROTA_STREAM_RECEIVE_H
#define ROTA_STREAM_RECEIVE_H

#include "stream/stream.h"

static inline size_t rota_stream_available(const rota_stream_t *stream)
{
    return rota_fifo_length(stream->kept) + stream->shot_bytes;
}

/* Waits until there is more than before, or the end: true, or false at the end. Raises what ended
 * the stream, interrupts, and Rota::TimeoutError. */
bool rota_stream_fill(rota_loop_t *loop, rota_stream_t *stream);

/* The same in two steps, for who has to put something right in between: it raises nothing until it
 * is settled. For no file; the first line of a switchpoint is the caller's. */
typedef enum rota_fill {
    ROTA_FILL_MORE,
    ROTA_FILL_END,
    ROTA_FILL_LATE,
    ROTA_FILL_INTERRUPTED,
    ROTA_FILL_NO_MEMORY,
    ROTA_FILL_JUMP, /* a kill or throw, whose state is in *jump */
} rota_fill_t;
rota_fill_t rota_stream_try_fill(rota_loop_t *loop, rota_stream_t *stream, uint64_t deadline_ns,
                                 int *jump);
bool rota_stream_settle(rota_loop_t *loop, rota_stream_t *stream, rota_fill_t fill, int jump);

/* Waits until there is something to read, or the end, or until the deadline: false. */
bool rota_stream_await(rota_loop_t *loop, rota_stream_t *stream, uint64_t deadline_ns);

/* Is there something to read, or the end? Asks the kernel, but does not wait. */
bool rota_stream_poll(rota_loop_t *loop, rota_stream_t *stream);

/* Ends the receive that is armed, and waits until it has: what it brought is there then. For the
 * only reader. Raises interrupts. */
void rota_stream_stop_receiving(rota_loop_t *loop, rota_stream_t *stream);

/* All that is there as one piece of memory; valid until the next call here. */
const uint8_t *rota_stream_view(rota_stream_t *stream, size_t *length);

/* Copies out the first `length` bytes, which must be there, and gives back what held them. */
void rota_stream_take(rota_stream_t *stream, uint8_t *memory, size_t length);
/* The same into a new binary String, or at the end of one. */
VALUE rota_stream_take_string(rota_stream_t *stream, size_t length);
void rota_stream_skip(rota_stream_t *stream, size_t length);

/* Puts bytes in front of what is there. */
void rota_stream_push_back(rota_stream_t *stream, const uint8_t *bytes, size_t length);

/* The stream is being closed: its receive is left to the kernel, what it held is given back, and
 * who waits is woken. */
void rota_stream_end_receiving(rota_stream_t *stream);

/* For dfree: gives back what was received; the op is the orphan's. */
void rota_stream_free_received(rota_stream_t *stream);

void rota_stream_init_receiver(rota_stream_t *stream);

#endif
