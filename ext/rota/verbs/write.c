#include "verbs/write.h"

#include "core/attempt.h"
#include "core/disk.h"
#include "core/syscall.h"
#include "runtime/await.h"
#include "runtime/bytes.h"
#include "runtime/error.h"
#include "runtime/interrupt.h"
#include "runtime/road.h"
#include "runtime/roots.h"
#include "runtime/task.h"
#include "runtime/zero_copy.h"
#include "verbs/call.h"

/* Apart, so that it is not on the stack of those who wait. */
ROTA_APART static ssize_t write_to_cache(const rota_writing_t *writing, const uint8_t *bytes,
                                         size_t length)
{
    int32_t result = rota_disk_write(writing->target.fd, bytes, length);
    return result == ROTA_ATTEMPT_BLOCKS ? -EAGAIN : result;
}

ssize_t rota_write_now(const rota_writing_t *writing, const uint8_t *bytes, size_t length)
{
    if (writing->target.file) return write_to_cache(writing, bytes, length);
    ssize_t result;
    if (writing->sends || writing->target.hint == ROTA_HINT_SOCKET) {
        int flags = (int)writing->request_flags | MSG_DONTWAIT | MSG_NOSIGNAL;
        result = rota_sys_send(writing->target.fd, bytes, length, flags);
    } else {
        struct iovec part = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = length};
        result = rota_sys_pwritev2(writing->target.fd, &part, 1, -1, RWF_NOWAIT);
    }
    if (result >= 0) return result;
    return errno == EOPNOTSUPP || errno == EINTR || errno == ENOTSOCK ? -EAGAIN : -errno;
}

struct transfer {
    rota_writing_t *writing;
    VALUE source;
    rota_lent_t lent;
    size_t written;
    int32_t result;
    bool zero_copy; /* the bytes are a frozen String's */
    bool bare;      /* whoever called is not told of a kill or throw: it passes */
    bool queues;    /* a call was tried in vain, or is not wanted: the next part is the engine's */
};

static void return_lent(void *data)
{
    struct transfer *transfer = data;
    rota_bytes_return_source(&transfer->lent);
    transfer->writing->written = transfer->written;
    if (transfer->bare && transfer->writing->gate) rota_gate_leave(transfer->writing->gate);
}

static void note_unwound(rota_loop_t *loop, rota_op_t *op, void *data)
{
    struct transfer *transfer = data;
    (void)loop;
    transfer->written += (size_t)op->result;
}

/* The op for what is left of `lent`. */
static void fill_op(const rota_writing_t *writing, const rota_lent_t *lent, size_t written,
                    rota_op_t *op)
{
    size_t left = lent->length - written;
    op->kind = writing->sends ? ROTA_OP_SEND : ROTA_OP_WRITE;
    rota_target_apply(&writing->target, op);
    op->memory = lent->memory + written;
    op->length = left > INT32_MAX ? INT32_MAX : (uint32_t)left;
    op->offset = UINT64_MAX;
    op->request_flags = writing->target.hint;
    if (writing->sends)
        op->request_flags =
            writing->request_flags | MSG_NOSIGNAL | (writing->once ? 0 : MSG_WAITALL);
    rota_roots_set(op, lent->object, writing->target.io);
}

static void note_sent(rota_op_t *op, void *data)
{
    const struct transfer *transfer = data;
    rota_zero_copy_sent(op, transfer->writing->target.io);
}

static int32_t perform(struct transfer *transfer, rota_op_t *op)
{
    rota_writing_t *writing = transfer->writing;
    fill_op(writing, &transfer->lent, transfer->written, op);
    if (transfer->zero_copy) {
        op->kind = ROTA_OP_SEND_ZERO_COPY;
        op->offset = 0; /* until the notification says something */
    }
    rota_wait_t wait = {.what = writing->verb,
                        .fd = writing->target.fd,
                        .unwanted = note_unwound,
                        .settled = return_lent,
                        .data = transfer,
                        .deadline_ns = writing->deadline_ns,
                        .sent = note_sent};
    writing->loop->direct_in_a_row = 0;
    return rota_await(writing->loop, op, &wait);
}

