#include "stream/position.h"

#include "core/attempt.h"
#include "core/disk.h"
#include "runtime/error.h"
#include "runtime/road.h"
#include "stream/reading.h"
#include "stream/receive.h"
#include "stream/text.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_AHEAD = 64 << 10 };

void rota_position_open(rota_stream_t *stream, const struct stat *found, int flags)
{
    stream->descriptor.file =
        (S_ISREG(found->st_mode) || S_ISBLK(found->st_mode)) && !(flags & O_PATH);
    stream->cached = stream->descriptor.file && !(flags & O_DIRECT);
}

int rota_position_fill(rota_loop_t *loop, rota_stream_t *stream)
{
    if (!stream->cached || stream->op || !rota_road_asks_files(loop)) return -1;
    uint8_t *room = rota_fifo_reserve(&stream->kept, READ_AHEAD);
    if (!room) return -1;
    int32_t got = rota_disk_read_ahead(stream->descriptor.fd, room, READ_AHEAD);
    rota_fifo_written(&stream->kept, got > 0 ? (size_t)got : 0);
    if (got == 0) stream->ended = ROTA_STREAM_EOF;
    return got < 0 ? -1 : got > 0; /* an error is the engine's to tell */
}

/* A read that was cancelled is still under way: what it brings moves the position. */
static void finish_reading(rota_loop_t *loop, rota_stream_t *stream)
{
    while (stream->op) rota_stream_fill(loop, stream);
}

static off_t unread(const rota_stream_t *stream)
{
    return (off_t)rota_stream_available(stream);
}

/* With nothing of its file in here, and no read on its way, verbs of the loop may read it again. */
static void drop_unread(rota_stream_t *stream)
{
    rota_fifo_clear(&stream->kept);
    rota_text_forget(stream);
    stream->descriptor.buffered = false;
}

static off_t seek_or_raise(const rota_stream_t *stream, off_t offset, int whence)
{
    off_t position = lseek(stream->descriptor.fd, offset, whence);
    if (position < 0) rota_error_raise(-errno, "seek");
    return position;
}

struct seeking {
    rota_loop_t *loop;
    rota_stream_t *stream;
    off_t offset;
    int whence;
};

/* More was pushed back than lies before: as with IO, it stays what is read next, and the descriptor
 * stays where it is. */
static VALUE settle_gated(VALUE data)
{
    struct seeking *seeking = (struct seeking *)data;
    finish_reading(seeking->loop, seeking->stream);
    rota_stream_t *stream = seeking->stream;
    off_t position = lseek(stream->descriptor.fd, -unread(stream), SEEK_CUR);
    if (position >= 0)
        drop_unread(stream);
    else if (errno != EINVAL)
        rota_error_raise(-errno, "seek");
    return Qnil;
}

void rota_position_settle(VALUE self, rota_loop_t *loop, rota_stream_t *stream)
{
    /* who reads and writes at once gets what comes of it */
    if (!stream->descriptor.file || stream->read_gate.held || (!stream->op && !unread(stream)))
        return;
    struct seeking seeking = {.loop = loop, .stream = stream};
    rota_stream_as_reader(self, settle_gated, &seeking);
}

static void settle(VALUE io)
{
    rota_loop_t *loop;
    rota_stream_t *stream = rota_stream_get(io, &loop);
    rota_position_settle(io, loop, stream);
}

static void require_positions(const rota_stream_t *stream, const char *verb)
{
    if (!stream->descriptor.file) rota_error_raise(-ESPIPE, verb);
}

/* More was pushed back than lies before, and some of that is still to be read behind the seek: it
 * lies before the beginning, where no descriptor can be. IO answers seek(0, :CUR) so up to Ruby
 * 3.4; from 4.0 on it drops all it has read ahead, and goes on behind that. */
static bool ends_in_front_of_file(const struct seeking *seeking)
{
    if (seeking->whence != SEEK_CUR || seeking->offset < 0) return false;
    off_t behind = unread(seeking->stream) - seeking->offset;
    return behind > 0 && seek_or_raise(seeking->stream, 0, SEEK_CUR) < behind;
}

