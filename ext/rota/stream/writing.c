#include "stream/writing.h"

#include "runtime/bytes.h"
#include "runtime/error.h"
#include "runtime/interrupt.h"
#include "stream/position.h"
#include "stream/reading.h"
#include "stream/stream.h"
#include "stream/text.h"
#include "verbs/write.h"

#include <sys/stat.h>
#include <unistd.h>

static VALUE sym_wait_writable;

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

static void check_writable(const rota_stream_t *stream)
{
    if (!stream->writable) rb_raise(rb_eIOError, "not opened for writing");
}

static rota_stream_t *stream_for_output(VALUE self, rota_loop_t **loop)
{
    rota_stream_t *stream = rota_stream_get(self, loop);
    check_writable(stream);
    return stream;
}

static rota_writing_t writing_to(const struct output *output)
{
    return (rota_writing_t){.loop = output->loop,
                            .verb = "write",
                            .target = rota_target_again(output->loop, output->self),
                            .sends = output->stream->descriptor.socket,
                            .deadline_ns = rota_stream_deadline_ns(output->stream)};
}

/* Behind the gate: others may have closed it meanwhile. */
static VALUE write_gated(VALUE data)
{
    struct output *output = (struct output *)data;
    rota_stream_t *stream = output->stream;
    if (!stream->descriptor.loop) rota_interrupt_raise_closed(ROTA_CLOSED_MEANWHILE);
    check_writable(stream);
    rota_descriptor_count(&stream->descriptor);
    rota_position_settle(output->self, output->loop, stream);
    rota_writing_t writing = writing_to(output);
    return SIZET2NUM(rota_write_all(&writing, output->argc, output->argv));
}

/* One String with nobody else writing, as most are. The gate is left by hand: rb_ensure would be
 * 300 bytes more on the stack of each connection that waits here, and one page in all. */
static VALUE write_alone(struct output *output)
{
    rota_stream_t *stream = output->stream;
    int state = 0;
    rota_gate_enter(&stream->write_gate, "its turn to write", stream->descriptor.fd);
    size_t written = 0;
    bool open = stream->descriptor.loop != NULL; /* an interjection may have closed it */
    if (open) {
        rota_descriptor_count(&stream->descriptor);
        rota_writing_t writing = writing_to(output);
        writing.gate = &stream->write_gate;
        written = rota_write_quietly(&writing, output->argv[0], &state);
    }
    rota_gate_leave(&stream->write_gate);
    if (ROTA_UNLIKELY(state)) rota_error_tell(state, "bytes_written", written);
    if (!open) rota_interrupt_raise_closed(ROTA_CLOSED_MEANWHILE);
    return SIZET2NUM(written);
}

/* The bytes of one call are never mixed with those of another: writers pass one by one. */
static VALUE write_through_gate(struct output *output)
{
    rota_gate_t *gate = &output->stream->write_gate;
    VALUE result;
    if (output->argc == 1 && !gate->held && !output->stream->descriptor.file) {
        result = write_alone(output);
    } else {
        rota_gate_enter(gate, "its turn to write", output->stream->descriptor.fd);
        result = rb_ensure(write_gated, (VALUE)output, leave_gate, (VALUE)output);
    }
    RB_GC_GUARD(output->self);
    return result;
}

/* What is sent instead of the Strings, converted before any of it leaves. */
static VALUE outgoing(const rota_stream_t *stream, int argc, const VALUE *argv)
{
    VALUE strings = rb_ary_new_capa(argc);
    for (int i = 0; i < argc; i++) {
        VALUE string = rota_bytes_is_buffer(argv[i]) ? argv[i] : rb_obj_as_string(argv[i]);
        rb_ary_push(strings, rota_text_outgoing(stream, string));
    }
    return strings;
}

/* Small Strings become one in front of the gate, and need no more stack than one. */
static VALUE write_joined(struct output *output)
{
    VALUE joined = rota_write_join_small(output->argc, output->argv);
    if (joined) {
        output->argc = 1;
        output->argv = &joined;
    }
    VALUE written = write_through_gate(output);
    RB_GC_GUARD(joined);
    return written;
}