static int32_t write_by_ring(struct transfer *transfer)
{
    return perform(transfer, rota_await_op(transfer->writing->loop, ROTA_OP_WRITE));
}

/* What is left may be too little for it, or the kernel may have said that it copies. */
static bool goes_without_copy(const struct transfer *transfer)
{
    const rota_writing_t *writing = transfer->writing;
    return rota_zero_copy_pays(writing->loop, writing->target.io,
                               transfer->lent.length - transfer->written);
}

/* What the page cache takes is a call, however many others are ready. */
static bool prefers_call(const rota_writing_t *writing)
{
    if (rota_target_is_terminal(&writing->target)) return false;
    return writing->target.file ? rota_road_asks_files(writing->loop)
                                : rota_road_prefers_call(writing->loop, writing->target.fd);
}

/* With the target just met. */
static int32_t write_part(struct transfer *transfer)
{
    rota_loop_t *loop = transfer->writing->loop;
    if (ROTA_UNLIKELY(transfer->zero_copy) && goes_without_copy(transfer)) {
        int32_t result = write_by_ring(transfer);
        if (!rota_zero_copy_refused(transfer->writing->target.io, result)) return result;
        rota_target_meet(loop, &transfer->writing->target);
    }
    transfer->zero_copy = false;
    if (prefers_call(transfer->writing)) {
        ssize_t result =
            rota_write_now(transfer->writing, transfer->lent.memory + transfer->written,
                           transfer->lent.length - transfer->written);
        if (result != -EAGAIN) return (int32_t)result;
    }
    return write_by_ring(transfer);
}

static bool is_for_zero_copy(const struct transfer *transfer)
{
    const rota_writing_t *writing = transfer->writing;
    VALUE source = transfer->source;
    return writing->sends && RB_TYPE_P(source, T_STRING) &&
           rota_zero_copy_pays(writing->loop, writing->target.io, (size_t)RSTRING_LEN(source));
}

/* Is it over? */
static bool absorb_part(struct transfer *transfer, int32_t result)
{
    transfer->result = result;
    if (result < 0) return true;
    transfer->written += (size_t)result;
    return transfer->written == transfer->lent.length || transfer->writing->once;
}

/* Without a copy: what is lent shares its bytes with the caller's String, and keeps them when that
 * one is modified. */
static VALUE write_parts(VALUE data)
{
    struct transfer *transfer = (struct transfer *)data;
    if (!transfer->lent.object) {
        VALUE source = transfer->source;
        transfer->zero_copy = is_for_zero_copy(transfer);
        if (transfer->zero_copy) source = rb_str_new_frozen(source);
        transfer->lent = rota_bytes_lend_source(source);
    }
    /* others may have closed it while the last part waited, or to_s has */
    do rota_target_meet(transfer->writing->loop, &transfer->writing->target);
    while (!absorb_part(transfer, write_part(transfer)));
    return Qnil;
}

/* A String that one call takes is neither lent nor locked. Raises nothing, nor parks. Is it over?
 */
static bool write_at_once(struct transfer *transfer)
{
    rota_writing_t *writing = transfer->writing;
    VALUE source = transfer->source;
    if (!RB_TYPE_P(source, T_STRING) || is_for_zero_copy(transfer)) return false;
    if (!rota_task_undisturbed(writing->loop->current)) return false;
    transfer->queues = true;
    if (!prefers_call(writing)) return false;
    transfer->lent.length = (size_t)RSTRING_LEN(source);
    ssize_t result =
        rota_write_now(writing, (const uint8_t *)RSTRING_PTR(source), transfer->lent.length);
    return result != -EAGAIN && absorb_part(transfer, (int32_t)result);
}

static VALUE lend_another(VALUE data)
{
    struct transfer *transfer = (struct transfer *)data;
    transfer->lent = rota_bytes_lend_source(transfer->source);
    return Qnil;
}

static void lend_string(struct transfer *transfer, int *state)
{
    if (ROTA_LIKELY(rota_bytes_lend_as_it_is(transfer->source, &transfer->lent))) return;
    rb_protect(lend_another, (VALUE)transfer, state);
}

