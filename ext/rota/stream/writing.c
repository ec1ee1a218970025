#include "stream/writing.h"

#include "runtime/await.h"
#include "runtime/error.h"
#include "runtime/interrupt.h"
#include "stream/stream.h"
#include "verbs/write.h"

#include <sys/socket.h>

struct output {
    VALUE self;
    rota_loop_t *loop;
    rota_stream_t *stream;
    int argc;
    const VALUE *argv;
};

static VALUE leave_gate(VALUE data)
{
    struct output *output = (struct output *)data;
    rota_gate_leave(&output->stream->write_gate);
    return Qnil;
}

/* Asked again behind the gate: others may have closed it meanwhile. */
static void check_writable(const rota_stream_t *stream)
{
    if (!stream->descriptor.loop) rota_interrupt_raise_closed("stream closed in another task");
    if (!stream->writable) rb_raise(rb_eIOError, "not opened for writing");
}

static VALUE write_gated(VALUE data)
{
    struct output *output = (struct output *)data;
    rota_stream_t *stream = output->stream;
    check_writable(stream);
    rota_descriptor_count(&stream->descriptor);
    rota_writing_t writing = {.loop = output->loop,
                              .verb = "write",
                              .target = rota_target_again(output->loop, output->self),
                              .socket = stream->socket,
                              .deadline_ns = rota_stream_deadline_ns(stream)};
    return SIZET2NUM(rota_write_all(&writing, output->argc, output->argv));
}

/* The bytes of one call are never mixed with those of another: writers pass one by one. */
static VALUE write_strings(VALUE self, int argc, const VALUE *argv)
{
    struct output output = {.self = self, .argc = argc, .argv = argv};
    output.stream = rota_stream_get(self, &output.loop);
    check_writable(output.stream);
    rota_gate_enter(&output.stream->write_gate, "its turn to write", output.stream->descriptor.fd);
    VALUE result = rb_ensure(write_gated, (VALUE)&output, leave_gate, (VALUE)&output);
    RB_GC_GUARD(self);
    return result;
}

/* call-seq: write(*strings) -> Integer
 *
 * Writes all of it, at once as far as the kernel takes it. A call's bytes stay together, also when
 * several tasks write.
 *
 * @param strings [Array<String, #to_s>]
 * @return [Integer] bytes written
 * @raise [SystemCallError] +Errno::EPIPE+, +Errno::ECONNRESET+ ...; it answers +bytes_written+ when
 *   some had gone out, as does an interrupt
 * @raise [Rota::TimeoutError] the peer took nothing within +timeout+
 * @raise [IOError] the stream is closed, or was closed meanwhile */
static VALUE stream_write(int argc, VALUE *argv, VALUE self)
{
    return argc ? write_strings(self, argc, argv) : INT2FIX(0);
}

/* Writes one object, and can be chained.
 *
 * @return [Rota::Stream]
 * @raise as +write+ */
static VALUE stream_append(VALUE self, VALUE object)
{
    write_strings(self, 1, &object);
    return self;
}

/* Ends the sending direction of a socket: the peer reads the end. Waits for writes on their way.
 *
 * @return [nil]
 * @raise [SystemCallError] +Errno::ENOTCONN+ ...
 * @raise [IOError] the stream is closed, or is no socket */
static VALUE stream_close_write(VALUE self)
{
    rota_loop_t *loop;
    rota_stream_t *stream = rota_stream_get(self, &loop);
    if (!stream->socket) rb_raise(rb_eIOError, "closing non-duplex IO for writing");
    if (!stream->writable) return Qnil;
    rota_gate_enter(&stream->write_gate, "its turn to write", stream->descriptor.fd);
    bool closed = !stream->descriptor.loop;
    int result = closed ? 0 : shutdown(stream->descriptor.fd, SHUT_WR);
    int error = errno;
    if (result == 0) stream->writable = false;
    rota_gate_leave(&stream->write_gate);
    if (closed) rota_interrupt_raise_closed("stream closed in another task");
    if (result) rota_error_raise(-error, "close_write");
    RB_GC_GUARD(self);
    return Qnil;
}

void rota_init_stream_writing(VALUE klass)
{
    rb_define_method(klass, "write", stream_write, -1);
    rb_define_method(klass, "<<", stream_append, 1);
    rb_define_method(klass, "close_write", stream_close_write, 0);
}
