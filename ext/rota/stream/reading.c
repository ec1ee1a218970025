#include "stream/reading.h"

#include "runtime/await.h"
#include "runtime/interrupt.h"
#include "stream/receive.h"

struct gated {
    rota_loop_t *loop;
    rota_stream_t *stream;
};

static VALUE leave_gate(VALUE data)
{
    struct gated *gated = (struct gated *)data;
    rota_gate_leave(&gated->stream->read_gate);
    return Qnil;
}

VALUE rota_stream_as_reader(VALUE self, VALUE (*body)(VALUE), void *reading)
{
    struct gated gated;
    gated.stream = rota_stream_get(self, &gated.loop);
    gated.stream->descriptor.buffered = true;
    rota_gate_enter(&gated.stream->read_gate, "its turn to read", gated.stream->descriptor.fd);
    if (!gated.stream->descriptor.loop) { /* closed while this task waited for its turn */
        leave_gate((VALUE)&gated);
        rota_interrupt_raise_closed("stream closed in another task");
    }
    VALUE result = rb_ensure(body, (VALUE)reading, leave_gate, (VALUE)&gated);
    RB_GC_GUARD(self);
    return result;
}

VALUE rota_stream_text(VALUE string)
{
    rb_enc_associate(string, rb_default_external_encoding());
    return string;
}

struct reading {
    rota_loop_t *loop;
    rota_stream_t *stream;
    size_t length;
    VALUE buffer; /* the caller's String, or nil */
};

static struct reading reading_for(VALUE self)
{
    struct reading reading = {.buffer = Qnil};
    reading.stream = rota_stream_get(self, &reading.loop);
    return reading;
}

static size_t length_argument(VALUE value)
{
    long length = NUM2LONG(value);
    if (length < 0) rb_raise(rb_eArgError, "negative length %ld given", length);
    return (size_t)length;
}

static void buffer_argument(struct reading *reading, VALUE buffer)
{
    if (NIL_P(buffer)) return;
    reading->buffer = StringValue(buffer);
    rb_str_modify(buffer);
}

/* The first `length` bytes: in the caller's String if there is one. */
static VALUE deliver(struct reading *reading, size_t length)
{
    if (NIL_P(reading->buffer)) return rota_stream_take_string(reading->stream, length);
    VALUE buffer = reading->buffer;
    rb_str_resize(buffer, (long)length);
    rota_stream_take(reading->stream, (uint8_t *)RSTRING_PTR(buffer), length);
    return buffer;
}

static VALUE read_exactly(VALUE data)
{
    struct reading *reading = (struct reading *)data;
    rota_stream_t *stream = reading->stream;
    while (rota_stream_available(stream) < reading->length)
        if (!rota_stream_fill(reading->loop, stream)) break;
    size_t there = rota_stream_available(stream);
    if (there == 0) {
        if (!NIL_P(reading->buffer)) rb_str_resize(reading->buffer, 0);
        return Qnil;
    }
    return deliver(reading, there < reading->length ? there : reading->length);
}

static VALUE read_to_end(VALUE data)
{
    struct reading *reading = (struct reading *)data;
    while (rota_stream_fill(reading->loop, reading->stream)) continue;
    return rota_stream_text(deliver(reading, rota_stream_available(reading->stream)));
}

/* call-seq: read(length = nil, buffer = nil) -> String or nil
 *
 * As IO#read: all up to the end, or +length+ bytes, fewer only at the end.
 *
 * @return [String] binary with a length, else in the default external encoding
 * @return [nil] at the end, when a length was given
 * @raise [SystemCallError] what ended the stream, +Errno::ECONNRESET+ for instance
 * @raise [Rota::TimeoutError] nothing came within +timeout+; what came before stays readable
 * @raise [IOError] the stream is closed, or was closed meanwhile */