static VALUE write_strings(VALUE self, int argc, const VALUE *argv)
{
    struct output output = {.self = self, .argc = argc, .argv = argv};
    output.stream = stream_for_output(self, &output.loop);
    if (ROTA_LIKELY(!output.stream->text))
        return argc == 1 ? write_through_gate(&output) : write_joined(&output);
    VALUE strings = outgoing(output.stream, argc, argv);
    output.argv = RARRAY_CONST_PTR(strings);
    VALUE written = write_through_gate(&output);
    RB_GC_GUARD(strings);
    return written;
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
 * @raise [IOError] the stream is closed, was closed meanwhile, or is only read from */
static VALUE stream_write(int argc, VALUE *argv, VALUE self)
{
    rota_loop_t *loop;
    if (argc) return write_strings(self, argc, argv);
    stream_for_output(self, &loop);
    return INT2FIX(0);
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

/* -- write_nonblock -----------------------------------------------------------------------------
 */

/* A file on a disk is always writable, and some of them cannot be asked not to wait. */
static ssize_t write_to_file(int fd, const void *bytes, size_t length)
{
    struct stat stat;
    if (fstat(fd, &stat) != 0 || !S_ISREG(stat.st_mode)) return -EAGAIN;
    ssize_t result = write(fd, bytes, length);
    return result < 0 ? -errno : result;
}

static ssize_t write_what_fits(const struct output *output, VALUE string)
{
    const rota_gate_t *gate = &output->stream->write_gate;
    if (gate->held) return -EAGAIN;
    rota_position_settle(output->self, output->loop, output->stream);
    if (gate->held) return -EAGAIN; /* a read on its way was waited for */
    const uint8_t *bytes = (const uint8_t *)RSTRING_PTR(string);
    size_t length = (size_t)RSTRING_LEN(string);
    rota_writing_t writing = writing_to(output);
    if (rota_target_is_terminal(&writing.target)) return -EAGAIN;
    ssize_t result = rota_write_now(&writing, bytes, length);
    if (result == -EAGAIN && !writing.sends)
        result = write_to_file(writing.target.fd, bytes, length);
    return result;
}

/* call-seq: write_nonblock(string, exception: true) -> Integer or :wait_writable
 *
 * As IO#write_nonblock: what the kernel takes at once. While another task's write is on its way it
 * would block.
 *
 * @param string [String, #to_s]
 * @param exception [Boolean] false: gives +:wait_writable+ instead of raising
 * @return [Integer] bytes written
 * @return [Symbol] +:wait_writable+ when nothing could be
 * @raise [IO::EAGAINWaitWritable] nothing could be written
 * @raise as +write+ */
static VALUE stream_write_nonblock(int argc, VALUE *argv, VALUE self)
{
    VALUE string, options;
    rb_scan_args(argc, argv, "1:", &string, &options);
    bool raises = rota_stream_raises(options);
    struct output output = {.self = self};
    string = rb_obj_as_string(string);
    output.stream = stream_for_output(self, &output.loop);
    ssize_t result = write_what_fits(&output, string);
    RB_GC_GUARD(string);
    if (result >= 0) return SSIZET2NUM(result);
    if (result != -EAGAIN) rota_error_raise((int)result, "write");
    if (!raises) return sym_wait_writable;
    rb_readwrite_syserr_fail(RB_IO_WAIT_WRITABLE, EAGAIN, "write would block");
}

/* -- print, puts, printf, putc ------------------------------------------------------------------
 */

static VALUE cGathered; /* an Array that Ruby's own puts and print write to */

/* call-seq: write(*strings) -> 0
 *
 * @private */
static VALUE gathered_write(int argc, VALUE *argv, VALUE self)
{
    rb_ary_cat(self, argv, argc);
    return INT2FIX(0);
}

/* What IO would write in several calls leaves in one, so that nobody's bytes come between. */
static VALUE write_gathered(VALUE self, VALUE gathered)
{
    rota_loop_t *loop;
    if (RARRAY_LEN(gathered) == 0) {
        stream_for_output(self, &loop);
        return Qnil;
    }
    write_strings(self, (int)RARRAY_LEN(gathered), RARRAY_CONST_PTR(gathered));
    RB_GC_GUARD(gathered);
    return Qnil;
}

/* call-seq: print(*objects) -> nil
 *
 * As IO#print, with +$_+, <tt>$,</tt> and <tt>$\\</tt>; in one write.
 *
 * @return [nil]
 * @raise as +write+ */
static VALUE stream_print(int argc, VALUE *argv, VALUE self)
{
    VALUE gathered = rb_obj_alloc(cGathered);
    rb_io_print(argc, argv, gathered);
    return write_gathered(self, gathered);
}

/* call-seq: puts(*objects) -> nil
 *
 * As IO#puts: each object, or each item of an Array, as a line; in one write.
 *
 * @return [nil]
 * @raise as +write+ */
static VALUE stream_puts(int argc, VALUE *argv, VALUE self)
{
    VALUE gathered = rb_obj_alloc(cGathered);
    rb_io_puts(argc, argv, gathered);
    return write_gathered(self, gathered);
}

/* call-seq: printf(format, *objects) -> nil
 *
 * @return [nil]
 * @raise [ArgumentError] the objects do not fit the format
 * @raise as +write+ */
static VALUE stream_printf(int argc, VALUE *argv, VALUE self)
{
    VALUE gathered = rb_obj_alloc(cGathered);
    rb_io_printf(argc, argv, gathered);
    return write_gathered(self, gathered);
}

/* call-seq: putc(object) -> object
 *
 * @param object [String, Integer] of a String its first character, of an Integer its lowest byte
 * @return [Object] what was given
 * @raise as +write+ */
static VALUE stream_putc(VALUE self, VALUE object)
{
    VALUE string;
    if (RB_TYPE_P(object, T_STRING)) {
        string = rb_str_substr(object, 0, 1);
    } else {
        char byte = NUM2CHR(object);
        string = rb_str_new(&byte, 1);
    }
    write_strings(self, 1, &string);
    return object;
}

void rota_init_stream_writing(VALUE klass)
{
    sym_wait_writable = ID2SYM(rb_intern("wait_writable"));
    cGathered = rb_define_class_under(klass, "Gathered", rb_cArray);
    rb_define_method(cGathered, "write", gathered_write, -1);
    rb_funcall(klass, rb_intern("private_constant"), 1, ID2SYM(rb_intern("Gathered")));
    rb_define_method(klass, "write", stream_write, -1);
    rb_define_method(klass, "write_nonblock", stream_write_nonblock, -1);
    rb_define_method(klass, "<<", stream_append, 1);
    rb_define_method(klass, "print", stream_print, -1);
    rb_define_method(klass, "puts", stream_puts, -1);
    rb_define_method(klass, "printf", stream_printf, -1);
    rb_define_method(klass, "putc", stream_putc, 1);
}
