#include "stream/lines.h"

#include "runtime/await.h"
#include "stream/reading.h"
#include "stream/text.h"

static ID id_chomp;

/* What ends a line, as IO#gets reads its arguments. */
struct line_rules {
    rota_loop_t *loop;
    rota_stream_t *stream;
    rb_encoding *encoding;
    VALUE separator_string; /* keeps the memory; nil: nothing ends a line but the limit */
    const char *separator;
    size_t separator_length;
    int last_byte;   /* of the separator; -1: none */
    long limit;      /* bytes; negative: none */
    bool paragraphs; /* empty lines separate */
    bool chomp;
};

/* As IO sees it: a separator that cannot stand in such text is refused, but for the default one, of
 * which it is clear what is meant. */
static VALUE fitting_separator(const struct line_rules *rules, VALUE separator)
{
    rb_encoding *encoding = rb_enc_get(separator);
    bool fits = rb_enc_asciicompat(rules->encoding) || RSTRING_LEN(separator) == 0;
    if (encoding == rules->encoding || (fits && rb_enc_str_asciionly_p(separator)))
        return separator;
    if (separator == rb_default_rs) return rb_str_conv_enc(separator, NULL, rules->encoding);
    rb_raise(rb_eArgError, "encoding mismatch: %s IO with %s RS", rb_enc_name(rules->encoding),
             rb_enc_name(encoding));
}

static void parse_separator(struct line_rules *rules, VALUE separator)
{
    rules->last_byte = -1;
    if (NIL_P(separator)) return;
    separator = fitting_separator(rules, separator);
    rules->paragraphs = RSTRING_LEN(separator) == 0;
    if (rules->paragraphs)
        separator = rb_str_conv_enc(rb_usascii_str_new("\n\n", 2), NULL, rules->encoding);
    separator = rb_str_new_frozen(separator); /* it may be changed while the line is waited for */
    rules->separator_string = separator;
    rules->separator = RSTRING_PTR(separator);
    rules->separator_length = (size_t)RSTRING_LEN(separator);
    rules->last_byte = (unsigned char)rules->separator[rules->separator_length - 1];
}

/* gets(), gets(limit), gets(separator), gets(separator, limit), each with chomp:; other keywords
 * are ignored, as IO ignores them. */
static VALUE parse(struct line_rules *rules, int argc, VALUE *argv)
{
    VALUE first, second, options, chomp = Qundef;
    int given = rb_scan_args(argc, argv, "02:", &first, &second, &options);
    if (!NIL_P(options)) rb_get_kwargs(options, &id_chomp, 0, -2, &chomp);
    rules->chomp = chomp != Qundef && RTEST(chomp);

    VALUE separator = given ? first : rb_rs, limit = second;
    if (given == 1 && !NIL_P(first)) {
        separator = rb_check_string_type(first);
        if (NIL_P(separator)) {
            separator = rb_rs;
            limit = first;
        }
    }
    if (!NIL_P(separator)) StringValue(separator);
    rules->limit = NIL_P(limit) ? -1 : NUM2LONG(limit);
    return separator;
}

/* A limit counts bytes, but never cuts a character: up to so many more complete it. */
#define CHARACTER_MAX 16

/* How far a line was looked for in the bytes that are there. Nothing is taken before its end is
 * known: an interrupted gets leaves all of it. */
struct scan {
    size_t skipped; /* newlines in front of a paragraph */
    size_t length;  /* of the line so far, with its separator */
    size_t chomped; /* at its end, not part of the result */
    long limit;     /* what is left of it */
    int extra;      /* how often it may still be stretched to complete a character */
};

enum step {
    STEP_MORE,  /* all that is there belongs to the line, and does not end it */
    STEP_AGAIN, /* a byte that looked like the end was not */
    STEP_LINE,  /* the separator was found */
    STEP_CUT,   /* the limit was met */
};

/* Takes bytes into the line up to the next that may end it. */
static enum step advance(const struct line_rules *rules, struct scan *scan, const char *line,
                         size_t there)
{
    size_t more = there - scan->length;
    if (more == 0) return STEP_MORE;
    if (scan->limit > 0 && more > (size_t)scan->limit) more = (size_t)scan->limit;
    const char *found =
        rules->last_byte < 0 ? NULL : memchr(line + scan->length, rules->last_byte, more);
    if (found) more = (size_t)(found + 1 - (line + scan->length));
    scan->length += more;
    scan->limit -= (long)more;
    if (found) return STEP_LINE;
    return scan->limit == 0 ? STEP_CUT : STEP_MORE;
}

