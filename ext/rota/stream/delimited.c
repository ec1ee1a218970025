#define _GNU_SOURCE /* memmem */
#include "stream/delimited.h"

#include "stream/reading.h"
#include "stream/receive.h"

static ID id_limit;

struct search {
    rota_loop_t *loop;
    rota_stream_t *stream;
    VALUE delimiter;
    size_t limit;
    size_t searched; /* no delimiter begins in the first so many bytes */
};

/* How many bytes there are with the delimiter at their end; 0: it did not come yet. */
static size_t find(struct search *search, size_t *there)
{
    const uint8_t *bytes = rota_stream_view(search->stream, there);
    size_t length = (size_t)RSTRING_LEN(search->delimiter);
    if (*there - search->searched < length) return 0;
    const uint8_t *found = memmem(bytes + search->searched, *there - search->searched,
                                  RSTRING_PTR(search->delimiter), length);
    search->searched = *there - (length - 1);
    return found ? (size_t)(found - bytes) + length : 0;
}

static VALUE read_delimited(VALUE data)
{
    struct search *search = (struct search *)data;
    for (;;) {
        size_t there, length = find(search, &there);
        if (length > search->limit || (!length && there >= search->limit))
            rb_raise(rb_eIOError, "no delimiter in the first %zu bytes", search->limit);
        if (length) return rota_stream_take_string(search->stream, length);
        if (!rota_stream_fill(search->loop, search->stream)) rb_eof_error();
    }
}

static size_t limit_of(VALUE options)
{
    VALUE limit = Qundef;
    if (NIL_P(options)) return SIZE_MAX;
    rb_get_kwargs(options, &id_limit, 0, 1, &limit);
    return limit == Qundef || NIL_P(limit) ? SIZE_MAX : rota_stream_length_argument(limit);
}

/* call-seq: read_until(delimiter, limit: nil) -> String
 *
 * The bytes up to a delimiter. Encodings do not matter; for lines of text there is +gets+.
 *
 * @param delimiter [String] of any length but 0
 * @param limit [Integer, nil] how many bytes it may be at most, with the delimiter
 * @return [String] with the delimiter at its end, binary
 * @raise [EOFError] the stream ends before; what came stays readable
 * @raise [IOError] there is no delimiter within the limit; nothing was taken
 * @raise as +read+ */
static VALUE stream_read_until(int argc, VALUE *argv, VALUE self)
{
    VALUE delimiter, options;
    rb_scan_args(argc, argv, "1:", &delimiter, &options);
    struct search search = {.limit = limit_of(options)};
    search.delimiter = rb_str_new_frozen(StringValue(delimiter));
    if (RSTRING_LEN(search.delimiter) == 0) rb_raise(rb_eArgError, "the delimiter is empty");
    search.stream = rota_stream_for_bytes(self, &search.loop);
    VALUE bytes = rota_stream_as_reader(self, read_delimited, &search);
    RB_GC_GUARD(search.delimiter);
    return bytes;
}

void rota_init_stream_delimited(VALUE klass)
{
    id_limit = rb_intern("limit");
    rb_define_method(klass, "read_until", stream_read_until, -1);
}
