#include "stream/text.h"

#include "stream/reading.h"
#include "stream/receive.h"

struct rota_text {
    rb_encoding *encoding; /* of the Strings that are read; NULL: the default external one */
    rb_encoding *source;   /* ... converted from this one; NULL: as they come */
    int flags;             /* ECONV_*: what to do with newlines and with what cannot be converted */
    VALUE options;
    rb_econv_t *converter;  /* between `source` and `encoding`, from the first character on */
    rota_fifo_t *converted; /* not yet read */
    rb_econv_t *writer;     /* for what has a state between Strings: byte order marks, shifts */
    const char *through;    /* ... the encoding that it converts from */
    bool binary;
};

rb_encoding *rota_text_encoding(const rota_stream_t *stream)
{
    if (ROTA_UNLIKELY(stream->text && stream->text->encoding)) return stream->text->encoding;
    return rb_default_external_encoding();
}

VALUE rota_text_label(const rota_stream_t *stream, VALUE string)
{
    rb_enc_associate(string, rota_text_encoding(stream));
    return string;
}

bool rota_text_converts(const rota_stream_t *stream)
{
    const rota_text_t *text = stream->text;
    return text && (text->source || text->flags & ECONV_NEWLINE_DECORATOR_MASK);
}

size_t rota_text_pending(const rota_stream_t *stream)
{
    return stream->text ? rota_fifo_length(stream->text->converted) : 0;
}

/* -- converting ---------------------------------------------------------------------------------
 */

static void end_converter(rota_text_t *text)
{
    if (text->converter) rb_econv_close(text->converter);
    text->converter = NULL;
}

static void forget_all(rota_text_t *text)
{
    end_converter(text);
    rota_fifo_clear(&text->converted);
    if (text->writer) rb_econv_close(text->writer);
    text->writer = NULL;
}

void rota_text_forget(rota_stream_t *stream)
{
    if (!stream->text) return;
    end_converter(stream->text);
    rota_fifo_clear(&stream->text->converted);
}

static void need_converter(rota_text_t *text)
{
    if (text->converter) return;
    const char *from = text->source ? rb_enc_name(text->source) : "";
    const char *to = text->source ? rb_enc_name(text->encoding) : "";
    int flags = text->flags & ~ECONV_NEWLINE_DECORATOR_WRITE_MASK;
    text->converter = rb_econv_open_opts(from, to, flags, text->options);
    if (!text->converter) rb_exc_raise(rb_econv_open_exc(from, to, flags));
}

/* What the converter read too far, behind something that it could not convert, goes back. */
static void put_back(rota_stream_t *stream)
{
    unsigned char bytes[16];
    int count = rb_econv_putbackable(stream->text->converter);
    if (count <= 0 || count > (int)sizeof bytes) return;
    rb_econv_putback(stream->text->converter, bytes, count);
    rota_stream_push_back(stream, bytes, (size_t)count);
}

/* One step, as far as the bytes and the room go; at the end of the stream: what the converter holds
 * back. */
static rb_econv_result_t convert(rota_stream_t *stream, int flags, bool at_end)
{
    rota_text_t *text = stream->text;
    unsigned char room[128], *out = room;
    const unsigned char *from = NULL, *at = NULL;
    size_t there = 0;
    if (!at_end) from = at = rota_stream_view(stream, &there);
    const unsigned char *end = at_end ? NULL : at + there;
    flags = at_end ? 0 : flags | ECONV_PARTIAL_INPUT;
    rb_econv_result_t result = rb_econv_convert(text->converter, at_end ? NULL : &at, end, &out,
                                                room + sizeof room, flags);
    if (!at_end) {
        rota_stream_skip(stream, (size_t)(at - from));
        put_back(stream);
    }
    if (!rota_fifo_append(&text->converted, room, (size_t)(out - room))) rb_memerror();
    VALUE error = rb_econv_make_exception(text->converter);
    if (!NIL_P(error)) rb_exc_raise(error);
    return result;
}