/* What mostly is all of the rest. A kill or throw passes, and nothing else can. Is it over? */
static bool write_bare(struct transfer *transfer)
{
    rota_op_t *op = rota_await_op_quietly(transfer->writing->loop, ROTA_OP_WRITE);
    if (!op) return false;
    transfer->bare = true;
    bool over = absorb_part(transfer, perform(transfer, op));
    transfer->bare = false;
    return over;
}

static VALUE raise_result(VALUE data)
{
    struct transfer *transfer = (struct transfer *)data;
    rota_writing_t *writing = transfer->writing;
    rota_await_raise(writing->loop, transfer->result, writing->verb);
}

static size_t finish_writing(struct transfer *transfer, int *state)
{
    VALUE lent = transfer->lent.object;
    if (lent) rota_bytes_return_source(&transfer->lent);
    transfer->writing->written = transfer->written;
    if (!*state && transfer->result < 0) rb_protect(raise_result, (VALUE)transfer, state);
    RB_GC_GUARD(lent);
    return transfer->written;
}

size_t rota_write_quietly(rota_writing_t *writing, VALUE source, int *state)
{
    struct transfer transfer = {.writing = writing, .source = source};
    if (!write_at_once(&transfer)) {
        if (transfer.queues) lend_string(&transfer, state);
        bool over = *state || (transfer.queues && write_bare(&transfer));
        if (!over) rb_protect(write_parts, (VALUE)&transfer, state);
    }
    return finish_writing(&transfer, state);
}

ROTA_FLAT size_t rota_write(rota_writing_t *writing, VALUE source)
{
    int state = 0;
    size_t written = rota_write_quietly(writing, source, &state);
    if (ROTA_UNLIKELY(state))
        rota_error_tell(state, "bytes_written", writing->written_before + written);
    return written;
}

/* Above this a copy costs more than a transfer of its own. */
#define JOIN_BELOW (64 * 1024)

/* All arguments as what can be written, before any of it is: to_s may raise. */
static VALUE sources_of(int argc, const VALUE *argv)
{
    VALUE sources = rb_ary_new_capa(argc);
    for (int i = 0; i < argc; i++)
        rb_ary_push(sources, rota_bytes_is_buffer(argv[i]) ? argv[i] : rb_obj_as_string(argv[i]));
    return sources;
}

static void append(VALUE joined, VALUE source)
{
    if (RB_TYPE_P(source, T_STRING)) {
        rb_str_cat(joined, RSTRING_PTR(source), RSTRING_LEN(source));
        return;
    }
    rota_lent_t lent = rota_bytes_lend_source(source);
    rb_str_cat(joined, (const char *)lent.memory, (long)lent.length);
    rota_bytes_return_source(&lent);
}

/* `length`: about how much it is. */
static VALUE join(long count, const VALUE *sources, size_t length)
{
    VALUE joined = rb_str_buf_new((long)length);
    for (long i = 0; i < count; i++) append(joined, sources[i]);
    return joined;
}

VALUE rota_write_join_small(long count, const VALUE *sources)
{
    size_t total = 0;
    for (long i = 0; i < count; i++) {
        if (!RB_TYPE_P(sources[i], T_STRING)) return Qfalse;
        total += (size_t)RSTRING_LEN(sources[i]);
    }
    return total < JOIN_BELOW ? join(count, sources, total) : Qfalse;
}

ROTA_APART size_t rota_write_all(rota_writing_t *writing, int argc, const VALUE *argv)
{
    if (ROTA_LIKELY(argc == 1)) return rota_write(writing, argv[0]);
    VALUE sources = sources_of(argc, argv);
    rota_target_look_again(writing->loop, &writing->target);
    VALUE joined = rota_write_join_small(RARRAY_LEN(sources), RARRAY_CONST_PTR(sources));
    if (joined) return rota_write(writing, joined);
    for (long i = 0; i < RARRAY_LEN(sources); i++) {
        if (i) rota_target_look_again(writing->loop, &writing->target);
        writing->written_before += rota_write(writing, RARRAY_AREF(sources, i));
    }
    RB_GC_GUARD(sources);
    return writing->written_before;
}

/* --- as calls ----------------------------------------------------------------------------- */

