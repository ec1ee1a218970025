#include "stream/ending.h"

#include "runtime/error.h"
#include "runtime/held.h"
#include "runtime/interrupt.h"
#include "stream/receive.h"

#include <sys/socket.h>

/* Closes the stream: tasks that wait on it get IOError, what was received is dropped, and the peer
 * sees the end at once. Harmless for a closed one.
 *
 * @return [nil] */
static VALUE stream_close(VALUE self)
{
    rota_loop_t *loop;
    rota_stream_t *stream = rota_typed_data(self, &rota_stream_type);
    if (!stream->descriptor.loop) return Qnil;
    stream = rota_stream_get(self, &loop);
    rota_descriptor_close(&stream->descriptor);
    /* Ruby's own object for the number must not outlive it: the number will be another file's. */
    VALUE io = rb_attr_get(self, rb_intern("@to_io"));
    if (!NIL_P(io)) rb_funcall(io, rb_intern("close"), 0);
    /* The end must not wait for the next turn: what comes next may block the thread, and the peer
     * with it. What is queued for the number goes to the kernel in the same call, before the number
     * is free (C6). */
    rota_held_flush(loop);
    RB_GC_GUARD(self);
    return Qnil;
}

/* @return [Boolean] */
static VALUE stream_closed_p(VALUE self)
{
    rota_stream_t *stream = rota_typed_data(self, &rota_stream_type);
    return RBOOL(!stream->descriptor.loop);
}

/* Ends the receiving direction of a socket: who waits for more reads the end, what was received and
 * not read is dropped. A stream that is only read from is closed.
 *
 * @return [nil] also for a closed stream
 * @raise [SystemCallError] +Errno::ENOTCONN+ ...
 * @raise [IOError] it is no socket, and is written to */
static VALUE stream_close_read(VALUE self)
{
    rota_loop_t *loop;
    rota_stream_t *stream = rota_typed_data(self, &rota_stream_type);
    if (!stream->descriptor.loop) return Qnil;
    stream = rota_stream_get(self, &loop);
    if (!stream->descriptor.socket && stream->writable)
        rb_raise(rb_eIOError, "closing non-duplex IO for reading");
    if (!stream->descriptor.socket || !stream->writable) return stream_close(self);
    if (shutdown(stream->descriptor.fd, SHUT_RD) == -1) rb_sys_fail("close_read");
    stream->readable = false;
    if (!stream->read_gate.held) rota_stream_skip(stream, rota_stream_available(stream));
    return Qnil;
}

/* Ends the sending direction of a socket: the peer reads the end. Waits for writes on their way. A
 * stream that is only written to is closed.
 *
 * @return [nil] also for a closed stream
 * @raise [SystemCallError] +Errno::ENOTCONN+ ...
 * @raise [IOError] it is no socket, and is read from; or it was closed meanwhile */
static VALUE stream_close_write(VALUE self)
{
    rota_loop_t *loop;
    rota_stream_t *stream = rota_typed_data(self, &rota_stream_type);
    if (!stream->descriptor.loop) return Qnil;
    stream = rota_stream_get(self, &loop);
    if (!stream->descriptor.socket && stream->readable)
        rb_raise(rb_eIOError, "closing non-duplex IO for writing");
    rota_gate_enter(&stream->write_gate, "its turn to write", stream->descriptor.fd);
    bool closed = !stream->descriptor.loop;
    bool wanted = !closed && stream->descriptor.socket && stream->writable;
    int result = wanted ? shutdown(stream->descriptor.fd, SHUT_WR) : 0;
    int error = errno;
    if (result == 0) stream->writable = false;
    rota_gate_leave(&stream->write_gate);
    if (closed) rota_interrupt_raise_closed(ROTA_CLOSED_MEANWHILE);
    if (result) rota_error_raise(-error, "close_write");
    if (!stream->readable || !stream->descriptor.socket) return stream_close(self);
    RB_GC_GUARD(self);
    return Qnil;
}

void rota_init_stream_ending(VALUE klass)
{
    rb_define_method(klass, "close", stream_close, 0);
    rb_define_method(klass, "closed?", stream_closed_p, 0);
    rb_define_method(klass, "close_read", stream_close_read, 0);
    rb_define_method(klass, "close_write", stream_close_write, 0);
}
