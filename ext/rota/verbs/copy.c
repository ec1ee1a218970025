#include "verbs/copy.h"

#include "core/attempt.h"
#include "core/disk.h"
#include "runtime/await.h"
#include "runtime/await_many.h"
#include "runtime/error.h"
#include "runtime/leftover.h"
#include "verbs/read.h"
#include "verbs/splice.h"
#include "verbs/write.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* Between two of which one is a pipe, bytes are spliced; between others through a pipe of our own;
 * where the kernel does not splice (a file opened for appending, some devices) or grants no pipe,
 * and for a little from file to file, they are read and written.
 *
 * What was taken from the source and did not reach the target, because the task was interrupted or
 * the target failed, is given back to the source: a file's position is moved back, and for all else
 * the next verb that reads it gets the bytes. So none is lost, and nothing has to be waited for. */

enum {
    PIPE_WANTED = 1 << 20, /* as many bytes of a file are handed from one worker to the next */
    MOVE_PIECE = 64 << 10, /* what the page cache has of it is spliced without a worker */
    COPY_PIECE = 256 << 10 /* read and written */
};

typedef struct copying {
    rota_loop_t *loop;
    const char *verb;
    rota_target_t source, target;
    bool from_storage, to_storage;
    uint64_t left;         /* to be taken from the source; UINT64_MAX: until the end */
    uint64_t offset;       /* where from; UINT64_MAX: the source's own position */
    uint64_t moved;        /* reached the target */
    uint64_t ahead;        /* so much of a file was still to come; UINT64_MAX: nobody knows */
    size_t piece;          /* at once */
    int ends[2];           /* our own pipe, read end and write end; -1: none */
    size_t held;           /* bytes in it */
    bool complete;         /* nothing is to be given back */
    rota_splice_t in, out; /* from the source; to the target. Without a pipe of our own only `in` */
    VALUE memory;          /* String; Qfalse until bytes are read and written */
    rota_writing_t writing; /* of all that is in it; `written` counts while it is on its way */
} copying_t;

/* --- how far it is ------------------------------------------------------------------------ */

static void note_taken(copying_t *copying, uint64_t count)
{
    if (copying->left != UINT64_MAX) copying->left -= count;
    if (copying->offset != UINT64_MAX) copying->offset += count;
    if (copying->ahead != UINT64_MAX)
        copying->ahead -= count < copying->ahead ? count : copying->ahead;
}

static void note_held(copying_t *copying, uint64_t count)
{
    note_taken(copying, count);
    copying->held += count;
}

static void note_drained(copying_t *copying, uint64_t count)
{
    copying->held -= count;
    copying->moved += count;
}

/* At most, as far as can be known. */
static uint64_t to_come(const copying_t *copying)
{
    return copying->left < copying->ahead ? copying->left : copying->ahead;
}

/* No more than there is, so that no link of a pair comes short. */
static size_t next_piece(const copying_t *copying)
{
    uint64_t most = to_come(copying);
    return most < copying->piece ? (size_t)most : copying->piece;
}

static off_t place_of(const copying_t *copying)
{
    if (copying->offset != UINT64_MAX) return (off_t)copying->offset;
    return lseek(copying->source.fd, 0, SEEK_CUR);
}

/* A file without a size (the kernel makes it up) and one that is read behind its end tell nothing.
 */
static void look_ahead(copying_t *copying)
{
    struct stat stat;
    copying->ahead = UINT64_MAX;
    if (fstat(copying->source.fd, &stat) || !S_ISREG(stat.st_mode)) return;
    off_t place = place_of(copying);
    if (place >= 0 && place < stat.st_size) copying->ahead = (uint64_t)(stat.st_size - place);
}

/* What was ahead is taken. Is it the end? A file may have grown. */
static bool is_at_end(const copying_t *copying)
{
    uint8_t byte;
    struct iovec part = {.iov_base = &byte, .iov_len = 1};
    off_t place = place_of(copying);
    return place >= 0 && preadv2(copying->source.fd, &part, 1, place, RWF_NOWAIT) == 0;
}

/* Is there more to take, as far as can be known without asking for it? */
static bool goes_on(copying_t *copying)
{
    if (copying->left == 0) return false;
    if (copying->ahead > 0) return true;
    if (is_at_end(copying)) return false;
    copying->ahead = UINT64_MAX;
    return true;
}

/* --- straight, where one end is a pipe ---------------------------------------------------- */

static rota_splice_t splice_between(const copying_t *copying, rota_target_t source,
                                    rota_target_t target)
{
    rota_splice_t splice = {
        .loop = copying->loop, .verb = copying->verb, .source = source, .target = target};
    rota_splice_init(&splice, ROTA_OP_SPLICE);
    return splice;
}