/* Does the separator's room at the end of the line begin with a character, not inside of one? */
static bool at_character(const struct line_rules *rules, const struct scan *scan, const char *line)
{
    const char *end = line + scan->length, *at = end - rules->separator_length;
    return rb_enc_left_char_head(line, at, end, rules->encoding) == at;
}

static bool ends_with_separator(const struct line_rules *rules, const struct scan *scan,
                                const char *line)
{
    const char *at = line + scan->length - rules->separator_length;
    return memcmp(at, rules->separator, rules->separator_length) == 0;
}

static bool cuts_character(const struct line_rules *rules, const struct scan *scan,
                           const char *line)
{
    const char *end = line + scan->length;
    const char *head = rb_enc_left_char_head(line, end - 1, end, rules->encoding);
    return MBCLEN_NEEDMORE_P(rb_enc_precise_mbclen(head, end, rules->encoding));
}

static void chomp_line(const struct line_rules *rules, struct scan *scan, const char *line)
{
    scan->chomped = rules->separator_length;
    bool newline = rules->separator_length == 1 && rules->last_byte == '\n';
    if (newline && scan->length > 1 && line[scan->length - 2] == '\r') scan->chomped++;
}

/* IO#gets's own order of questions, so that its answers are ours also where they surprise: a byte
 * at the limit that may end the separator, but in too short a line or inside of a character, makes
 * it forget the limit. */
static enum step look_for_end(const struct line_rules *rules, struct scan *scan, const char *line,
                              size_t there)
{
    enum step step = advance(rules, scan, line, there);
    if (step == STEP_MORE) return STEP_MORE;
    if (step == STEP_LINE) {
        if (scan->length < rules->separator_length) return STEP_AGAIN;
        if (!at_character(rules, scan, line)) return STEP_AGAIN;
        if (ends_with_separator(rules, scan, line)) {
            if (rules->chomp) chomp_line(rules, scan, line);
            return STEP_LINE;
        }
    }
    if (scan->limit != 0) return STEP_AGAIN;
    if (!scan->extra || !cuts_character(rules, scan, line)) return STEP_CUT;
    scan->extra--;
    scan->limit = 1;
    return STEP_AGAIN;
}

/* The length of a newline at the beginning of `bytes`, 0: there is none. */
static size_t newline_at(const struct line_rules *rules, const char *bytes, const char *end)
{
    int length = 1;
    if (rb_enc_mbminlen(rules->encoding) == 1) return *bytes == '\n';
    return rb_enc_ascget(bytes, end, &length, rules->encoding) == '\n' ? (size_t)length : 0;
}

/* How many bytes of newlines there are from `from` on, up to something else or the end of the
 * stream. */
static size_t count_newlines(struct line_rules *rules, size_t from)
{
    size_t there, at = from, newline;
    do {
        const char *bytes = (const char *)rota_text_view(rules->stream, &there);
        while (at < there && (newline = newline_at(rules, bytes + at, bytes + there)))
            at += newline;
    } while (at == there && rota_text_fill(rules->loop, rules->stream));
    return at - from;
}

static VALUE take_line(struct line_rules *rules, const struct scan *scan, size_t newlines)
{
    rota_text_skip(rules->stream, scan->skipped);
    VALUE line = rota_text_take_string(rules->stream, scan->length);
    rb_str_set_len(line, (long)(scan->length - scan->chomped));
    rota_text_skip(rules->stream, newlines);
    return line;
}

static enum step find_line(struct line_rules *rules, struct scan *scan)
{
    for (;;) {
        size_t there;
        const uint8_t *bytes = rota_text_view(rules->stream, &there);
        const char *line = (const char *)bytes + scan->skipped;
        enum step step;
        do step = look_for_end(rules, scan, line, there - scan->skipped);
        while (step == STEP_AGAIN);
        if (step != STEP_MORE || !rota_text_fill(rules->loop, rules->stream)) return step;
    }
}

