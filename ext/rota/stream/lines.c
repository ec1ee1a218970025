#include "stream/lines.h"

#include "runtime/await.h"
#include "stream/reading.h"
#include "stream/receive.h"

static ID id_chomp;

/* What ends a line, as IO#gets reads its arguments. */
struct line_rules {
    rota_loop_t *loop;
    rota_stream_t *stream;
    const char *separator; /* NULL: nothing does, the rest is one line */
    size_t separator_length;
    VALUE separator_string; /* keeps the memory */
    long limit;             /* bytes; negative: none */
    bool paragraphs;        /* empty lines separate */
    bool chomp;
};

static void parse_separator(struct line_rules *rules, VALUE separator)
{
    if (NIL_P(separator)) return;
    StringValue(separator);
    rules->paragraphs = RSTRING_LEN(separator) == 0;
    rules->separator_string = separator;
    rules->separator = rules->paragraphs ? "\n\n" : RSTRING_PTR(separator);
    rules->separator_length = rules->paragraphs ? 2 : (size_t)RSTRING_LEN(separator);
}

/* gets(), gets(limit), gets(separator), gets(separator, limit), each with chomp: */
static void parse(struct line_rules *rules, int argc, VALUE *argv)
{
    VALUE first, second, options, chomp = Qundef;
    int given = rb_scan_args(argc, argv, "02:", &first, &second, &options);
    if (!NIL_P(options)) rb_get_kwargs(options, &id_chomp, 0, 1, &chomp);
    rules->chomp = chomp != Qundef && RTEST(chomp);
    rules->limit = -1;

    VALUE limit = second;
    if (given == 1 && !NIL_P(first)) {
        VALUE string = rb_check_string_type(first);
        if (NIL_P(string)) {
            limit = first;
            given = 0;
        }
    }
    parse_separator(rules, given == 0 ? rb_rs : first);
    if (!NIL_P(limit)) rules->limit = NUM2LONG(limit);
}

/* A limit counts bytes, but never cuts a character: up to so many more complete it. */
#define CHARACTER_MAX 16

/* How many bytes the line has when it is cut at `limit`, or 0 when more are needed to tell. */
static size_t cut_at_limit(const uint8_t *bytes, size_t there, size_t limit, bool ended)
{
    rb_encoding *encoding = rb_default_external_encoding();
    const char *start = (const char *)bytes, *end = start + there;
    if (there < limit) return 0;
    char *head = rb_enc_left_char_head(start, start + limit - 1, end, encoding);
    int length = rb_enc_precise_mbclen(head, end, encoding);
    if (MBCLEN_CHARFOUND_P(length))
        return (size_t)(head - start) + (size_t)MBCLEN_CHARFOUND_LEN(length);
    if (MBCLEN_NEEDMORE_P(length) && !ended && there < limit + CHARACTER_MAX) return 0;
    return limit;
}

/* Without its separator: \n takes a \r before it along, as String#chomp does. */
static VALUE chomp_line(const struct line_rules *rules, VALUE line)
{
    if (rules->paragraphs || !rules->separator) return line;
    long length = RSTRING_LEN(line) - (long)rules->separator_length;
    bool newline = rules->separator_length == 1 && rules->separator[0] == '\n';
    if (newline && length > 0 && RSTRING_PTR(line)[length - 1] == '\r') length--;
    rb_str_set_len(line, length);
    return line;
}

static VALUE chomp_paragraph(VALUE line)
{
    long length = RSTRING_LEN(line);
    while (length && RSTRING_PTR(line)[length - 1] == '\n') length--;
    rb_str_set_len(line, length);
    return line;
}

/* Skips newlines around paragraphs. */
static void swallow_newlines(struct line_rules *rules)
{
    rota_stream_t *stream = rules->stream;
    size_t there;
    do {
        const uint8_t *bytes = rota_stream_view(stream, &there);
        size_t newlines = 0;
        while (newlines < there && bytes[newlines] == '\n') newlines++;
        rota_stream_skip(stream, newlines);
        if (newlines < there) return;
    } while (rota_stream_fill(rules->loop, stream));
}