/* 0 when all is moved, or a negative result. */
static int32_t move_straight(copying_t *copying)
{
    while (goes_on(copying)) {
        int32_t result = rota_splice_some(&copying->in, next_piece(copying), copying->offset);
        if (result <= 0) return result;
        note_taken(copying, (uint64_t)result);
        copying->moved += (uint64_t)result;
    }
    return 0;
}

/* --- through a pipe of our own ------------------------------------------------------------ */

static int32_t fill_pipe(copying_t *copying)
{
    int32_t result = rota_splice_some(&copying->in, next_piece(copying), copying->offset);
    if (result > 0) note_held(copying, (uint64_t)result);
    return result;
}

static int32_t drain_pipe(copying_t *copying)
{
    while (copying->held) {
        int32_t result = rota_splice_some(&copying->out, copying->held, UINT64_MAX);
        if (result <= 0) return result < 0 ? result : -EIO;
        note_drained(copying, (uint64_t)result);
    }
    return 0;
}

struct pair {
    copying_t *copying;
    int32_t results[2];
};

static void fill_half(rota_many_t *many, uint32_t index, rota_op_t *op)
{
    copying_t *copying = ((struct pair *)many->data)->copying;
    size_t piece = next_piece(copying);
    if (index == 0) {
        rota_splice_fill(&copying->in, piece, copying->offset, op);
    } else {
        rota_splice_fill(&copying->out, piece, UINT64_MAX, op);
    }
}

static bool absorb_half(rota_many_t *many, uint32_t index, int32_t result)
{
    struct pair *pair = many->data;
    pair->results[index] = result;
    if (result <= 0) return false;
    if (index == 0) {
        note_held(pair->copying, (uint64_t)result);
    } else {
        note_drained(pair->copying, (uint64_t)result);
    }
    return false;
}

static bool was_cut(int32_t result)
{
    return result == -ECANCELED || result == -EINTR;
}

/* Between two files both halves are a worker's: linked, the second follows the first without us.
 * (Of a little, the first needs no worker.) After a short first half the kernel leaves the second
 * to us.
 */
static int32_t move_pair(copying_t *copying)
{
    struct pair pair = {.copying = copying};
    rota_many_t many = {.what = copying->verb,
                        .count = 2,
                        .linked = true,
                        .fill = fill_half,
                        .absorb = absorb_half,
                        .data = &pair};
    rota_splice_look_again(&copying->in);
    rota_splice_look_again(&copying->out);
    if (!rota_await_many(copying->loop, &many)) return -ECANCELED;
    if (many.cut_by_close && pair.results[0] == -ECANCELED) return ROTA_CLOSED;
    if (pair.results[0] > 0 && pair.results[1] < 0 && !was_cut(pair.results[1]))
        return pair.results[1];
    return pair.results[0];
}

static bool pairs(const copying_t *copying)
{
    return copying->from_storage && copying->to_storage && copying->loop->engine->links_max >= 2 &&
           next_piece(copying) > MOVE_PIECE;
}

static int32_t move_through_pipe(copying_t *copying)
{
    while (goes_on(copying)) {
        int32_t result = pairs(copying) ? move_pair(copying) : fill_pipe(copying);
        if (result == -EINTR) continue;
        if (result <= 0) return result;
        result = drain_pipe(copying);
        if (result < 0) return result;
    }
    return 0;
}

static bool open_pipe(copying_t *copying)
{
    if (pipe2(copying->ends, O_CLOEXEC | O_NONBLOCK) < 0) {
        copying->ends[0] = copying->ends[1] = -1;
        return false;
    }
    /* refused to who has many pipes; then pieces are smaller */
    bool much = copying->to_storage && to_come(copying) > MOVE_PIECE;
    if (much) (void)fcntl(copying->ends[1], F_SETPIPE_SZ, PIPE_WANTED);
    int size = fcntl(copying->ends[1], F_GETPIPE_SZ);
    if (copying->to_storage && size > MOVE_PIECE) copying->piece = (size_t)size;
    rota_target_t read_end = {.fd = copying->ends[0], .slot = -1, .io = Qfalse};
    rota_target_t write_end = {.fd = copying->ends[1], .slot = -1, .io = Qfalse};
    copying->in = splice_between(copying, copying->source, write_end);
    copying->out = splice_between(copying, read_end, copying->target);
    return true;
}

/* --- read and written --------------------------------------------------------------------- */

/* The target alone: what a source brought before it was closed is still to arrive. */
static void write_memory(copying_t *copying)
{
    rota_target_look_again(copying->loop, &copying->target);
    copying->writing.target = copying->target;
    rota_write(&copying->writing, copying->memory);
    copying->moved += copying->writing.written;
    copying->writing.written = 0;
    rb_str_set_len(copying->memory, 0);
}