static VALUE read_line(VALUE data)
{
    struct line_rules *rules = (struct line_rules *)data;
    struct scan scan = {.limit = rules->limit, .extra = CHARACTER_MAX};

    if (rules->limit == 0) return rb_enc_str_new(NULL, 0, rules->encoding);
    if (rules->paragraphs) scan.skipped = count_newlines(rules, 0);
    enum step step = find_line(rules, &scan);
    if (step == STEP_MORE && scan.length == 0) {
        rota_text_skip(rules->stream, scan.skipped);
        return Qnil;
    }
    size_t newlines = 0;
    if (rules->paragraphs && step != STEP_MORE)
        newlines = count_newlines(rules, scan.skipped + scan.length);
    if (step != STEP_CUT) rules->stream->lineno++;
    return take_line(rules, &scan, newlines);
}

static struct line_rules rules_for(VALUE self, int argc, VALUE *argv)
{
    struct line_rules rules = {.separator_string = Qnil};
    VALUE separator = parse(&rules, argc, argv);
    rules.stream = rota_stream_get(self, &rules.loop);
    rules.encoding = rota_text_encoding(rules.stream);
    parse_separator(&rules, separator);
    return rules;
}

/* After the arguments, as IO asks. */
static VALUE line_of(VALUE self, struct line_rules *rules)
{
    rota_stream_for_text(self, &rules->loop);
    if (rules->limit == 0) return rota_stream_as_reader(self, read_line, rules);
    return rota_stream_as_taker(self, read_line, rules);
}

static VALUE next_line(int argc, VALUE *argv, VALUE self)
{
    struct line_rules rules = rules_for(self, argc, argv);
    VALUE line = line_of(self, &rules);
    RB_GC_GUARD(rules.separator_string);
    return line;
}

/* call-seq: gets(separator = $/, limit = nil, chomp: false) -> String or nil
 *
 * The next line, by the rules of IO#gets: a +nil+ separator takes the rest, an empty one reads
 * paragraphs, a limit counts bytes and never cuts a character. A last line without a separator is a
 * line.
 *
 * +$_+ is set, +$.+ is not: with many readers it would be nobody's; see +lineno+.
 *
 * @return [String] in the stream's encoding
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
    struct line_rules rules = rules_for(self, argc, argv);
    if (rules.limit == 0) rb_raise(rb_eArgError, "invalid limit: 0 for each_line");
    while (!NIL_P(line = line_of(self, &rules))) rb_yield(line);
    RB_GC_GUARD(rules.separator_string);
    return self;
}

/* call-seq: readlines(separator = $/, limit = nil, chomp: false) -> Array of Strings
 *
 * @return [Array<String>] every line up to the end
 * @raise as +gets+ */
static VALUE stream_readlines(int argc, VALUE *argv, VALUE self)
{
    VALUE line, lines = rb_ary_new();
    struct line_rules rules = rules_for(self, argc, argv);
    if (rules.limit == 0) rb_raise(rb_eArgError, "invalid limit: 0 for readlines");
    while (!NIL_P(line = line_of(self, &rules))) rb_ary_push(lines, line);
    RB_GC_GUARD(rules.separator_string);
    return lines;
}

/* @return [Integer] how many lines were read; those that a limit cut off are not counted */
static VALUE stream_lineno(VALUE self)
{
    rota_loop_t *loop;
    return INT2NUM(rota_stream_for_text(self, &loop)->lineno);
}

/* @param number [Integer] what +lineno+ goes on from */
static VALUE stream_set_lineno(VALUE self, VALUE number)
{
    rota_loop_t *loop;
    rota_stream_t *stream = rota_stream_for_text(self, &loop);
    stream->lineno = NUM2INT(number);
    return number;
}

void rota_init_stream_lines(VALUE klass)
{
    id_chomp = rb_intern("chomp");
    rb_define_method(klass, "gets", stream_gets, -1);
    rb_define_method(klass, "readline", stream_readline, -1);
    rb_define_method(klass, "each_line", stream_each_line, -1);
    rb_define_method(klass, "readlines", stream_readlines, -1);
    rb_define_method(klass, "lineno", stream_lineno, 0);
    rb_define_method(klass, "lineno=", stream_set_lineno, 1);
}
