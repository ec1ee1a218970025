/* Rota::Stream: a buffered byte stream that owns a descriptor.
 *
 * Receiving: a socket's stream keeps one multishot receive armed, from the first read on; what
 * comes lies in provided buffers (`shots`) until a reader copies it out, or until buffers run low
 * and it is copied to the stream's own memory (`kept`). Other files are read piece by piece into
 * memory that the op owns. Either way the op belongs to the stream, not to the task that waits: a
 * cancelled read leaves it armed, and what it brings is there for the next reader. Nothing is lost.
 *
 * Invariants: bytes in `kept` come before bytes in `shots`. At most one op receives, and at most
 * one sends (the write gate). An idle stream holds neither. */
#ifndef ROTA_STREAM_H
#define ROTA_STREAM_H

#include "runtime/descriptor.h"
#include "runtime/gate.h"
#include "stream/fifo.h"

typedef struct rota_patience {
    VALUE timeout; /* seconds as the user gave them */
    uint64_t timeout_ns;
} rota_patience_t;

/* Small, because idle connections are many: what few streams have is elsewhere. */
typedef struct rota_stream {
    rota_descriptor_t descriptor; /* first: verbs take a stream for one */
    rota_receiver_t receiver;
    rota_op_t *op;       /* what receives; NULL: not armed */
    rota_list_t *shots;  /* rota_shot_t.link, a ring */
    rota_fifo_t *kept;   /* not yet read, in memory of the stream's own */
    rota_park_t *reader; /* who waits for bytes */
    rota_gate_t read_gate, write_gate;
    struct rota_text *text;    /* encodings; NULL: none was asked for */
    rota_patience_t *patience; /* NULL: it waits for ever */
    uint32_t shot_bytes;
    int32_t ended; /* 0: more may come; ROTA_STREAM_EOF; or -errno, told once */
    int lineno;
    bool cached : 1;    /* see position.h: of a file may be had at once */
    bool stopping : 1;  /* the reader wants the receive to end, and no other one */
    bool held_back : 1; /* the receive was cancelled because too much was unread */
    /* by how it was opened, and what close_read and close_write left */
    bool readable : 1, writable : 1;
} rota_stream_t;

_Static_assert(sizeof(void *) != 8 || sizeof(rota_stream_t) <= 168,
               "streams are many: one more word is 16 bytes of each");

enum { ROTA_STREAM_EOF = 1 };

extern const rb_data_type_t rota_stream_type;
extern VALUE rota_cStream;

/* The open stream of the calling loop. IOError otherwise. */
rota_stream_t *rota_stream_get(VALUE self, rota_loop_t **loop);

/* A stream that owns `fd` (also when this raises: it is closed then). */
VALUE rota_stream_new(rota_loop_t *loop, int fd);

/* When a wait that starts now must end; UINT64_MAX: never. */
uint64_t rota_stream_deadline_ns(const rota_stream_t *stream);

void rota_init_stream(VALUE module);

#endif
