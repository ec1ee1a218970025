#include "verbs/splice.h"

#include "core/attempt.h"
#include "runtime/await.h"
#include "runtime/interrupt.h"
#include "runtime/leftover.h"
#include "runtime/road.h"
#include "runtime/roots.h"
#include "verbs/call.h"
#include "verbs/write.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* A system call that does not block costs 2 microseconds, an entry that a worker of the kernel
 * serves 8. So pipes and sockets are spliced at once, and polled for when they are not ready. Files
 * may block: a worker has them, but for a little that is in the page cache. */

/* So much of a file is in memory if its two ends are: files are read ahead in one piece. */
#define HOT_MAX (64 * 1024)

void rota_splice_init(rota_splice_t *splice, rota_op_kind_t kind)
{
    splice->kind = kind;
    splice->from_storage = rota_attempt_is_storage(splice->source.fd);
    splice->to_storage = rota_attempt_is_storage(splice->target.fd);
    splice->unwound = 0;
    splice->duplicate = -1;
}

void rota_splice_fill(const rota_splice_t *splice, size_t length, uint64_t offset, rota_op_t *op)
{
    op->kind = (uint8_t)splice->kind;
    op->fd = op->descriptor = splice->target.fd;
    op->request_flags = (uint32_t)splice->source.fd;
    op->source = splice->source.fd;
    op->length = (uint32_t)length;
    op->offset = offset;
    rota_roots_set(op, splice->source.io, splice->target.io);
}

static rota_op_t request_of(const rota_splice_t *splice, size_t length, uint64_t offset)
{
    rota_op_t request = {0};
    rota_splice_fill(splice, length, offset, &request);
    return request;
}

int32_t rota_splice_now(const rota_splice_t *splice, size_t length)
{
    rota_op_t request = request_of(splice, length, UINT64_MAX);
    return rota_attempt_splice(&request);
}

/* --- files -------------------------------------------------------------------------------- */

static bool is_cached(int fd, off_t offset)
{
    uint8_t byte;
    struct iovec part = {.iov_base = &byte, .iov_len = 1};
    return preadv2(fd, &part, 1, offset, RWF_NOWAIT) >= 0; /* the end, too */
}

static bool is_hot(const rota_splice_t *splice, size_t length, uint64_t offset)
{
    int fd = splice->source.fd;
    if (length > HOT_MAX) return false;
    off_t first = offset == UINT64_MAX ? lseek(fd, 0, SEEK_CUR) : (off_t)offset;
    return first >= 0 && is_cached(fd, first) && is_cached(fd, first + (off_t)length - 1);
}

static bool may_block(const rota_splice_t *splice, size_t length, uint64_t offset)
{
    if (splice->to_storage) return true;
    return splice->from_storage && !is_hot(splice, length, offset);
}

/* --- ops ---------------------------------------------------------------------------------- */

static void note_unwound(rota_loop_t *loop, rota_op_t *op, void *data)
{
    rota_splice_t *splice = data;
    (void)loop;
    if (op->kind != ROTA_OP_POLL) splice->unwound += op->result;
}

static void close_duplicate(void *data)
{
    rota_splice_t *splice = data;
    if (splice->duplicate < 0) return;
    close(splice->duplicate);
    splice->duplicate = -1;
}

static int32_t await_op(rota_splice_t *splice, rota_op_t *op)
{
    rota_wait_t wait = {.what = splice->verb,
                        .fd = splice->target.fd,
                        .unwanted = note_unwound,
                        .settled = close_duplicate,
                        .data = splice};
    splice->loop->direct_in_a_row = 0;
    return rota_await(splice->loop, op, &wait);
}

/* The worker looks the source up when it comes to it, and its number may be another file's by then:
 * it gets one that nobody else knows. Without a free one it has that of the io. */
static int32_t move_by_worker(rota_splice_t *splice, size_t length, uint64_t offset)
{
    rota_op_t *op = rota_await_op(splice->loop, splice->kind);
    rota_splice_fill(splice, length, offset, op);
    if (splice->source.io) splice->duplicate = fcntl(op->source, F_DUPFD_CLOEXEC, 1);
    if (splice->duplicate >= 0) op->request_flags = (uint32_t)splice->duplicate;
    int32_t result = await_op(splice, op);
    close_duplicate(splice);
    return result;
}