static bool fill_converted(rota_loop_t *loop, rota_stream_t *stream, int flags)
{
    rota_text_t *text = stream->text;
    size_t had = rota_fifo_length(text->converted);
    need_converter(text);
    for (;;) {
        rb_econv_result_t result = convert(stream, flags, false);
        if (rota_fifo_length(text->converted) > had) return true;
        if (result == econv_finished) break;
        if (result != econv_source_buffer_empty || rota_stream_available(stream)) continue;
        if (rota_stream_fill(loop, stream)) continue;
        convert(stream, flags, true);
        if (rota_fifo_length(text->converted) > had) return true;
        break;
    }
    end_converter(text); /* what may be pushed back now is converted from its beginning */
    return false;
}

/* -- what readers call --------------------------------------------------------------------------
 */

const uint8_t *rota_text_view(rota_stream_t *stream, size_t *length)
{
    if (ROTA_LIKELY(!rota_text_converts(stream))) return rota_stream_view(stream, length);
    *length = rota_fifo_length(stream->text->converted);
    return rota_fifo_bytes(stream->text->converted);
}

bool rota_text_fill(rota_loop_t *loop, rota_stream_t *stream)
{
    if (ROTA_LIKELY(!rota_text_converts(stream))) return rota_stream_fill(loop, stream);
    return fill_converted(loop, stream, ECONV_AFTER_OUTPUT);
}

bool rota_text_fill_much(rota_loop_t *loop, rota_stream_t *stream)
{
    if (ROTA_LIKELY(!rota_text_converts(stream))) return rota_stream_fill(loop, stream);
    return fill_converted(loop, stream, 0);
}

VALUE rota_text_take_string(rota_stream_t *stream, size_t length)
{
    VALUE string;
    if (ROTA_LIKELY(!rota_text_converts(stream))) {
        string = rota_stream_take_string(stream, length);
    } else {
        string = rb_str_buf_new((long)length);
        rota_fifo_take(&stream->text->converted, (uint8_t *)RSTRING_PTR(string), length);
        rb_str_set_len(string, (long)length);
    }
    return rota_text_label(stream, string);
}

void rota_text_skip(rota_stream_t *stream, size_t length)
{
    if (ROTA_LIKELY(!rota_text_converts(stream)))
        rota_stream_skip(stream, length);
    else
        rota_fifo_take(&stream->text->converted, NULL, length);
}

void rota_text_push_back(rota_stream_t *stream, VALUE string)
{
    const uint8_t *bytes = (const uint8_t *)RSTRING_PTR(string);
    size_t length = (size_t)RSTRING_LEN(string);
    if (!rota_text_converts(stream))
        rota_stream_push_back(stream, bytes, length);
    else if (!rota_fifo_push_back(&stream->text->converted, bytes, length))
        rb_memerror();
    RB_GC_GUARD(string);
}

/* -- writing ------------------------------------------------------------------------------------
 */

/* Encodings that no ASCII fits into are reached through one that it does, by a converter that goes
 * on where it ended. */
static void need_writer(rota_text_t *text, rb_encoding *encoding, int flags)
{
    if (text->writer) return;
    text->through = rb_econv_asciicompat_encoding(rb_enc_name(encoding));
    if (!text->through) return;
    text->writer = rb_econv_open_opts(text->through, rb_enc_name(encoding), flags, text->options);
    if (!text->writer) rb_exc_raise(rb_econv_open_exc(text->through, rb_enc_name(encoding), flags));
}

VALUE rota_text_outgoing(const rota_stream_t *stream, VALUE string)
{
    rota_text_t *text = stream->text;
    if (ROTA_LIKELY(!text) || !RB_TYPE_P(string, T_STRING)) return string;
    rb_encoding *encoding = text->source ? text->source : text->encoding;
    bool as_it_is = !encoding || encoding == rb_ascii8bit_encoding();
    if (as_it_is && !(text->flags & ECONV_NEWLINE_DECORATOR_WRITE_MASK)) return string;
    if (as_it_is) encoding = rb_enc_get(string);
    int flags = text->flags & ~ECONV_NEWLINE_DECORATOR_READ_MASK;
    need_writer(text, encoding, flags);
    if (!text->writer)
        return rb_str_encode(string, rb_enc_from_encoding(encoding), flags, text->options);
    string = rb_str_encode(string, rb_str_new_cstr(text->through), flags, text->options);
    if (!text->writer)
        return string; /* a fallback: of the options has called set_encoding; as IO */
    return rb_econv_str_convert(text->writer, string, ECONV_PARTIAL_INPUT);
}

/* -- memory -------------------------------------------------------------------------------------
 */