static void take_memory(copying_t *copying)
{
    copying->piece = to_come(copying) <= ROTA_DISK_LITTLE ? ROTA_DISK_LITTLE : COPY_PIECE;
    copying->memory = rb_str_buf_new((long)copying->piece);
    copying->writing =
        (rota_writing_t){.loop = copying->loop, .verb = copying->verb, .deadline_ns = UINT64_MAX};
}

/* What is in our own pipe comes to memory: it is there, so nothing is waited for. */
static void empty_pipe(copying_t *copying)
{
    rb_str_modify_expand(copying->memory, (long)copying->held);
    while (copying->held) {
        long length = RSTRING_LEN(copying->memory);
        ssize_t count =
            read(copying->ends[0], RSTRING_PTR(copying->memory) + length, copying->held);
        if (count <= 0) break;
        copying->held -= (size_t)count;
        rb_str_set_len(copying->memory, length + count);
    }
}

static void read_and_write(copying_t *copying)
{
    take_memory(copying);
    empty_pipe(copying);
    if (RSTRING_LEN(copying->memory)) write_memory(copying);
    while (goes_on(copying)) {
        rota_target_look_again(copying->loop, &copying->source);
        rota_target_look_again(copying->loop, &copying->target);
        size_t count = rota_read_into(copying->loop, &copying->source, copying->memory,
                                      next_piece(copying), copying->offset, copying->verb);
        if (count == 0) return;
        note_taken(copying, count);
        write_memory(copying);
    }
}

/* --- the end ------------------------------------------------------------------------------ */

/* An op that was done when its task unwound told nobody what it had moved. */
static void note_unwound(copying_t *copying)
{
    if (copying->ends[0] >= 0) {
        note_held(copying, (uint64_t)copying->in.unwound);
        note_drained(copying, (uint64_t)copying->out.unwound);
    } else {
        copying->moved += (uint64_t)copying->in.unwound;
    }
}

static void give_back(copying_t *copying)
{
    if (copying->offset != UINT64_MAX) return; /* was taken from nobody */
    rota_leftover_put_back(copying->loop, &copying->source, copying->memory);
}

static VALUE restore_taken(VALUE data)
{
    copying_t *copying = (copying_t *)data;
    note_unwound(copying);
    if (copying->memory) {
        size_t written = copying->writing.written, length = (size_t)RSTRING_LEN(copying->memory);
        copying->moved += written;
        copying->memory = rb_str_substr(copying->memory, (long)written, (long)(length - written));
    } else if (copying->held) {
        copying->memory = rb_str_buf_new((long)copying->held);
        empty_pipe(copying);
    }
    if (copying->memory) give_back(copying);
    return Qnil;
}

/* Nothing of it hides why the copy ended. It looks for no interrupt, or that would be dropped here.
 */
static VALUE restore(VALUE data)
{
    copying_t *copying = (copying_t *)data;
    int state = 0;
    if (!copying->complete) rb_protect(restore_taken, data, &state);
    if (state) rb_set_errinfo(Qnil);
    return Qnil;
}

static void close_pipe(const copying_t *copying)
{
    if (copying->ends[0] < 0) return;
    close(copying->ends[0]);
    close(copying->ends[1]);
}

/* --- from the beginning ------------------------------------------------------------------- */

static bool is_pipe(int fd)
{
    struct stat stat;
    return fstat(fd, &stat) == 0 && S_ISFIFO(stat.st_mode);
}

/* Is reading and writing worth a try, where splicing failed so? */
static bool cannot_splice(int32_t result)
{
    return result == -EINVAL || result == -ENOSYS || result == -EOPNOTSUPP;
}

static int32_t splice_all(copying_t *copying)
{
    if (is_pipe(copying->source.fd) || is_pipe(copying->target.fd)) {
        copying->in = splice_between(copying, copying->source, copying->target);
        return move_straight(copying);
    }
    return open_pipe(copying) ? move_through_pipe(copying) : -EOPNOTSUPP;
}

/* The page cache gives and takes it by two calls, where splicing takes a pipe and a worker. */
static bool is_little(const copying_t *copying)
{
    return copying->from_storage && copying->to_storage && to_come(copying) <= ROTA_DISK_LITTLE;
}

/* What has no positions would wait for bytes first, and then say so. */
static void check_offset(const copying_t *copying)
{
    if (copying->offset == UINT64_MAX) return;
    if (lseek(copying->source.fd, 0, SEEK_CUR) < 0) rota_error_raise(-errno, copying->verb);
}