/* `step`: what kind of writing it is. */
enum { WRITES = 0, SENDS = 1, ONCE = 2, PLACED = 4 };

static rota_writing_t writing_of(const rota_call_t *call)
{
    return (rota_writing_t){.loop = call->loop,
                            .verb = call->verb->name,
                            .target = call->target,
                            .sends = call->step & SENDS,
                            .request_flags = call->request_flags,
                            .once = call->step & ONCE};
}

static void take_write(rota_call_t *call, int argc, const VALUE *argv)
{
    rb_check_arity(argc, 2, UNLIMITED_ARGUMENTS);
    VALUE sources = sources_of(argc - 1, argv + 1);
    long count = RARRAY_LEN(sources);
    call->object = count == 1 ? RARRAY_AREF(sources, 0) : join(count, RARRAY_CONST_PTR(sources), 0);
    RB_GC_GUARD(sources);
    call->target = rota_target_writable(call->loop, argv[0]); /* to_s may have closed it */
    call->by_itself =
        rota_target_is_terminal(&call->target); /* a part that it takes is no sign that more fits */
}

static void take_pwrite(rota_call_t *call, int argc, const VALUE *argv)
{
    rb_check_arity(argc, 3, 3);
    call->object = rota_bytes_is_buffer(argv[1]) ? argv[1] : rb_obj_as_string(argv[1]);
    call->offset = rota_bytes_offset(argv[2]);
    call->target = rota_target(call->loop, argv[0]);
    call->step = PLACED;
}

static void take_write_some(rota_call_t *call, int argc, const VALUE *argv)
{
    rb_check_arity(argc, 2, 2);
    take_write(call, argc, argv);
    call->step = ONCE;
}

static void take_send_bytes(rota_call_t *call, int argc, const VALUE *argv)
{
    rb_check_arity(argc, 2, 3);
    call->step = SENDS;
    call->request_flags = argc < 3 || NIL_P(argv[2]) ? 0 : NUM2UINT(argv[2]);
    take_write(call, 2, argv);
}

static bool begin(rota_call_t *call)
{
    call->lent = rota_bytes_lend_source(call->object);
    return true;
}

static void fill(rota_call_t *call, rota_op_t *op)
{
    rota_writing_t writing = writing_of(call);
    fill_op(&writing, &call->lent, call->done, op);
    if (call->step & PLACED) op->offset = call->offset + call->done;
}

static bool absorb(rota_call_t *call, int32_t result)
{
    call->result = result;
    if (result < 0) return false;
    call->done += (size_t)result;
    bool over = call->done == call->lent.length || call->step & ONCE;
    return !over && rota_call_look_again(call);
}

static void drop(rota_call_t *call)
{
    if (call->lent.object) rota_bytes_return_source(&call->lent);
}

static VALUE raise_failure(VALUE data)
{
    rota_call_t *call = (rota_call_t *)data;
    if (call->failure) rota_call_raise_failure(call);
    rota_await_raise(call->loop, call->result, call->verb->name);
}

static VALUE finish(rota_call_t *call)
{
    int state = 0;
    drop(call);
    if (call->result < 0) rb_protect(raise_failure, (VALUE)call, &state);
    if (state) rota_error_tell(state, "bytes_written", call->done);
    return SIZET2NUM(call->done);
}

#define WRITING_VERB(variable, in_messages, arguments)                                             \
    static const rota_verb_t variable = {                                                          \
        .name = (in_messages),                                                                     \
        .take = (arguments),                                                                       \
        .begin = begin,                                                                            \
        .fill = fill,                                                                              \
        .absorb = absorb,                                                                          \
        .finish = finish,                                                                          \
        .drop = drop,                                                                              \
    }

WRITING_VERB(write_verb, "write", take_write);
WRITING_VERB(write_some_verb, "write", take_write_some);
WRITING_VERB(pwrite_verb, "pwrite", take_pwrite);
WRITING_VERB(send_bytes_verb, "send", take_send_bytes);

/* --- by themselves ------------------------------------------------------------------------ */

