/* Loop#write, #write_some, #pwrite and #send_bytes. */
#ifndef ROTA_WRITE_H
#define ROTA_WRITE_H

#include "runtime/descriptor.h"
#include "runtime/gate.h"

/* How bytes leave: for what, with which op, how much of it. */
typedef struct rota_writing {
    rota_loop_t *loop;
    const char *verb;
    rota_target_t target;
    bool sends;             /* SEND: of a socket, and nothing else will do */
    uint32_t request_flags; /* MSG_*, with `sends` */
    bool once;              /* one transfer instead of everything */
    uint64_t deadline_ns;   /* UINT64_MAX: none */
    rota_gate_t *gate;      /* rota_write_quietly: left when a kill or throw passes; NULL: none */
    size_t written_before;  /* by earlier parts of the same call, for bytes_written */
    size_t written;         /* said by rota_write: how much of the source, also when it raises */
} rota_writing_t;

/* Writes all of `source` (String, IO::Buffer, or with to_s) and returns how much that was. Raises
 * Errno, an interrupt, or IOError; the exception then answers bytes_written. */
size_t rota_write(rota_writing_t *writing, VALUE source);

/* The same, but what would be raised is in *state (0: nothing), for who has to put something right
 * first; then it is for rota_error_tell. A kill or throw may pass, and leaves the gate: a frame
 * that would stop it is 350 bytes more on the stack of each connection that waits in here, and one
 * page in all. */
size_t rota_write_quietly(rota_writing_t *writing, VALUE source, int *state);

/* Strings that are small together as one; Qfalse when they are not, or not all Strings. */
VALUE rota_write_join_small(long count, const VALUE *sources);

/* The same for several; small ones are joined, so that they leave in one transfer. */
size_t rota_write_all(rota_writing_t *writing, int argc, const VALUE *argv);

/* One attempt that cannot block. How much left, or -errno; -EAGAIN: it would block, or this kind of
 * file cannot be asked. O_NONBLOCK is neither needed nor changed. */
ssize_t rota_write_now(const rota_writing_t *writing, const uint8_t *bytes, size_t length);

void rota_init_write(VALUE loop_class);

#endif
