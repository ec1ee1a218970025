#include "stream/chars.h"

#include "runtime/interrupt.h"
#include "stream/reading.h"
#include "stream/receive.h"
#include "stream/text.h"

struct one {
    rota_loop_t *loop;
    rota_stream_t *stream;
    VALUE pushed; /* back */
};

/* With enough there and nobody in the way, one byte is not worth a gate. */
static bool can_take(const struct one *one)
{
    return rota_stream_available(one->stream) && !one->stream->read_gate.held;
}

/* Interjections ran, which may have taken what was there, or closed the stream? Then the gate it is
 * after all. */
static bool is_interjected(const struct one *one)
{
    return rota_interrupt_check(one->loop);
}

static VALUE take_at_once(struct one *one, VALUE (*body)(VALUE))
{
    one->stream->descriptor.buffered = true;
    return body((VALUE)one);
}

/* -- characters ---------------------------------------------------------------------------------
 */

/* How long the first character is; 0: that cannot be told before more bytes come. Of what is no
 * character one byte is given, as IO does. */
static size_t measure(const rota_stream_t *stream, const char *bytes, size_t there)
{
    rb_encoding *encoding = rota_text_encoding(stream);
    int length = rb_enc_precise_mbclen(bytes, bytes + there, encoding);
    if (MBCLEN_CHARFOUND_P(length)) return (size_t)MBCLEN_CHARFOUND_LEN(length);
    if (MBCLEN_NEEDMORE_P(length)) return 0;
    if (!rota_text_converts(stream)) return 1;
    return (size_t)rb_enc_mbclen(bytes, bytes + there, encoding);
}

/* A character that the end of the stream cut off is given as it is; converted, by its bytes. */
static size_t rest_of(const rota_stream_t *stream, size_t there)
{
    return rota_text_converts(stream) && there ? 1 : there;
}

static VALUE read_char(VALUE data)
{
    struct one *one = (struct one *)data;
    for (;;) {
        size_t there, length = 0;
        const uint8_t *bytes = rota_text_view(one->stream, &there);
        if (there) length = measure(one->stream, (const char *)bytes, there);
        if (!length && rota_text_fill(one->loop, one->stream)) continue;
        if (!length) length = rest_of(one->stream, there);
        return length ? rota_text_take_string(one->stream, length) : Qnil;
    }
}

/* Is the next character there as a whole, for sure? */
static bool is_ascii(rota_stream_t *stream)
{
    size_t there;
    if (rota_text_converts(stream) || !rb_enc_asciicompat(rota_text_encoding(stream))) return false;
    return *rota_stream_view(stream, &there) < 0x80;
}

/* The next character: one of several bytes in the stream's encoding, however they came.
 *
 * @return [String] one character; one byte of what is none in the encoding
 * @return [nil] at the end
 * @raise as +read+ */
static VALUE stream_getc(VALUE self)
{
    struct one one;
    one.stream = rota_stream_for_text(self, &one.loop);
    if (ROTA_LIKELY(can_take(&one) && is_ascii(one.stream)) && !is_interjected(&one))
        return take_at_once(&one, read_char);
    return rota_stream_as_reader(self, read_char, &one);
}

/* As +getc+, but raises at the end.
 *
 * @return [String]
 * @raise [EOFError]
 * @raise as +read+ */
static VALUE stream_readchar(VALUE self)
{
    VALUE character = stream_getc(self);
    if (NIL_P(character)) rb_eof_error();
    return character;
}

/* call-seq: each_char { |character| } -> self
 *
 * @return [Rota::Stream]
 * @return [Enumerator] without a block
 * @raise as +read+ */
static VALUE stream_each_char(VALUE self)
{
    VALUE character;
    RETURN_ENUMERATOR(self, 0, NULL);
    while (!NIL_P(character = stream_getc(self))) rb_yield(character);
    return self;
}

static VALUE push_text(VALUE data)
{
    struct one *one = (struct one *)data;
    one->stream->descriptor.buffered = true;
    rota_text_push_back(one->stream, one->pushed);
    return Qnil;
}

