#include "stream/reading.h"

#include "runtime/await.h"
#include "runtime/error.h"
#include "runtime/interrupt.h"
#include "stream/receive.h"
#include "stream/text.h"

#define PIECE 8192

static ID id_exception;
static VALUE sym_wait_readable;

rota_stream_t *rota_stream_for_text(VALUE self, rota_loop_t **loop)
{
    rota_stream_t *stream = rota_stream_get(self, loop);
    if (ROTA_UNLIKELY(!stream->readable)) rb_raise(rb_eIOError, "not opened for reading");
    return stream;
}

rota_stream_t *rota_stream_for_bytes(VALUE self, rota_loop_t **loop)
{
    rota_stream_t *stream = rota_stream_for_text(self, loop);
    if (ROTA_UNLIKELY(rota_text_pending(stream)))
        rb_raise(rb_eIOError, "byte oriented read for character buffered IO");
    return stream;
}

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

VALUE rota_stream_as_reader_until(VALUE self, VALUE (*body)(VALUE), void *reading,
                                  uint64_t deadline_ns)
{
    struct gated gated;
    gated.stream = rota_stream_get(self, &gated.loop);
    bool entered = rota_gate_enter_until(&gated.stream->read_gate, "its turn to read",
                                         gated.stream->descriptor.fd, deadline_ns);
    if (!entered) return Qnil;
    if (!gated.stream->descriptor.loop) { /* closed while this task waited for its turn */
        leave_gate((VALUE)&gated);
        rota_interrupt_raise_closed(ROTA_CLOSED_MEANWHILE);
    }
    gated.stream->descriptor.buffered = true; /* a seek in front of it may have ended that */
    VALUE result = rb_ensure(body, (VALUE)reading, leave_gate, (VALUE)&gated);
    RB_GC_GUARD(self);
    return result;
}

VALUE rota_stream_as_reader(VALUE self, VALUE (*body)(VALUE), void *reading)
{
    return rota_stream_as_reader_until(self, body, reading, UINT64_MAX);
}

/* With the gate in hand, which is left when this raises. An idle connection waits here, so nothing
 * stands under rb_ensure meanwhile: that is 300 bytes on the stack of each. */
static void await_first_byte(rota_loop_t *loop, rota_stream_t *stream)
{
    int jump = 0;
    stream->descriptor.buffered = true;
    if (rota_stream_available(stream) || stream->ended) return;
    rota_fill_t fill = rota_stream_try_fill(loop, stream, rota_stream_deadline_ns(stream), &jump);
    if (fill == ROTA_FILL_MORE || fill == ROTA_FILL_END) return;
    rota_gate_leave(&stream->read_gate);
    rota_stream_settle(loop, stream, fill, jump);
}

VALUE rota_stream_as_taker(VALUE self, VALUE (*body)(VALUE), void *reading)
{
    struct gated gated;
    gated.stream = rota_stream_get(self, &gated.loop);
    rota_stream_t *stream = gated.stream;
    if (stream->read_gate.held || stream->descriptor.file || rota_text_pending(stream))
        return rota_stream_as_reader(self, body, reading);
    rota_gate_enter(&stream->read_gate, "its turn to read", stream->descriptor.fd);
    await_first_byte(gated.loop, stream);
    VALUE result = rb_ensure(body, (VALUE)reading, leave_gate, (VALUE)&gated);
    RB_GC_GUARD(self);
    return result;
}

VALUE rota_stream_between_readers(VALUE self, VALUE (*body)(VALUE), void *change)
{
    rota_loop_t *loop;
    rota_stream_t *stream = rota_stream_get(self, &loop);
    if (stream->read_gate.held) return rota_stream_as_reader(self, body, change);
    return body((VALUE)change);
}

size_t rota_stream_gather(rota_loop_t *loop, rota_stream_t *stream, size_t length)
{
    while (rota_stream_available(stream) < length)
        if (!rota_stream_fill(loop, stream)) break;
    size_t there = rota_stream_available(stream);
    return there < length ? there : length;
}

size_t rota_stream_length_argument(VALUE value)
{
    long length = NUM2LONG(value);
    if (length < 0) rb_raise(rb_eArgError, "negative length %ld given", length);
    return (size_t)length;
}

struct reading {
    rota_loop_t *loop;
    rota_stream_t *stream;
    size_t length;
    VALUE buffer; /* the caller's String, or nil */
};

