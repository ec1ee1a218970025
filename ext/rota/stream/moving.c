#include "stream/moving.h"

#include "runtime/error.h"
#include "runtime/leftover.h"
#include "stream/reading.h"
#include "stream/receive.h"
#include "verbs/copy.h"
#include "verbs/write.h"

/* What is buffered is written in pieces of this size. */
#define PIECE (64 * 1024)

struct moving {
    VALUE self;
    rota_loop_t *loop;
    rota_stream_t *stream;
    VALUE io;
    rota_stream_t *gated; /* the target, where that is a stream: nobody writes in between */
    uint64_t moved;
    VALUE piece;            /* on its way; Qfalse: none */
    rota_writing_t writing; /* ... and how much of it has arrived */
};

static rota_target_t target_of(const struct moving *moving)
{
    return rota_target_writable(moving->loop, moving->io);
}

static void write_piece(struct moving *moving)
{
    moving->writing.target = target_of(moving); /* to_io may run, and close the source */
    size_t there = rota_stream_available(moving->stream);
    moving->writing.written = 0;
    moving->piece = rota_stream_take_string(moving->stream, there < PIECE ? there : PIECE);
    rota_write(&moving->writing, moving->piece);
    moving->moved += moving->writing.written;
    moving->piece = Qfalse;
}

/* What came before the receive was ended goes first. */
static void write_buffered(struct moving *moving)
{
    for (;;) {
        while (rota_stream_available(moving->stream)) write_piece(moving);
        if (!moving->stream->op) return;
        rota_stream_stop_receiving(moving->loop, moving->stream);
    }
}

static VALUE move(VALUE data)
{
    struct moving *moving = (struct moving *)data;
    write_buffered(moving);
    while (moving->stream->ended) { /* a file's end is not for ever */
        if (!rota_stream_fill(moving->loop, moving->stream)) return Qnil;
        write_buffered(moving);
    }
    rota_target_t target = target_of(moving);
    rota_target_t source = rota_target(moving->loop, moving->self); /* a close is told to it */
    rota_copy(moving->loop, &source, &target, UINT64_MAX, UINT64_MAX, "splice_to", &moving->moved);
    return Qnil;
}

/* What the copy gave back. It stays where it is when there is no memory for it. */
static void take_leftover(const struct moving *moving)
{
    rota_fifo_t **kept = &moving->stream->kept;
    int fd = moving->stream->descriptor.fd;
    while (rota_leftover_is_kept(moving->loop, fd)) {
        uint8_t *room = rota_fifo_reserve(kept, PIECE);
        if (!room) rb_memerror();
        rota_fifo_written(kept, (size_t)rota_leftover_take(moving->loop, fd, room, PIECE, false));
    }
}

/* What did not arrive is read by who reads next. */
static void keep_rest(struct moving *moving)
{
    rota_stream_t *stream = moving->stream;
    size_t written = moving->piece ? moving->writing.written : 0;
    moving->moved += written;
    if (!stream->descriptor.loop) return; /* closed meanwhile: nobody will read */
    take_leftover(moving);
    if (!moving->piece) return;
    rota_stream_push_back(stream, (const uint8_t *)RSTRING_PTR(moving->piece) + written,
                          (size_t)RSTRING_LEN(moving->piece) - written);
}

static VALUE settle(VALUE data)
{
    struct moving *moving = (struct moving *)data;
    if (moving->gated) rota_gate_leave(&moving->gated->write_gate);
    keep_rest(moving); /* raises when there is no memory */
    return Qnil;
}

static VALUE move_gated(VALUE data)
{
    struct moving *moving = (struct moving *)data;
    if (rb_typeddata_is_kind_of(moving->io, &rota_stream_type)) {
        rota_loop_t *loop;
        rota_stream_t *target = rota_stream_get(moving->io, &loop);
        rota_gate_enter(&target->write_gate, "its turn to write", target->descriptor.fd);
        moving->gated = target;
    }
    return rb_ensure(move, data, settle, data);
}

static VALUE read_and_move(VALUE data)
{
    return rota_stream_as_reader(((struct moving *)data)->self, move_gated, (void *)data);
}

/* call-seq: splice_to(io) -> Integer
 *
 * Moves everything that is still to come, until the end, to another io: first what is buffered
 * here, then through the kernel alone (as Loop#copy). Reads of other tasks wait, and so do writes
 * to a target that is a stream. +timeout+ is not for this.
 *
 * Interrupted, or when the target fails, it loses nothing: what has not arrived is there to be
 * read, and the exception answers +bytes_written+ when some has.
 *
 * @param io [IO, Rota::Stream, Integer]
 * @return [Integer] bytes moved
 * @raise [SystemCallError] +Errno::EPIPE+, +Errno::ECONNRESET+ ...
 * @raise [IOError] one of them is closed, was closed meanwhile, or this one holds characters */
static VALUE stream_splice_to(VALUE self, VALUE io)
{
    int state = 0;
    struct moving moving = {.self = self, .io = io, .piece = Qfalse};
    moving.stream = rota_stream_for_bytes(self, &moving.loop);
    moving.writing =
        (rota_writing_t){.loop = moving.loop, .verb = "splice_to", .deadline_ns = UINT64_MAX};
    (void)target_of(&moving); /* bad ones raise before anything happened */
    rb_protect(read_and_move, (VALUE)&moving, &state);
    if (state) rota_error_tell(state, "bytes_written", moving.moved);
    RB_GC_GUARD(moving.piece);
    RB_GC_GUARD(self);
    return ULL2NUM(moving.moved);
}

void rota_init_stream_moving(VALUE klass)
{
    rb_define_method(klass, "splice_to", stream_splice_to, 1);
}
