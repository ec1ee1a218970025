#include "verbs/file_verbs.h"

#include "runtime/roots.h"
#include "verbs/call.h"

#include <fcntl.h>

static ID id_data_only;

/* Of a call: `extent` is the op's, in `length`; `offset` and `request_flags` too. */

static void fill(rota_call_t *call, rota_op_t *op)
{
    op->kind = call->kind;
    rota_target_apply(&call->target, op);
    op->extent = call->length;
    op->offset = call->offset;
    op->request_flags = call->request_flags;
    rota_roots_set(op, Qfalse, call->target.io);
}

#define FILE_VERB(word)                                                                            \
    static const rota_verb_t word##_verb = {                                                       \
        .name = #word, .take = take_##word, .fill = fill, .finish = rota_call_number}

static uint64_t length_argument(VALUE value)
{
    if (NIL_P(value)) return 0;
    long long length = NUM2LL(value);
    if (length < 0) rb_raise(rb_eArgError, "negative length %lld given", length);
    return (uint64_t)length;
}

static void take_fsync(rota_call_t *call, int argc, const VALUE *argv)
{
    VALUE io, options, data_only = Qundef;
    rb_scan_args(argc, argv, "1:", &io, &options);
    if (!NIL_P(options)) rb_get_kwargs(options, &id_data_only, 0, 1, &data_only);
    call->target = rota_target(call->loop, io);
    call->kind = ROTA_OP_FSYNC;
    call->request_flags = data_only != Qundef && RTEST(data_only);
}

FILE_VERB(fsync);

/* call-seq: fsync(io, data_only: false) -> 0
 *
 * Waits until what was written to a file is on the disk.
 *
 * @param io [IO, Rota::Stream, Integer]
 * @param data_only [Boolean] without what is not needed to read it again (times, for instance)
 * @return [Integer] 0
 * @raise [SystemCallError] +Errno::EIO+, +Errno::EINVAL+ for what is no file ... */
static VALUE loop_fsync(int argc, VALUE *argv, VALUE self)
{
    return rota_call_perform(self, &fsync_verb, argc, argv);
}

/* Names of numbers that Ruby has no constants for. */
struct word {
    const char *name;
    uint32_t number;
};

static uint32_t word_argument(VALUE value, const struct word *words, const char *what)
{
    if (!SYMBOL_P(value)) return NUM2UINT(value);
    for (; words->name; words++)
        if (value == ID2SYM(rb_intern(words->name))) return words->number;
    rb_raise(rb_eArgError, "unknown %s: %+" PRIsVALUE, what, value);
}

static void take_fallocate(rota_call_t *call, int argc, const VALUE *argv)
{
    /* a hole never changes the size */
    static const struct word modes[] = {
        {"keep_size", 1},   {"punch_hole", 3},    {"collapse_range", 8},
        {"zero_range", 16}, {"insert_range", 32}, {"unshare_range", 64},
        {NULL, 0}};
    VALUE io, offset, length, mode;
    rb_scan_args(argc, argv, "31", &io, &offset, &length, &mode);
    call->target = rota_target(call->loop, io);
    call->kind = ROTA_OP_FALLOCATE;
    call->offset = rota_bytes_offset(offset);
    call->length = length_argument(length);
    call->request_flags = NIL_P(mode) ? 0 : word_argument(mode, modes, "mode");
}

FILE_VERB(fallocate);

/* call-seq: fallocate(io, offset, length, mode = 0) -> 0
 *
 * Reserves room on the disk for a part of a file, so that writing there cannot fail for want of it.
 *
 * @param io [IO, Rota::Stream, Integer]
 * @param offset [Integer] bytes
 * @param length [Integer] bytes; the file grows to +offset + length+ if it is shorter
 * @param mode [Symbol, Integer] +:keep_size+: the file does not grow; +:punch_hole+: the part is
 *   given back and reads as zeroes; +:zero_range+, +:collapse_range+, +:insert_range+,
 *   +:unshare_range+; or the bits of fallocate(2)
 * @return [Integer] 0
 * @raise [SystemCallError] +Errno::ENOSPC+, +Errno::EOPNOTSUPP+ ... */
static VALUE loop_fallocate(int argc, VALUE *argv, VALUE self)
{
    return rota_call_perform(self, &fallocate_verb, argc, argv);
}

static void take_ftruncate(rota_call_t *call, int argc, const VALUE *argv)
{
    rb_check_arity(argc, 2, 2);
    call->target = rota_target(call->loop, argv[0]);
    call->kind = ROTA_OP_FTRUNCATE;
    call->offset = length_argument(argv[1]);
}

FILE_VERB(ftruncate);

/* call-seq: ftruncate(io, length) -> 0
 *
 * Cuts a file, or lengthens it with zeroes that need no room on the disk.
 *
 * Before Linux 6.9 the loop does nothing else meanwhile.
 *
 * @param io [IO, Rota::Stream, Integer]
 * @param length [Integer] bytes
 * @return [Integer] 0
 * @raise [SystemCallError] +Errno::EINVAL+ for what is no file open for writing ... */
static VALUE loop_ftruncate(int argc, VALUE *argv, VALUE self)
{
    return rota_call_perform(self, &ftruncate_verb, argc, argv);
}

static void take_fadvise(rota_call_t *call, int argc, const VALUE *argv)
{
    static const struct word advices[] = {{"normal", POSIX_FADV_NORMAL},
                                          {"sequential", POSIX_FADV_SEQUENTIAL},
                                          {"random", POSIX_FADV_RANDOM},
                                          {"willneed", POSIX_FADV_WILLNEED},
                                          {"dontneed", POSIX_FADV_DONTNEED},
                                          {"noreuse", POSIX_FADV_NOREUSE},
                                          {NULL, 0}};
    VALUE io, advice, offset, length;
    rb_scan_args(argc, argv, "22", &io, &advice, &offset, &length);
    call->target = rota_target(call->loop, io);
    call->kind = ROTA_OP_FADVISE;
    call->offset = NIL_P(offset) ? 0 : rota_bytes_offset(offset);
    call->length = length_argument(length);
    call->request_flags = word_argument(advice, advices, "advice");
}

FILE_VERB(fadvise);

/* call-seq: fadvise(io, advice, offset = 0, length = 0) -> 0
 *
 * Says how a part of a file will be used, as IO#advise does.
 *
 * @param io [IO, Rota::Stream, Integer]
 * @param advice [Symbol, Integer] +:normal+, +:sequential+, +:random+, +:willneed+ (read it ahead),
 *   +:dontneed+ (drop it from the page cache), +:noreuse+; or POSIX_FADV_*
 * @param offset [Integer] bytes
 * @param length [Integer] bytes; 0: up to the end
 * @return [Integer] 0
 * @raise [SystemCallError] +Errno::ESPIPE+ for a pipe ... */
static VALUE loop_fadvise(int argc, VALUE *argv, VALUE self)
{
    return rota_call_perform(self, &fadvise_verb, argc, argv);
}

void rota_init_file_verbs(VALUE loop_class)
{
    id_data_only = rb_intern("data_only");
    rota_call_define(loop_class, &fsync_verb, loop_fsync);
    rota_call_define(loop_class, &fallocate_verb, loop_fallocate);
    rota_call_define(loop_class, &ftruncate_verb, loop_ftruncate);
    rota_call_define(loop_class, &fadvise_verb, loop_fadvise);
}