static VALUE buffer_argument(VALUE buffer)
{
    if (NIL_P(buffer)) return Qnil;
    StringValue(buffer);
    rb_str_modify(buffer);
    return buffer;
}

/* A length and perhaps a buffer, checked before anything is asked of the stream. */
static struct reading checked(VALUE length, VALUE buffer)
{
    struct reading reading = {.length = rota_stream_length_argument(length)};
    reading.buffer = buffer_argument(buffer);
    return reading;
}

static struct reading reading_bytes(VALUE self, VALUE length, VALUE buffer)
{
    struct reading reading = checked(length, buffer);
    reading.stream = rota_stream_for_bytes(self, &reading.loop);
    return reading;
}

static void empty_buffer(const struct reading *reading)
{
    if (!NIL_P(reading->buffer)) rb_str_resize(reading->buffer, 0);
}

/* The first `length` bytes: in the caller's String if there is one. That one may have been shared
 * or read by others while this task waited, so it is made its own memory only now. */
static VALUE deliver(const struct reading *reading, size_t length)
{
    if (NIL_P(reading->buffer)) return rota_stream_take_string(reading->stream, length);
    VALUE buffer = reading->buffer;
    rb_str_modify(buffer);
    rb_str_resize(buffer, (long)length);
    rota_stream_take(reading->stream, (uint8_t *)RSTRING_PTR(buffer), length);
    return buffer;
}

/* -- read ---------------------------------------------------------------------------------------
 */

static VALUE read_bytes(VALUE data)
{
    struct reading *reading = (struct reading *)data;
    size_t there = rota_stream_gather(reading->loop, reading->stream, reading->length);
    if (there) return deliver(reading, there);
    empty_buffer(reading);
    return Qnil;
}

static VALUE read_to_end(VALUE data)
{
    struct reading *reading = (struct reading *)data;
    size_t there;
    while (rota_text_fill_much(reading->loop, reading->stream)) continue;
    rota_text_view(reading->stream, &there);
    if (!NIL_P(reading->buffer)) rb_str_modify(reading->buffer); /* or nothing is taken */
    VALUE rest = rota_text_take_string(reading->stream, there);
    return NIL_P(reading->buffer) ? rest : rb_str_replace(reading->buffer, rest);
}

/* call-seq: read(length = nil, buffer = nil) -> String or nil
 *
 * As IO#read: all up to the end, or +length+ bytes, fewer only at the end.
 *
 * @param length [Integer, nil] bytes
 * @param buffer [String, nil] what the bytes replace; it is the result then
 * @return [String] binary with a length, else in the stream's encoding
 * @return [nil] at the end, when a length was given
 * @raise [SystemCallError] what ended the stream, +Errno::ECONNRESET+ for instance
 * @raise [Rota::TimeoutError] nothing came within +timeout+; what came before stays readable
 * @raise [IOError] the stream is closed, was closed meanwhile, or is only written to */
static VALUE stream_read(int argc, VALUE *argv, VALUE self)
{
    VALUE length, buffer;
    rb_scan_args(argc, argv, "02", &length, &buffer);
    struct reading reading;
    if (NIL_P(length)) {
        reading.stream = rota_stream_for_text(self, &reading.loop);
        reading.buffer = buffer_argument(buffer);
        return rota_stream_as_reader(self, read_to_end, &reading);
    }
    reading = reading_bytes(self, length, buffer);
    if (reading.length == 0) return deliver(&reading, 0);
    return rota_stream_as_taker(self, read_bytes, &reading);
}

/* -- readpartial, read_nonblock -----------------------------------------------------------------
 */

/* What is there; nil when that is nothing. */
static VALUE deliver_some(const struct reading *reading)
{
    size_t there = rota_stream_available(reading->stream);
    if (there) return deliver(reading, there < reading->length ? there : reading->length);
    empty_buffer(reading);
    return Qnil;
}

/* What is there, or comes; nil at the end. */
static VALUE read_some(VALUE data)
{
    const struct reading *reading = (struct reading *)data;
    if (!rota_stream_available(reading->stream)) rota_stream_fill(reading->loop, reading->stream);
    return deliver_some(reading);
}

/* The same as the only reader; the gate is free again before the bytes are taken, which switches to
 * nobody. */
