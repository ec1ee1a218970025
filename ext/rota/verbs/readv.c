#include "verbs/readv.h"

#include "runtime/await.h"
#include "runtime/leftover.h"
#include "runtime/roots.h"
#include "verbs/call.h"
#include "verbs/read.h"
#include "verbs/socket.h"

#include <limits.h>
#include <sys/uio.h>

/* Of a call: `object` is an Array of the buffers, `own` what the kernel reads of it; `length` the
 * room in all of them; `step` where the bytes come from. */

/* The lent buffers. An Array's elements may be moved by compaction; what this object names not. */
typedef struct pieces {
    uint32_t count;
    rota_lent_t *lent;
} pieces_t;

static void pieces_mark(void *data)
{
    const pieces_t *pieces = data;
    for (uint32_t i = 0; i < pieces->count; i++) rb_gc_mark(pieces->lent[i].object);
}

static void pieces_free(void *data)
{
    pieces_t *pieces = data;
    xfree(pieces->lent);
    xfree(pieces);
}

static size_t pieces_size(const void *data)
{
    const pieces_t *pieces = data;
    return sizeof *pieces + pieces->count * sizeof *pieces->lent;
}

static const rb_data_type_t pieces_type = {
    .wrap_struct_name = "Rota::Loop#readv",
    .function = {.dmark = pieces_mark, .dfree = pieces_free, .dsize = pieces_size},
    .flags = RUBY_TYPED_FREE_IMMEDIATELY,
};

static pieces_t *pieces_of(const rota_call_t *call)
{
    return RTYPEDDATA_DATA(call->lent.object);
}

static size_t size_of_buffer(VALUE buffer)
{
    void *base;
    size_t size;
    if (RB_TYPE_P(buffer, T_STRING)) return (size_t)RSTRING_LEN(buffer);
    if (!RTEST(rb_obj_is_kind_of(buffer, rb_cIOBuffer)))
        rb_raise(rb_eTypeError, "%" PRIsVALUE " is no String or IO::Buffer", rb_obj_class(buffer));
    rb_io_buffer_get_bytes_for_writing(buffer, &base, &size);
    return size;
}

static void take(rota_call_t *call, int argc, const VALUE *argv)
{
    VALUE io, buffers, offset;
    rb_scan_args(argc, argv, "21", &io, &buffers, &offset);
    call->object = rb_ary_dup(rb_convert_type(buffers, T_ARRAY, "Array", "to_ary"));
    if (!NIL_P(offset)) call->offset = rota_bytes_offset(offset);
    call->target = rota_target_unbuffered(call->loop, io); /* to_int may have closed it */
    long count = RARRAY_LEN(call->object);
    if (count > IOV_MAX) rb_raise(rb_eArgError, "%ld buffers; %d are the most", count, IOV_MAX);
    for (long i = 0; i < count; i++) call->length += size_of_buffer(RARRAY_AREF(call->object, i));
}

static void give_back(rota_call_t *call)
{
    pieces_t *pieces = pieces_of(call);
    for (uint32_t i = 0; i < pieces->count; i++) rota_bytes_return_target(&pieces->lent[i], 0, -1);
    pieces->count = 0;
    free(call->own);
    call->own = NULL;
}

static VALUE lend_all(VALUE data)
{
    rota_call_t *call = (rota_call_t *)data;
    pieces_t *pieces = pieces_of(call);
    struct iovec *vector = call->own;
    for (long i = 0; i < RARRAY_LEN(call->object); i++) {
        VALUE buffer = RARRAY_AREF(call->object, i);
        rota_lent_t lent = rota_bytes_lend_target(buffer, size_of_buffer(buffer), 0);
        pieces->lent[pieces->count++] = lent;
        vector[i] = (struct iovec){lent.memory, lent.length};
    }
    return Qnil;
}

/* What was kept of an earlier reader fills as many buffers as it does. */
static bool take_leftover(rota_call_t *call)
{
    const struct iovec *vector = call->own;
    long total = -1;
    for (uint32_t i = 0; i < pieces_of(call)->count; i++) {
        long kept = rota_leftover_take(call->loop, call->target.fd, vector[i].iov_base,
                                       vector[i].iov_len, false);
        if (kept < 0) break;
        total = (total < 0 ? 0 : total) + kept;
        if ((size_t)kept < vector[i].iov_len || rota_socket_has_messages(call->target.fd)) break;
    }
    if (total < 0) return false;
    call->result = (int32_t)total;
    call->step = ROTA_FROM_LEFTOVER;
    return true;
}

static bool begin(rota_call_t *call)
{
    int state = 0;
    size_t count = (size_t)RARRAY_LEN(call->object);
    pieces_t *pieces;
    VALUE holder = TypedData_Make_Struct(rb_cObject, pieces_t, &pieces_type, pieces);
    pieces->lent = ALLOC_N(rota_lent_t, count ? count : 1);
    call->own = malloc((count ? count : 1) * sizeof(struct iovec));
    if (!call->own) rb_memerror();
    call->lent.object = holder;
    rb_protect(lend_all, (VALUE)call, &state);
    if (state) {
        give_back(call);
        call->lent.object = Qfalse;
        rb_jump_tag(state);
    }
    return call->offset != UINT64_MAX || !take_leftover(call);
}

static void fill(rota_call_t *call, rota_op_t *op)
{
    op->kind = ROTA_OP_READV;
    rota_target_apply(&call->target, op);
    op->memory = call->own;
    op->length = pieces_of(call)->count;
    op->offset = call->offset;
    rota_roots_set(op, call->lent.object, call->target.io);
}

static VALUE finish(rota_call_t *call)
{
    give_back(call);
    if (call->result < 0) rota_await_raise(call->loop, call->result, call->verb->name);
    bool end = call->result == 0 && call->length > 0 && rota_socket_has_end(call->target.fd);
    return end ? Qnil : INT2NUM(call->result);
}

static VALUE received(const rota_call_t *call)
{
    const struct iovec *vector = call->own;
    size_t left = (size_t)call->result;
    VALUE bytes = rb_str_buf_new((long)left);
    for (; left; vector++) {
        size_t part = vector->iov_len < left ? vector->iov_len : left;
        rb_str_cat(bytes, vector->iov_base, (long)part);
        left -= part;
    }
    return bytes;
}

static void drop(rota_call_t *call)
{
    if (!call->own) return;
    if (call->result > 0 && call->offset == UINT64_MAX) rota_read_keep(call, received(call));
    give_back(call);
}

static bool is_short(const rota_call_t *call)
{
    return (size_t)call->result < call->length;
}

static const rota_verb_t readv_verb = {
    .name = "readv",
    .take = take,
    .begin = begin,
    .fill = fill,
    .finish = finish,
    .drop = drop,
    .is_short = is_short,
};

/* call-seq: readv(io, buffers, offset = nil) -> Integer or nil
 *
 * Reads what one transfer gives into several buffers, one after the other, each as far as it is
 * long. A String keeps its length; what lies behind the bytes that came stays as it was.
 *
 * @param io [IO, Rota::Stream, Integer]
 * @param buffers [Array<String, IO::Buffer>] at most 1024
 * @param offset [Integer, nil] where in the file, in bytes; nil is the descriptor's own position
 * @return [Integer] how many bytes
 * @return [nil] at the end
 * @raise as +read+ */
static VALUE loop_readv(int argc, VALUE *argv, VALUE self)
{
    return rota_call_perform(self, &readv_verb, argc, argv);
}

void rota_init_readv(VALUE loop_class)
{
    rota_call_define(loop_class, &readv_verb, loop_readv);
}