/* Where the first separator ends that begins at or behind `from`; 0: nowhere yet. */
static size_t find_separator(const struct line_rules *rules, const uint8_t *bytes, size_t there,
                             size_t from)
{
    if (!rules->separator || there < from + rules->separator_length) return 0;
    const uint8_t *found =
        rules->separator_length == 1
            ? memchr(bytes + from, rules->separator[0], there - from)
            : memmem(bytes + from, there - from, rules->separator, rules->separator_length);
    return found ? (size_t)(found - bytes) + rules->separator_length : 0;
}

static VALUE take_line(const struct line_rules *rules, size_t length)
{
    return rota_stream_text(rota_stream_take_string(rules->stream, length));
}

static VALUE finish_line(struct line_rules *rules, size_t length)
{
    VALUE line = take_line(rules, length);
    if (rules->paragraphs) swallow_newlines(rules);
    if (!rules->chomp) return line;
    return rules->paragraphs ? chomp_paragraph(line) : chomp_line(rules, line);
}

static size_t next_from(const struct line_rules *rules, size_t there)
{
    size_t overlap = rules->separator ? rules->separator_length - 1 : 0;
    return there > overlap ? there - overlap : 0;
}

static VALUE read_line(VALUE data)
{
    struct line_rules *rules = (struct line_rules *)data;
    size_t from = 0;
    bool ended = false;

    if (rules->limit == 0) return rota_stream_text(rb_str_new(NULL, 0));
    if (rules->paragraphs) swallow_newlines(rules);
    for (;;) {
        size_t there;
        const uint8_t *bytes = rota_stream_view(rules->stream, &there);
        size_t length = find_separator(rules, bytes, there, from);
        if (rules->limit > 0 && (!length || length > (size_t)rules->limit)) {
            size_t cut = cut_at_limit(bytes, there, (size_t)rules->limit, ended);
            if (cut && (!length || cut < length)) return take_line(rules, cut);
        }
        if (length) return finish_line(rules, length);
        if (ended) return there ? take_line(rules, there) : Qnil;
        from = next_from(rules, there);
        ended = !rota_stream_fill(rules->loop, rules->stream);
    }
}

static VALUE next_line(int argc, VALUE *argv, VALUE self)
{
    struct line_rules rules = {.separator_string = Qnil};
    rules.stream = rota_stream_get(self, &rules.loop);
    parse(&rules, argc, argv);
    VALUE line = rota_stream_as_reader(self, read_line, &rules);
    RB_GC_GUARD(rules.separator_string);
    return line;
}

/* call-seq: gets(separator = $/, limit = nil, chomp: false) -> String or nil
 *
 * The next line, by the rules of IO#gets: a +nil+ separator takes the rest, an empty one reads
 * paragraphs, a limit counts bytes and never cuts a character. A last line without a separator is a
 * line.
 *
 * @return [String] in the default external encoding
 * @return [nil] at the end
 * @raise as +read+; what came before an error stays readable */
static VALUE stream_gets(int argc, VALUE *argv, VALUE self)
{
    VALUE line = next_line(argc, argv, self);
    rb_lastline_set(line);
    return line;
}

/* call-seq: readline(separator = $/, limit = nil, chomp: false) -> String
 *
 * As +gets+, but raises at the end.
 *
 * @raise [EOFError] */
static VALUE stream_readline(int argc, VALUE *argv, VALUE self)
{
    VALUE line = stream_gets(argc, argv, self);
    if (NIL_P(line)) rb_eof_error();
    return line;
}

/* call-seq: each_line(separator = $/, limit = nil, chomp: false) { |line| } -> self
 *
 * @return [Rota::Stream]
 * @raise as +gets+ */
static VALUE stream_each_line(int argc, VALUE *argv, VALUE self)
{
    VALUE line;
    RETURN_SIZED_ENUMERATOR_KW(self, argc, argv, NULL, rb_keyword_given_p());
    while (!NIL_P(line = next_line(argc, argv, self))) rb_yield(line);
    return self;
}

void rota_init_stream_lines(VALUE klass)
{
    id_chomp = rb_intern("chomp");
    rb_define_method(klass, "gets", stream_gets, -1);
    rb_define_method(klass, "readline", stream_readline, -1);
    rb_define_method(klass, "each_line", stream_each_line, -1);
}