static VALUE read_some_alone(VALUE self, struct reading *reading)
{
    rota_stream_t *stream = reading->stream;
    if (stream->read_gate.held || stream->descriptor.file)
        return rota_stream_as_reader(self, read_some, reading);
    rota_gate_enter(&stream->read_gate, "its turn to read", stream->descriptor.fd);
    await_first_byte(reading->loop, stream);
    rota_gate_leave(&stream->read_gate);
    if (!rota_stream_available(stream)) rota_stream_settle(reading->loop, stream, ROTA_FILL_END, 0);
    VALUE bytes = deliver_some(reading);
    RB_GC_GUARD(self);
    return bytes;
}

/* call-seq: readpartial(maxlen, buffer = nil) -> String
 *
 * As IO#readpartial: what is there, at most +maxlen+ bytes; waits only when nothing is.
 *
 * @param maxlen [Integer] bytes
 * @param buffer [String, nil] what the bytes replace; it is the result then
 * @return [String] binary
 * @raise [EOFError] at the end
 * @raise as +read+ */
static VALUE stream_readpartial(int argc, VALUE *argv, VALUE self)
{
    VALUE length, buffer;
    rb_scan_args(argc, argv, "11", &length, &buffer);
    struct reading reading = reading_bytes(self, length, buffer);
    if (reading.length == 0) return deliver(&reading, 0);
    VALUE bytes = read_some_alone(self, &reading);
    if (NIL_P(bytes)) rb_eof_error();
    return bytes;
}

bool rota_stream_raises(VALUE options)
{
    VALUE exception = Qundef;
    if (NIL_P(options)) return true;
    rb_get_kwargs(options, &id_exception, 0, 1, &exception);
    if (exception == Qundef || exception == Qtrue) return true;
    if (exception == Qfalse) return false;
    rb_raise(rb_eArgError, "expected true or false as exception: %+" PRIsVALUE, exception);
}

/* What is there already, or false. A reader that has the gate is waiting for just that. */
static VALUE read_now(const struct reading *reading)
{
    rota_stream_t *stream = reading->stream;
    if (stream->read_gate.held) return Qfalse;
    stream->descriptor.buffered = true;
    if (!rota_stream_poll(reading->loop, stream)) return Qfalse;
    return read_some((VALUE)reading);
}

/* call-seq: read_nonblock(maxlen, buffer = nil, exception: true) -> String, :wait_readable or nil
 *
 * As IO#read_nonblock: what is there, without waiting.
 *
 * @param maxlen [Integer] bytes
 * @param buffer [String, nil] what the bytes replace; it is the result then
 * @param exception [Boolean] false: gives +:wait_readable+ and nil instead of raising
 * @return [String] binary
 * @return [Symbol] +:wait_readable+ when nothing is there
 * @return [nil] at the end
 * @raise [IO::EAGAINWaitReadable] nothing is there
 * @raise [EOFError] at the end
 * @raise as +read+ */
static VALUE stream_read_nonblock(int argc, VALUE *argv, VALUE self)
{
    VALUE length, buffer, options;
    rb_scan_args(argc, argv, "11:", &length, &buffer, &options);
    struct reading reading = checked(length, buffer);
    bool raises = rota_stream_raises(options);
    reading.stream = rota_stream_for_bytes(self, &reading.loop);
    if (reading.length == 0) return deliver(&reading, 0);
    VALUE bytes = read_now(&reading);
    RB_GC_GUARD(self);
    if (bytes == Qfalse && raises)
        rb_readwrite_syserr_fail(RB_IO_WAIT_READABLE, EAGAIN, "read would block");
    if (bytes == Qfalse) return sym_wait_readable;
    if (NIL_P(bytes) && raises) rb_eof_error();
    return bytes;
}

/* -- Rota's own ---------------------------------------------------------------------------------
 */

static VALUE read_all_of_it(VALUE data)
{
    struct reading *reading = (struct reading *)data;
    if (rota_stream_gather(reading->loop, reading->stream, reading->length) < reading->length)
        rb_eof_error();
    return deliver(reading, reading->length);
}

/* call-seq: read_exactly(length) -> String
 *
 * @param length [Integer] bytes
 * @return [String] exactly +length+ bytes, binary
 * @raise [EOFError] when the stream ends before; what came stays readable
 * @raise as +read+ */