static void fill_poll(const rota_splice_t *splice, rota_op_t *op)
{
    uint32_t events;
    rota_op_t request = request_of(splice, 0, 0);
    int fd = rota_attempt_unready_end(&request, &events);
    op->kind = ROTA_OP_POLL;
    op->fd = op->descriptor = fd;
    op->request_flags = events;
    bool reads = fd == splice->source.fd;
    rota_roots_set(op, reads ? splice->target.io : splice->source.io,
                   reads ? splice->source.io : splice->target.io);
}

static int32_t wait_for_ends(rota_splice_t *splice)
{
    rota_op_t *op = rota_await_op(splice->loop, ROTA_OP_POLL);
    fill_poll(splice, op);
    return await_op(splice, op);
}

void rota_splice_look_again(rota_splice_t *splice)
{
    rota_target_look_again(splice->loop, &splice->source);
    rota_target_look_again(splice->loop, &splice->target);
}

static int32_t move_directly(const rota_splice_t *splice, size_t length, uint64_t offset)
{
    rota_op_t request = request_of(splice, length, offset);
    return rota_attempt_splice(&request);
}

int32_t rota_splice_some(rota_splice_t *splice, size_t length, uint64_t offset)
{
    for (bool gave_way = false;; gave_way = true) {
        int32_t result = -EAGAIN;
        rota_interrupt_check(splice->loop); /* first: an interjection may close anything */
        rota_splice_look_again(splice);
        if (may_block(splice, length, offset)) {
            result = move_by_worker(splice, length, offset);
        } else if (gave_way || rota_road_has_turn(splice->loop)) {
            result = move_directly(splice, length, offset);
        }
        if (result == -EINTR) continue;
        if (result != -EAGAIN) return result;
        result = wait_for_ends(splice);
        if (result < 0) return result;
    }
}

/* --- as calls ----------------------------------------------------------------------------- */

/* `step`: which op is on its way. */
enum { MOVES, POLLS };

static rota_splice_t splice_of(const rota_call_t *call)
{
    rota_splice_t splice = {.loop = call->loop,
                            .verb = call->verb->name,
                            .source = call->source,
                            .target = call->target};
    rota_splice_init(&splice, call->kind);
    return splice;
}

static bool is_blocking_socket(int fd)
{
    struct stat stat;
    if (fstat(fd, &stat) || !S_ISSOCK(stat.st_mode)) return false;
    return !(fcntl(fd, F_GETFL) & O_NONBLOCK);
}

static void take(rota_call_t *call, int argc, const VALUE *argv)
{
    rb_check_arity(argc, 3, 3);
    call->target = rota_target_settled(call->loop, argv[1]);
    call->source = rota_target_unbuffered(call->loop, argv[0]);
    call->length = rota_bytes_length(argv[2]);
    call->by_itself = rota_leftover_is_kept(call->loop, call->source.fd) ||
                      is_blocking_socket(call->source.fd) || is_blocking_socket(call->target.fd);
}

static void take_splice(rota_call_t *call, int argc, const VALUE *argv)
{
    call->kind = ROTA_OP_SPLICE;
    take(call, argc, argv);
}

static void take_tee(rota_call_t *call, int argc, const VALUE *argv)
{
    call->kind = ROTA_OP_TEE;
    take(call, argc, argv);
}

static void fill(rota_call_t *call, rota_op_t *op)
{
    rota_splice_t splice = splice_of(call);
    if (call->step == POLLS) {
        fill_poll(&splice, op);
    } else {
        rota_splice_fill(&splice, call->length, UINT64_MAX, op);
    }
}

/* What is no storage is moved as soon as it is ready, without another op. */
static bool absorb(rota_call_t *call, int32_t result)
{
    if (call->step == POLLS && result >= 0) {
        if (!rota_call_look_again(call)) return false;
        rota_splice_t splice = splice_of(call);
        call->step = MOVES;
        if (splice.from_storage || splice.to_storage) return true;
        result = rota_splice_now(&splice, call->length);
    }
    call->result = result;
    if (result != -EAGAIN) return false;
    call->step = POLLS;
    return rota_call_look_again(call);
}

static VALUE finish(rota_call_t *call)
{
    if (call->failure) rota_call_raise_failure(call);
    return rota_call_number(call);
}

static bool is_short(const rota_call_t *call)
{
    return (size_t)call->result < call->length;
}

static const rota_verb_t splice_verb = {
    .name = "splice",
    .take = take_splice,
    .fill = fill,
    .absorb = absorb,
    .finish = finish,
    .is_short = is_short,
};

