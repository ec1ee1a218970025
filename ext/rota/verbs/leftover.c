#include "verbs/leftover.h"

#include <sys/stat.h>

/* What tells a file from another that gets its number later. */
static VALUE file_identity(int fd)
{
    struct stat stat;
    if (fstat(fd, &stat)) return Qnil;
    return rb_sprintf("%llu:%llu", (unsigned long long)stat.st_dev,
                      (unsigned long long)stat.st_ino);
}

/* [identity, bytes] for the descriptor, or nil; an entry of another file is dropped. */
static VALUE find(rota_loop_t *loop, int fd)
{
    VALUE entry = rb_hash_lookup(loop->leftovers, INT2FIX(fd));
    if (NIL_P(entry)) return Qnil;
    if (RTEST(rb_str_equal(RARRAY_AREF(entry, 0), file_identity(fd)))) return entry;
    rb_hash_delete(loop->leftovers, INT2FIX(fd));
    return Qnil;
}

/* What is kept for the descriptor: `fresh` unless there was something. */
static VALUE entry_for(rota_loop_t *loop, int fd, VALUE fresh)
{
    if (NIL_P(loop->leftovers)) loop->leftovers = rb_hash_new();
    VALUE entry = find(loop, fd);
    if (NIL_P(entry)) {
        entry = rb_ary_new_from_args(2, file_identity(fd), fresh);
        rb_hash_aset(loop->leftovers, INT2FIX(fd), entry);
    }
    return RARRAY_AREF(entry, 1);
}

void rota_leftover_keep(rota_loop_t *loop, int fd, const uint8_t *bytes, size_t length)
{
    if (length == 0) return;
    VALUE kept = entry_for(loop, fd, rb_str_buf_new((long)length));
    rb_str_cat(kept, (const char *)bytes, (long)length);
}

void rota_leftover_keep_message(rota_loop_t *loop, int fd, VALUE message)
{
    rb_ary_push(entry_for(loop, fd, rb_ary_new()), message);
}

void rota_leftover_put_back(rota_loop_t *loop, int fd, VALUE taken)
{
    if (RB_TYPE_P(taken, T_ARRAY)) {
        rb_ary_unshift(entry_for(loop, fd, rb_ary_new()), taken);
    } else if (RSTRING_LEN(taken) > 0) {
        rb_str_update(entry_for(loop, fd, rb_str_buf_new(0)), 0, 0, taken);
    }
}

bool rota_leftover_is_kept(rota_loop_t *loop, int fd)
{
    return !NIL_P(loop->leftovers) && !NIL_P(find(loop, fd));
}

VALUE rota_leftover_message(rota_loop_t *loop, int fd)
{
    if (ROTA_LIKELY(NIL_P(loop->leftovers))) return Qnil;
    VALUE entry = find(loop, fd);
    bool messages = !NIL_P(entry) && RB_TYPE_P(RARRAY_AREF(entry, 1), T_ARRAY);
    return messages ? rb_ary_entry(RARRAY_AREF(entry, 1), 0) : Qnil;
}

static void shorten(rota_loop_t *loop, int fd, VALUE kept, size_t taken)
{
    bool messages = RB_TYPE_P(kept, T_ARRAY);
    if (messages) {
        rb_ary_shift(kept); /* the rest of a message is lost, as in the kernel */
    } else if (taken < (size_t)RSTRING_LEN(kept)) {
        rb_str_drop_bytes(kept, (long)taken);
        return;
    }
    if (!messages || RARRAY_LEN(kept) == 0) rota_leftover_drop(loop, fd);
}

long rota_leftover_take(rota_loop_t *loop, int fd, uint8_t *memory, size_t length, bool peek)
{
    if (ROTA_LIKELY(NIL_P(loop->leftovers))) return -1;
    VALUE entry = find(loop, fd);
    if (NIL_P(entry)) return -1;
    VALUE kept = RARRAY_AREF(entry, 1), bytes = kept;
    if (RB_TYPE_P(kept, T_ARRAY)) bytes = rb_ary_entry(rb_ary_entry(kept, 0), 0);
    size_t there = (size_t)RSTRING_LEN(bytes);
    size_t taken = there < length ? there : length;
    memcpy(memory, RSTRING_PTR(bytes), taken);
    if (!peek) shorten(loop, fd, kept, taken);
    return (long)taken;
}

void rota_leftover_drop(rota_loop_t *loop, int fd)
{
    if (NIL_P(loop->leftovers)) return;
    rb_hash_delete(loop->leftovers, INT2FIX(fd));
    if (RHASH_SIZE(loop->leftovers) == 0) loop->leftovers = Qnil;
}