static VALUE copy_all(VALUE data)
{
    copying_t *copying = (copying_t *)data;
    check_offset(copying);
    bool kept =
        copying->offset == UINT64_MAX && rota_leftover_is_kept(copying->loop, copying->source.fd);
    if (copying->from_storage) look_ahead(copying);
    bool splices = !kept && !rota_target_is_terminal(&copying->target) && !is_little(copying);
    int32_t result = splices ? splice_all(copying) : -EOPNOTSUPP;
    if (cannot_splice(result)) {
        read_and_write(copying);
    } else if (result < 0) {
        rota_await_raise(copying->loop, result, copying->verb);
    }
    copying->complete = true;
    if (copying->memory) rb_str_resize(copying->memory, 0); /* or many copies are a collection */
    return Qnil;
}

static VALUE copy_or_restore(VALUE data)
{
    return rb_ensure(copy_all, data, restore, data);
}

void rota_copy(rota_loop_t *loop, const rota_target_t *source, const rota_target_t *target,
               uint64_t length, uint64_t offset, const char *verb, uint64_t *moved)
{
    copying_t copying = {.loop = loop,
                         .verb = verb,
                         .source = *source,
                         .target = *target,
                         .from_storage = rota_attempt_is_storage(source->fd),
                         .to_storage = rota_attempt_is_storage(target->fd),
                         .left = length,
                         .offset = offset,
                         .ahead = UINT64_MAX,
                         .piece = MOVE_PIECE,
                         .ends = {-1, -1},
                         .memory = Qfalse};
    int state = 0;
    rb_protect(copy_or_restore, (VALUE)&copying, &state);
    close_pipe(&copying);
    *moved += copying.moved;
    if (state) rota_error_tell(state, "bytes_written", copying.moved);
    RB_GC_GUARD(copying.memory);
}

static uint64_t number_argument(VALUE value, const char *what)
{
    if (NIL_P(value)) return UINT64_MAX;
    long long number = NUM2LL(value);
    if (number < 0) rb_raise(rb_eArgError, "negative %s %lld given", what, number);
    return (uint64_t)number;
}

static VALUE copy_between(rota_loop_t *loop, VALUE from, VALUE to, uint64_t length, uint64_t offset,
                          const char *verb)
{
    rota_target_t target = rota_target_writable(loop, to);
    rota_target_t source = rota_target_unbuffered(loop, from);
    uint64_t copied = 0;
    rota_copy(loop, &source, &target, length, offset, verb, &copied);
    RB_GC_GUARD(from);
    RB_GC_GUARD(to);
    return ULL2NUM(copied);
}

/* call-seq: copy(source, target, length = nil, offset = nil) -> Integer
 *
 * Copies until the end of the source, or +length+ bytes, as IO.copy_stream does; through the kernel
 * alone where it can be. Stops at the end of a source that is shorter.
 *
 * A copy that is interrupted, or whose target fails, loses no byte: what was taken from the source
 * and did not arrive is given back to it (the position of a file is moved back; of a pipe or socket
 * the next verb of this loop that reads it gets the bytes first). The exception answers
 * +bytes_written+ when some had arrived.
 *
 * @param source [IO, Rota::Stream, Integer]
 * @param target [IO, Rota::Stream, Integer]
 * @param length [Integer, nil] bytes; nil is until the end
 * @param offset [Integer, nil] where in the source file, in bytes, whose own position is left alone
 *   then; nil is that position
 * @return [Integer] bytes copied
 * @raise [SystemCallError] +Errno::EPIPE+; +Errno::ESPIPE+ for an offset in what is no file ...
 * @raise [IOError] an io is closed, was closed meanwhile, or holds bytes in a buffer of its own
 * @raise [ArgumentError] +length+ or +offset+ is negative */
static VALUE loop_copy(int argc, VALUE *argv, VALUE self)
{
    VALUE from, to, length, offset;
    rb_scan_args(argc, argv, "22", &from, &to, &length, &offset);
    uint64_t count = number_argument(length, "length"), place = number_argument(offset, "offset");
    return copy_between(rota_loop_get(self), from, to, count, place, "copy");
}

/* call-seq: double_splice(source, target) -> Integer
 *
 * Moves everything, until the end of the source, through a pipe between the two: what +splice+ does
 * for a pipe and another, this does for any two.
 *
 * @return [Integer] bytes moved
 * @raise as +copy+, which loses as little */
static VALUE loop_double_splice(VALUE self, VALUE from, VALUE to)
{
    return copy_between(rota_loop_get(self), from, to, UINT64_MAX, UINT64_MAX, "double_splice");
}

void rota_init_copy(VALUE loop_class)
{
    rb_define_method(loop_class, "copy", loop_copy, -1);
    rb_define_method(loop_class, "double_splice", loop_double_splice, 2);
}