static void skip(rota_stream_t *stream, off_t length)
{
    rota_stream_skip(stream, (size_t)length);
    if (length) rota_text_forget(stream);
}

static VALUE seek_gated(VALUE data)
{
    struct seeking *seeking = (struct seeking *)data;
    rota_stream_t *stream = seeking->stream;
    finish_reading(seeking->loop, stream);
    if (ends_in_front_of_file(seeking)) {
        skip(stream, seeking->offset);
        return Qnil;
    }
    if (seeking->whence == SEEK_CUR) seeking->offset -= unread(stream);
    seek_or_raise(stream, seeking->offset, seeking->whence);
    drop_unread(stream);
    return Qnil;
}

static VALUE position_gated(VALUE data)
{
    struct seeking *seeking = (struct seeking *)data;
    rota_stream_t *stream = seeking->stream;
    finish_reading(seeking->loop, stream);
    stream->descriptor.buffered = unread(stream) || rota_text_pending(stream);
    return OFFT2NUM(seek_or_raise(stream, 0, SEEK_CUR) - unread(stream));
}

static int whence_argument(VALUE whence)
{
    static const struct {
        const char *name;
        int number;
    } words[] = {{"SET", SEEK_SET},
                 {"CUR", SEEK_CUR},
                 {"END", SEEK_END},
                 {"DATA", SEEK_DATA},
                 {"HOLE", SEEK_HOLE}};
    if (NIL_P(whence)) return SEEK_SET;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (whence == ID2SYM(rb_intern(words[i].name))) return words[i].number;
    return NUM2INT(whence);
}

static VALUE seek_to(VALUE self, VALUE offset, int whence)
{
    struct seeking seeking = {.offset = NUM2OFFT(offset), .whence = whence};
    seeking.stream = rota_stream_get(self, &seeking.loop);
    require_positions(seeking.stream, "seek");
    return rota_stream_as_reader(self, seek_gated, &seeking);
}

/* call-seq: seek(offset, whence = IO::SEEK_SET) -> 0
 *
 * As IO#seek: where the next read or write begins. Only for files.
 *
 * @param offset [Integer] bytes
 * @param whence [Integer, Symbol] +IO::SEEK_SET+ or +:SET+: from the beginning, +:CUR+: from where
 *   it is, +:END+: from the end; +:DATA+, +:HOLE+
 * @return [Integer] 0
 * @raise [SystemCallError] +Errno::ESPIPE+ for what has no positions, +Errno::EINVAL+ ...
 * @raise [IOError] the stream is closed */
static VALUE stream_seek(int argc, VALUE *argv, VALUE self)
{
    VALUE offset, whence;
    rb_scan_args(argc, argv, "11", &offset, &whence);
    seek_to(self, offset, whence_argument(whence));
    return INT2FIX(0);
}

/* As IO#pos.
 *
 * @return [Integer] where the next read or write begins, in bytes
 * @raise as +seek+ */
static VALUE stream_pos(VALUE self)
{
    struct seeking seeking = {0};
    seeking.stream = rota_stream_get(self, &seeking.loop);
    require_positions(seeking.stream, "pos");
    return rota_stream_as_reader(self, position_gated, &seeking);
}

/* call-seq: pos = offset
 *
 * @param offset [Integer] where the next read or write begins, in bytes
 * @raise as +seek+ */
static VALUE stream_set_pos(VALUE self, VALUE offset)
{
    return seek_to(self, offset, SEEK_SET);
}

/* As IO#rewind: back to the beginning, and to line 0.
 *
 * @return [Integer] 0
 * @raise as +seek+ */
static VALUE stream_rewind(VALUE self)
{
    rota_loop_t *loop;
    seek_to(self, INT2FIX(0), SEEK_SET);
    rota_stream_get(self, &loop)->lineno = 0;
    return INT2FIX(0);
}

void rota_init_stream_position(VALUE klass)
{
    rota_descriptor_settle = settle;
    rb_define_method(klass, "seek", stream_seek, -1);
    rb_define_method(klass, "pos", stream_pos, 0);
    rb_define_method(klass, "tell", stream_pos, 0);
    rb_define_method(klass, "pos=", stream_set_pos, 1);
    rb_define_method(klass, "rewind", stream_rewind, 0);
}