static rota_writing_t writing_for(VALUE self, VALUE io, const char *verb)
{
    rota_loop_t *loop = rota_loop_get(self);
    return (rota_writing_t){.loop = loop,
                            .verb = verb,
                            .target = rota_target_writable(loop, io),
                            .deadline_ns = UINT64_MAX};
}

ROTA_FLAT static VALUE loop_write(int argc, VALUE *argv, VALUE self);

/* call-seq: write(io, *strings) -> Integer
 *
 * Writes all of it. Strings are locked while they are lent; a frozen one is not, and one that is
 * lent already is copied.
 *
 * As by IO#syswrite it goes where reading has come to, however much was read ahead; and what the IO
 * itself has yet to write comes later: flush it first. Of a socket nothing but Errno::EPIPE tells
 * that the peer is gone: there is no SIGPIPE, as there is for a pipe.
 *
 * What several tasks write to one io goes out in the order in which they asked. Only where there is
 * no room for all of it may other bytes come between the parts of a write.
 *
 * @param io [IO, Rota::Stream, Integer]
 * @param strings [Array<String, IO::Buffer, #to_s>]
 * @return [Integer] bytes written
 * @raise [SystemCallError] the kernel's answer; when some bytes had gone out, the exception answers
 *   +bytes_written+, as does an interrupt
 * @raise [IOError] the io is closed, or was closed meanwhile */
static VALUE loop_write(int argc, VALUE *argv, VALUE self)
{
    rb_check_arity(argc, 2, UNLIMITED_ARGUMENTS);
    rota_writing_t writing = writing_for(self, argv[0], "write");
    size_t written = ROTA_LIKELY(argc == 2) ? rota_write(&writing, argv[1])
                                            : rota_write_all(&writing, argc - 1, argv + 1);
    return SIZET2NUM(written);
}

/* call-seq: write_some(io, string) -> Integer
 *
 * Writes what one transfer takes.
 *
 * @return [Integer] bytes written
 * @raise as +write+ */
static VALUE loop_write_some(VALUE self, VALUE io, VALUE string)
{
    rota_writing_t writing = writing_for(self, io, "write");
    writing.once = true;
    return SIZET2NUM(rota_write(&writing, string));
}

/* call-seq: pwrite(io, string, offset) -> Integer
 *
 * Writes all of it at a place of a file, and leaves the descriptor's own position where it is.
 *
 * @param io [IO, Rota::Stream, Integer]
 * @param string [String, IO::Buffer, #to_s]
 * @param offset [Integer] where in the file, in bytes; a file that was opened to append takes it at
 *   its end all the same
 * @return [Integer] bytes written
 * @raise as +write+; +Errno::ESPIPE+ for what has no places */
static VALUE loop_pwrite(int argc, VALUE *argv, VALUE self)
{
    return rota_call_perform(self, &pwrite_verb, argc, argv);
}

/* call-seq: send_bytes(io, string, flags = 0) -> Integer
 *
 * Sends all of +string+ on a socket.
 *
 * @param flags [Integer] +Socket::MSG_*+; MSG_NOSIGNAL is always set
 * @return [Integer] bytes sent
 * @raise as +write+; +Errno::ENOTSOCK+ for what is no socket */
static VALUE loop_send_bytes(int argc, VALUE *argv, VALUE self)
{
    VALUE io, string, flags;
    rb_scan_args(argc, argv, "21", &io, &string, &flags);
    uint32_t request_flags = NIL_P(flags) ? 0 : NUM2UINT(flags);
    rota_writing_t writing = writing_for(self, io, "send");
    writing.sends = true;
    writing.request_flags = request_flags;
    return SIZET2NUM(rota_write(&writing, string));
}

void rota_init_write(VALUE loop_class)
{
    rb_define_method(loop_class, "write", loop_write, -1);
    rb_define_method(loop_class, "write_some", loop_write_some, 2);
    rb_define_method(loop_class, "pwrite", loop_pwrite, -1);
    rb_define_method(loop_class, "send_bytes", loop_send_bytes, -1);
    rota_call_offer("write", &write_verb);
    rota_call_offer("write_some", &write_some_verb);
    rota_call_offer("pwrite", &pwrite_verb);
    rota_call_offer("send_bytes", &send_bytes_verb);
}