void rota_text_mark(const rota_stream_t *stream)
{
    if (stream->text) rb_gc_mark(stream->text->options);
}

size_t rota_text_memsize(const rota_stream_t *stream)
{
    return stream->text ? sizeof(*stream->text) + rota_fifo_memsize(stream->text->converted) : 0;
}

void rota_text_free(rota_stream_t *stream)
{
    if (!stream->text) return;
    forget_all(stream->text);
    xfree(stream->text);
    stream->text = NULL;
}

static rota_text_t *need_text(rota_stream_t *stream)
{
    if (stream->text) return stream->text;
    rota_text_t *text = ZALLOC(rota_text_t);
    text->options = Qnil;
    return stream->text = text;
}

/* -- methods ------------------------------------------------------------------------------------
 */

static rb_encoding *encoding_or_none(VALUE encoding)
{
    return NIL_P(encoding) ? NULL : rb_to_encoding(encoding);
}

struct wish {
    rota_stream_t *stream;
    rb_encoding *encoding, *source;
    int flags;
    VALUE options;
    bool binary;
};

static VALUE grant(VALUE data)
{
    struct wish *wish = (struct wish *)data;
    rota_text_t *text = need_text(wish->stream);
    forget_all(text);
    text->encoding = wish->encoding;
    text->source = wish->source;
    text->flags = wish->binary ? 0 : text->flags | wish->flags; /* IO never forgets one */
    text->options = wish->options;
    text->binary |= wish->binary;
    return Qnil;
}

/* What set_encoding found out: the encoding of what is read, the one that it is converted from, and
 * how. A reader that waits ends first: it knows what it looks for.
 *
 * @private */
static VALUE stream_encode(VALUE self, VALUE encoding, VALUE source, VALUE options)
{
    rota_loop_t *loop;
    struct wish wish = {.stream = rota_stream_get(self, &loop), .options = Qnil};
    wish.encoding = encoding_or_none(encoding);
    wish.source = encoding_or_none(source);
    if (!NIL_P(options)) wish.flags = rb_econv_prepare_opts(options, &wish.options);
    rota_stream_between_readers(self, grant, &wish);
    return self;
}

/* Bytes as they are: no conversion, of newlines neither; what is read is binary.
 *
 * @return [self]
 * @raise [IOError] the stream is closed */
static VALUE stream_binmode(VALUE self)
{
    rota_loop_t *loop;
    struct wish wish = {.stream = rota_stream_get(self, &loop),
                        .encoding = rb_ascii8bit_encoding(),
                        .options = Qnil,
                        .binary = true};
    rota_stream_between_readers(self, grant, &wish);
    return self;
}

/* @return [Boolean] was binmode called? */
static VALUE stream_binmode_p(VALUE self)
{
    rota_loop_t *loop;
    rota_stream_t *stream = rota_stream_get(self, &loop);
    return RBOOL(stream->text && stream->text->binary);
}

/* As IO's.
 *
 * @return [Encoding, nil] of the bytes; nil for a stream that can be written and was given none */
static VALUE stream_external_encoding(VALUE self)
{
    rota_stream_t *stream = rota_typed_data(self, &rota_stream_type);
    const rota_text_t *text = stream->text;
    if (text && text->source) return rb_enc_from_encoding(text->source);
    if (text && text->encoding) return rb_enc_from_encoding(text->encoding);
    bool written_to = stream->writable && stream->descriptor.loop; /* a closed IO answers, too */
    return written_to ? Qnil : rb_enc_from_encoding(rb_default_external_encoding());
}

/* @return [Encoding, nil] of the Strings that are read; nil when they are not converted */
static VALUE stream_internal_encoding(VALUE self)
{
    rota_stream_t *stream = rota_typed_data(self, &rota_stream_type);
    if (!stream->text || !stream->text->source) return Qnil;
    return rb_enc_from_encoding(stream->text->encoding);
}

void rota_init_stream_text(VALUE klass)
{
    rb_define_private_method(klass, "__encode", stream_encode, 3);
    rb_define_method(klass, "binmode", stream_binmode, 0);
    rb_define_method(klass, "binmode?", stream_binmode_p, 0);
    rb_define_method(klass, "external_encoding", stream_external_encoding, 0);
    rb_define_method(klass, "internal_encoding", stream_internal_encoding, 0);
}