static VALUE stream_read_exactly(VALUE self, VALUE length)
{
    struct reading reading = reading_bytes(self, length, Qnil);
    if (reading.length == 0) return deliver(&reading, 0);
    return rota_stream_as_taker(self, read_all_of_it, &reading);
}

static VALUE look_ahead(VALUE data)
{
    struct reading *reading = (struct reading *)data;
    size_t length = rota_stream_gather(reading->loop, reading->stream, reading->length), there;
    if (!length) return Qnil;
    return rb_str_new((const char *)rota_stream_view(reading->stream, &there), (long)length);
}

/* call-seq: peek(length) -> String or nil
 *
 * What +read+ would give, without taking it.
 *
 * @param length [Integer] bytes
 * @return [String] +length+ bytes, fewer only when the stream ends before; binary
 * @return [nil] at the end
 * @raise as +read+ */
static VALUE stream_peek(VALUE self, VALUE length)
{
    struct reading reading = reading_bytes(self, length, Qnil);
    if (reading.length == 0) return rb_str_new(NULL, 0);
    return rota_stream_as_taker(self, look_ahead, &reading);
}

struct skipping {
    struct reading reading;
    VALUE self;
    size_t left;
};

static VALUE skip_bytes(VALUE data)
{
    struct skipping *skipping = (struct skipping *)data;
    rota_stream_t *stream = skipping->reading.stream;
    for (;;) {
        size_t there = rota_stream_available(stream);
        if (there > skipping->left) there = skipping->left;
        rota_stream_skip(stream, there);
        skipping->left -= there;
        if (!skipping->left || !rota_stream_fill(skipping->reading.loop, stream)) return Qnil;
    }
}

static VALUE skip_in_turn(VALUE data)
{
    return rota_stream_as_reader(((struct skipping *)data)->self, skip_bytes, (void *)data);
}

/* call-seq: skip(length) -> Integer
 *
 * Passes over bytes without making a String of them or keeping them.
 *
 * @param length [Integer] bytes
 * @return [Integer] how many it were: fewer only when the stream ends before
 * @raise as +read+; the exception, and an interrupt, answers +bytes_skipped+ when some were */
static VALUE stream_skip(VALUE self, VALUE length)
{
    struct skipping skipping = {.self = self, .reading = reading_bytes(self, length, Qnil)};
    int state = 0;
    skipping.left = skipping.reading.length;
    rb_protect(skip_in_turn, (VALUE)&skipping, &state);
    size_t skipped = skipping.reading.length - skipping.left;
    if (state) rota_error_tell(state, "bytes_skipped", skipped);
    RB_GC_GUARD(self);
    return SIZET2NUM(skipped);
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
    struct reading reading;
    reading.stream = rota_stream_for_text(self, &reading.loop);
    if (rota_text_pending(reading.stream)) return Qfalse;
    return rota_stream_as_taker(self, at_end, &reading);
}

/* call-seq: read_loop(maxlen = 8192) { |bytes| } -> self
 *
 * Yields what comes, as it comes, until the end.
 *
 * @param maxlen [Integer] bytes at most at a time
 * @return [Rota::Stream]
 * @raise as +read+ */
static VALUE stream_read_loop(int argc, VALUE *argv, VALUE self)
{
    VALUE maxlen, bytes;
    rb_scan_args(argc, argv, "01", &maxlen);
    rb_need_block();
    struct reading reading = reading_bytes(self, NIL_P(maxlen) ? INT2FIX(PIECE) : maxlen, Qnil);
    if (reading.length == 0) rb_raise(rb_eArgError, "maxlen must be positive");
    while (!NIL_P(bytes = read_some_alone(self, &reading))) rb_yield(bytes);
    return self;
}

void rota_init_stream_reading(VALUE klass)
{
    id_exception = rb_intern("exception");
    sym_wait_readable = ID2SYM(rb_intern("wait_readable"));
    rb_define_method(klass, "read", stream_read, -1);
    rb_define_method(klass, "readpartial", stream_readpartial, -1);
    rb_define_method(klass, "read_nonblock", stream_read_nonblock, -1);
    rb_define_method(klass, "read_exactly", stream_read_exactly, 1);
    rb_define_method(klass, "read_loop", stream_read_loop, -1);
    rb_define_method(klass, "peek", stream_peek, 1);
    rb_define_method(klass, "skip", stream_skip, 1);
    rb_define_method(klass, "eof?", stream_eof_p, 0);
}
