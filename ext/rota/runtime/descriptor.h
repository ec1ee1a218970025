/* What verbs take as `io`: an IO, an Integer, or something of Rota's own that has a descriptor (a
 * Stream). Streams live in a higher layer; they embed a rota_descriptor_t as their first member and
 * name rota_descriptor_type as their type's parent, which is all that verbs need of them. */
#ifndef ROTA_DESCRIPTOR_H
#define ROTA_DESCRIPTOR_H

#include "runtime/loop.h"

typedef struct rota_route rota_route_t; /* what zero_copy.c knows of a connection */

typedef struct rota_descriptor {
    rota_list_t link;  /* rota_loop.descriptors while open */
    rota_loop_t *loop; /* NULL: closed */
    int fd;
    int slot;          /* in the registered file table; -1: none */
    uint8_t one_shots; /* operations so far that a slot would have served */
    bool socket;       /* it is one */
    bool terminal;     /* ROTA_HINT_TERMINAL */
    bool file;         /* it has positions */
    bool numbered; /* somebody asked for its number: it may be used without us, after a fork too */
    bool in_verbs; /* verbs had it: some may wait on it, and must be woken by its close */
    bool buffered; /* its bytes go through a stream's buffer: byte verbs must not bypass it */
    rota_route_t *route; /* NULL: nothing yet */
} rota_descriptor_t;

/* Ends the ops of its own. True: there was none, nor could any be queued, so that the number may be
 * closed by a system call. Set by the one layer that has descriptors of its own: streams. */
extern bool (*rota_descriptor_on_close)(rota_descriptor_t *descriptor);

extern const rb_data_type_t rota_descriptor_type;

extern VALUE rota_cBasicSocket;

/* Where an op goes. */
typedef struct rota_target {
    int fd;       /* the descriptor */
    int slot;     /* its registered file, or -1 */
    VALUE io;     /* kept alive while the op is in flight */
    uint8_t hint; /* rota_file_hint_t; TERMINAL only from rota_target_writable */
    bool file;    /* a write may be done at once (core/disk.h); from there, too */
    bool settled; /* from rota_target_settled */
} rota_target_t;

/* Is it of one of Ruby's classes for sockets, and nothing that has a path, as after IO#reopen? Its
 * number may be another file's all the same, by a reopen of another IO with that number. */
bool rota_is_socket(VALUE io);

/* ... as a READ or WRITE is told. */
rota_file_hint_t rota_io_hint(VALUE io);

/* TypeError for what is no io; IOError for what is closed or another loop's. */
rota_target_t rota_target(rota_loop_t *loop, VALUE io);

/* The same for who goes on with an io that it had before. */
rota_target_t rota_target_again(rota_loop_t *loop, VALUE io);

/* Finds an end again after a wait: its io may have been closed, and its number may be another
 * file's by now. A number alone stays what it is. */
void rota_target_look_again(rota_loop_t *loop, rota_target_t *target);

/* For who is about to ask something of it: takes interrupts, whose interjections may close
 * anything, and finds the end behind them. Nothing else may run then before the op is handed over.
 */
void rota_target_meet(rota_loop_t *loop, rota_target_t *target);

/* Is the io still open under that number? For who gives bytes back to it, and may not raise. */
bool rota_target_is_open(const rota_loop_t *loop, const rota_target_t *target);

/* rota_engine.still_open */
bool rota_op_is_open(const rota_engine_t *engine, const rota_op_t *op);

/* rota_target for verbs that move bytes: IOError when the io holds bytes in a buffer of its own. */
rota_target_t rota_target_unbuffered(rota_loop_t *loop, VALUE io);

/* Can a read of it be tried without blocking (held.h)? Made by pipe or socket, or a stream, and no
 * terminal. */
bool rota_target_tries(const rota_target_t *target);

/* The same for verbs that move bytes to where the file is: that is where a stream or an IO was read
 * to, not to where it has read ahead. May wait for a stream's read that was cancelled. */
rota_target_t rota_target_settled(rota_loop_t *loop, VALUE io);

/* Once more, for who looked the target up before others ran, who may have read on. */
void rota_target_settle_again(const rota_loop_t *loop, const rota_target_t *target);

/* Moves the file of a stream back to there. Defined where streams are, in position.c. */
extern void (*rota_descriptor_settle)(VALUE io);

/* The same for verbs that write: says whether it is a terminal, or a file. The kernel takes
 * RWF_NOWAIT for a terminal and then waits all the same, on the ring too, for as long as nobody
 * reads. */
rota_target_t rota_target_writable(rota_loop_t *loop, VALUE io);

static inline bool rota_target_is_terminal(const rota_target_t *target)
{
    return target->hint == ROTA_HINT_TERMINAL;
}

static inline void rota_target_apply(const rota_target_t *target, rota_op_t *op)
{
    op->fd = target->slot >= 0 ? target->slot : target->fd;
    op->descriptor = target->fd;
    if (target->slot >= 0) op->flags |= ROTA_OPF_SLOT;
}

/* Registers an open descriptor with the loop that owns it. */
void rota_descriptor_open(rota_descriptor_t *descriptor, rota_loop_t *loop, int fd);

/* Closes it: its slot is dropped, and its number is closed in the order of submissions, behind
 * whatever was queued for it, so that no queued op ever meets a reused number; at once when nothing
 * was. */
void rota_descriptor_close(rota_descriptor_t *descriptor);

/* For dfree, on whatever thread: leaves an open descriptor, and the memory that begins with it, to
 * its loop, which closes the one and frees the other in a turn. */
void rota_descriptor_orphan(rota_descriptor_t *descriptor);

/* What was learned of its connection ends with it. Defined where that is, in zero_copy.c. */
void rota_descriptor_forget_route(rota_descriptor_t *descriptor);

/* In the turn: ends the ops of orphaned descriptors and closes these. */
void rota_descriptors_bury(rota_loop_t *loop);

/* Closes what is still open when the loop ends; `forget`: only closes the numbers, for dfree. */
void rota_descriptors_close(rota_loop_t *loop);
void rota_descriptors_forget(rota_loop_t *loop);

/* In a forked child, async-signal-safe: the parent's connections must not stay open for as long as
 * the child lives. What was numbered stays, it may have been handed over. All objects are closed.
 */
void rota_descriptors_leave(rota_loop_t *loop);

/* Counts a one-shot operation on the descriptor, and gives it a slot once it has had so many that a
 * slot pays (registering costs a system call per batch, dropping another). */
void rota_descriptor_count(rota_descriptor_t *descriptor);

void rota_init_descriptor(void);

#endif