/* call-seq: ungetc(character) -> nil
 *
 * Puts characters in front of what is there. Waits for a reader that looks at it.
 *
 * @param character [String, Integer] any bytes, or a codepoint of the stream's encoding
 * @return [nil]
 * @raise [RangeError] no such codepoint
 * @raise [IOError] the stream is closed, or is only written to */
static VALUE stream_ungetc(VALUE self, VALUE character)
{
    struct one one;
    one.stream = rota_stream_for_text(self, &one.loop);
    if (RB_INTEGER_TYPE_P(character))
        one.pushed = rb_enc_uint_chr(NUM2UINT(character), rota_text_encoding(one.stream));
    else
        one.pushed = rb_str_new_frozen(StringValue(character));
    rota_stream_between_readers(self, push_text, &one);
    RB_GC_GUARD(one.pushed);
    return Qnil;
}

/* -- bytes --------------------------------------------------------------------------------------
 */

static VALUE read_byte(VALUE data)
{
    struct one *one = (struct one *)data;
    uint8_t byte;
    if (!rota_stream_available(one->stream) && !rota_stream_fill(one->loop, one->stream))
        return Qnil;
    rota_stream_take(one->stream, &byte, 1);
    return INT2FIX(byte);
}

/* @return [Integer] the next byte
 * @return [nil] at the end
 * @raise as +read+ */
static VALUE stream_getbyte(VALUE self)
{
    struct one one;
    one.stream = rota_stream_for_bytes(self, &one.loop);
    if (ROTA_LIKELY(can_take(&one)) && !is_interjected(&one)) return take_at_once(&one, read_byte);
    return rota_stream_as_reader(self, read_byte, &one);
}

/* @return [Integer] the next byte
 * @raise [EOFError] at the end
 * @raise as +read+ */
static VALUE stream_readbyte(VALUE self)
{
    VALUE byte = stream_getbyte(self);
    if (NIL_P(byte)) rb_eof_error();
    return byte;
}

/* call-seq: each_byte { |byte| } -> self
 *
 * @return [Rota::Stream]
 * @return [Enumerator] without a block
 * @raise as +read+ */
static VALUE stream_each_byte(VALUE self)
{
    VALUE byte;
    RETURN_ENUMERATOR(self, 0, NULL);
    while (!NIL_P(byte = stream_getbyte(self))) rb_yield(byte);
    return self;
}

static VALUE push_bytes(VALUE data)
{
    struct one *one = (struct one *)data;
    const uint8_t *bytes = (const uint8_t *)RSTRING_PTR(one->pushed);
    one->stream->descriptor.buffered = true;
    rota_stream_push_back(one->stream, bytes, (size_t)RSTRING_LEN(one->pushed));
    return Qnil;
}

/* call-seq: ungetbyte(byte) -> nil
 *
 * Puts bytes in front of what is there. Waits for a reader that looks at it.
 *
 * @param byte [Integer, String, nil] of an Integer the lowest eight bits; nil: nothing
 * @return [nil]
 * @raise [IOError] the stream is closed, or is only written to */
static VALUE stream_ungetbyte(VALUE self, VALUE byte)
{
    struct one one;
    one.stream = rota_stream_for_bytes(self, &one.loop);
    if (NIL_P(byte)) return Qnil;
    if (RB_INTEGER_TYPE_P(byte)) {
        char lowest = (char)FIX2INT(rb_funcall(byte, '&', 1, INT2FIX(0xff)));
        one.pushed = rb_str_new(&lowest, 1);
    } else {
        one.pushed = rb_str_new_frozen(StringValue(byte));
    }
    rota_stream_between_readers(self, push_bytes, &one);
    RB_GC_GUARD(one.pushed);
    return Qnil;
}

void rota_init_stream_chars(VALUE klass)
{
    rb_define_method(klass, "getc", stream_getc, 0);
    rb_define_method(klass, "readchar", stream_readchar, 0);
    rb_define_method(klass, "each_char", stream_each_char, 0);
    rb_define_method(klass, "ungetc", stream_ungetc, 1);
    rb_define_method(klass, "getbyte", stream_getbyte, 0);
    rb_define_method(klass, "readbyte", stream_readbyte, 0);
    rb_define_method(klass, "each_byte", stream_each_byte, 0);
    rb_define_method(klass, "ungetbyte", stream_ungetbyte, 1);
}