static const rota_verb_t tee_verb = {
    .name = "tee",
    .take = take_tee,
    .fill = fill,
    .absorb = absorb,
    .finish = finish,
    .is_short = is_short,
};

/* --- kept bytes --------------------------------------------------------------------------- */

/* Bytes that a cancelled read left: they go first, by a write. */
struct leftover {
    rota_call_t *call;
    VALUE bytes;
    size_t written;
};

static VALUE write_leftover(VALUE data)
{
    struct leftover *leftover = (struct leftover *)data;
    rota_writing_t writing = {.loop = leftover->call->loop,
                              .verb = leftover->call->verb->name,
                              .target = leftover->call->target,
                              .once = true,
                              .deadline_ns = UINT64_MAX};
    leftover->written = rota_write(&writing, leftover->bytes);
    return SIZET2NUM(leftover->written);
}

static VALUE put_back_rest(VALUE data)
{
    struct leftover *leftover = (struct leftover *)data;
    if (leftover->call->kind == ROTA_OP_TEE) return Qnil; /* nothing was taken */
    long left = RSTRING_LEN(leftover->bytes) - (long)leftover->written;
    rota_leftover_put_back(leftover->call->loop, &leftover->call->source,
                           rb_str_substr(leftover->bytes, (long)leftover->written, left));
    return Qnil;
}

static VALUE move_leftover(rota_call_t *call)
{
    size_t length = call->length < HOT_MAX ? call->length : HOT_MAX;
    struct leftover leftover = {call, rb_str_buf_new((long)length), 0};
    long kept =
        rota_leftover_take(call->loop, call->source.fd, (uint8_t *)RSTRING_PTR(leftover.bytes),
                           length, call->kind == ROTA_OP_TEE);
    rb_str_set_len(leftover.bytes, kept);
    return rb_ensure(write_leftover, (VALUE)&leftover, put_back_rest, (VALUE)&leftover);
}

/* --- the methods -------------------------------------------------------------------------- */

static VALUE perform(VALUE self, const rota_verb_t *verb, VALUE source, VALUE target, VALUE maxlen)
{
    VALUE arguments[] = {source, target, maxlen};
    rota_call_t call;
    rota_call_take(&call, rota_loop_get(self), verb, 3, arguments);
    if (call.length == 0) return INT2FIX(0);
    if (rota_leftover_is_kept(call.loop, call.source.fd)) return move_leftover(&call);
    rota_splice_t splice = splice_of(&call);
    call.result = rota_splice_some(&splice, call.length, UINT64_MAX);
    return finish(&call);
}

/* call-seq: splice(source, target, maxlen) -> Integer
 *
 * Moves what is at hand, at most +maxlen+ bytes, from one io to the other without copying it
 * through the process. One of them must be a pipe. Waits until there is something to move and room
 * for it. Files are read and written at their own positions.
 *
 * @param source [IO, Rota::Stream, Integer]
 * @param target [IO, Rota::Stream, Integer]
 * @param maxlen [Integer] bytes
 * @return [Integer] bytes moved; 0 at the end
 * @raise [SystemCallError] +Errno::EINVAL+ when neither is a pipe, or the target is a file opened
 *   for appending; +Errno::EPIPE+ ...
 * @raise [IOError] an io is closed, was closed meanwhile, or holds bytes in a buffer of its own */
static VALUE loop_splice(VALUE self, VALUE source, VALUE target, VALUE maxlen)
{
    return perform(self, &splice_verb, source, target, maxlen);
}

/* call-seq: tee(source, target, maxlen) -> Integer
 *
 * Doubles what is at hand in a pipe, at most +maxlen+ bytes: it goes to the target, which is
 * another pipe, and is still there to be read from the source. Waits as +splice+ does.
 *
 * @return [Integer] bytes doubled; 0 at the end
 * @raise as +splice+; +Errno::EINVAL+ when one is no pipe */
static VALUE loop_tee(VALUE self, VALUE source, VALUE target, VALUE maxlen)
{
    return perform(self, &tee_verb, source, target, maxlen);
}

void rota_init_splice(VALUE loop_class)
{
    rb_define_method(loop_class, "splice", loop_splice, 3);
    rb_define_method(loop_class, "tee", loop_tee, 3);
    rota_call_offer("splice", &splice_verb);
    rota_call_offer("tee", &tee_verb);
}