static VALUE stream_read(int argc, VALUE *argv, VALUE self)
{
    VALUE length, buffer;
    rb_scan_args(argc, argv, "02", &length, &buffer);
    struct reading reading = reading_for(self);
    buffer_argument(&reading, buffer);
    if (NIL_P(length)) return rota_stream_as_reader(self, read_to_end, &reading);
    reading.length = length_argument(length);
    if (reading.length == 0) return deliver(&reading, 0);
    return rota_stream_as_reader(self, read_exactly, &reading);
}

static VALUE read_some(VALUE data)
{
    struct reading *reading = (struct reading *)data;
    if (!rota_stream_available(reading->stream) &&
        !rota_stream_fill(reading->loop, reading->stream)) {
        if (!NIL_P(reading->buffer)) rb_str_resize(reading->buffer, 0);
        rb_eof_error();
    }
    size_t there = rota_stream_available(reading->stream);
    return deliver(reading, there < reading->length ? there : reading->length);
}

/* call-seq: readpartial(maxlen, buffer = nil) -> String
 *
 * As IO#readpartial: what is there, at most +maxlen+ bytes; waits only when nothing is.
 *
 * @return [String] binary
 * @raise [EOFError] at the end
 * @raise as +read+ */
static VALUE stream_readpartial(int argc, VALUE *argv, VALUE self)
{
    VALUE length, buffer;
    rb_scan_args(argc, argv, "11", &length, &buffer);
    struct reading reading = reading_for(self);
    reading.length = length_argument(length);
    buffer_argument(&reading, buffer);
    if (reading.length == 0) return deliver(&reading, 0);
    return rota_stream_as_reader(self, read_some, &reading);
}

static VALUE read_all_of_it(VALUE data)
{
    struct reading *reading = (struct reading *)data;
    while (rota_stream_available(reading->stream) < reading->length)
        if (!rota_stream_fill(reading->loop, reading->stream)) rb_eof_error();
    return deliver(reading, reading->length);
}

/* call-seq: read_exactly(length) -> String
 *
 * @return [String] exactly +length+ bytes, binary
 * @raise [EOFError] when the stream ends before; what came stays readable
 * @raise as +read+ */
static VALUE stream_read_exactly(VALUE self, VALUE length)
{
    struct reading reading = reading_for(self);
    reading.length = length_argument(length);
    return rota_stream_as_reader(self, read_all_of_it, &reading);
}

static VALUE at_end(VALUE data)
{
    struct reading *reading = (struct reading *)data;
    if (rota_stream_available(reading->stream)) return Qfalse;
    return RBOOL(!rota_stream_fill(reading->loop, reading->stream));
}

/* Waits until there is something to read, or the end.
 *
 * @return [Boolean] is it the end?
 * @raise as +read+ */
static VALUE stream_eof_p(VALUE self)
{
    struct reading reading = reading_for(self);
    return rota_stream_as_reader(self, at_end, &reading);
}

/* call-seq: read_loop(maxlen = 8192) { |bytes| } -> self
 *
 * Yields what comes, as it comes, until the end.
 *
 * @return [Rota::Stream]
 * @raise as +read+ */
static VALUE stream_read_loop(int argc, VALUE *argv, VALUE self)
{
    VALUE maxlen;
    rb_scan_args(argc, argv, "01", &maxlen);
    rb_need_block();
    struct reading reading = reading_for(self);
    reading.length = NIL_P(maxlen) ? 8192 : length_argument(maxlen);
    if (reading.length == 0) rb_raise(rb_eArgError, "maxlen must be positive");
    while (!RTEST(rota_stream_as_reader(self, at_end, &reading)))
        rb_yield(rota_stream_as_reader(self, read_some, &reading));
    return self;
}

void rota_init_stream_reading(VALUE klass)
{
    rb_define_method(klass, "read", stream_read, -1);
    rb_define_method(klass, "readpartial", stream_readpartial, -1);
    rb_define_method(klass, "read_exactly", stream_read_exactly, 1);
    rb_define_method(klass, "read_loop", stream_read_loop, -1);
    rb_define_method(klass, "eof?", stream_eof_p, 0);
}
