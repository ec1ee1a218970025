#include "runtime/leftover.h"

#include "core/attempt.h"

#include <sys/stat.h>
#include <unistd.h>

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

/* What is kept for the descriptor: `fresh` unless there was something. Nil: nobody can read it any
 * more. */
static VALUE entry_for(rota_loop_t *loop, const rota_target_t *source, VALUE fresh)
{
    if (!rota_target_is_open(loop, source)) return Qnil;
    VALUE identity = file_identity(source->fd);
    if (NIL_P(identity)) return Qnil;
    if (NIL_P(loop->leftovers)) loop->leftovers = rb_hash_new();
    VALUE entry = find(loop, source->fd);
    if (NIL_P(entry)) {
        entry = rb_ary_new_from_args(2, identity, fresh);
        rb_hash_aset(loop->leftovers, INT2FIX(source->fd), entry);
    }
    return RARRAY_AREF(entry, 1);
}

/* Does the file take the bytes by itself? Kept they would outlive it, because nothing tells one
 * opening of a file from the next. False for a file that has no positions (of /proc, say). */
static bool seek_back(rota_loop_t *loop, const rota_target_t *source, size_t length)
{
    if (!rota_target_is_open(loop, source) || !rota_attempt_is_storage(source->fd)) return false;
    return lseek(source->fd, -(off_t)length, SEEK_CUR) >= 0 || errno != ESPIPE;
}

void rota_leftover_keep(rota_loop_t *loop, const rota_target_t *source, const uint8_t *bytes,
                        size_t length)
{
    if (length == 0 || seek_back(loop, source, length)) return;
    VALUE kept = entry_for(loop, source, rb_str_buf_new((long)length));
    if (!NIL_P(kept)) rb_str_cat(kept, (const char *)bytes, (long)length);
}

void rota_leftover_keep_message(rota_loop_t *loop, const rota_target_t *source, VALUE message)
{
    VALUE kept = entry_for(loop, source, rb_ary_new());
    if (!NIL_P(kept)) rb_ary_push(kept, message);
}

static void put_back_bytes(rota_loop_t *loop, const rota_target_t *source, VALUE taken)
{
    size_t length = (size_t)RSTRING_LEN(taken);
    if (length == 0 || seek_back(loop, source, length)) return;
    VALUE kept = entry_for(loop, source, rb_str_buf_new(0));
    if (!NIL_P(kept)) rb_str_update(kept, 0, 0, taken);
}

static void put_back_message(rota_loop_t *loop, const rota_target_t *source, VALUE taken)
{
    VALUE kept = entry_for(loop, source, rb_ary_new());
    if (!NIL_P(kept)) rb_ary_unshift(kept, taken);
}

void rota_leftover_put_back(rota_loop_t *loop, const rota_target_t *source, VALUE taken)
{
    if (RB_TYPE_P(taken, T_ARRAY))
        put_back_message(loop, source, taken);
    else
        put_back_bytes(loop, source, taken);
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

ROTA_APART static long take(rota_loop_t *loop, int fd, uint8_t *memory, size_t length, bool peek)
{
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

long rota_leftover_take(rota_loop_t *loop, int fd, uint8_t *memory, size_t length, bool peek)
{
    return ROTA_LIKELY(NIL_P(loop->leftovers)) ? -1 : take(loop, fd, memory, length, peek);
}

void rota_leftover_drop(rota_loop_t *loop, int fd)
{
    if (NIL_P(loop->leftovers)) return;
    rb_hash_delete(loop->leftovers, INT2FIX(fd));
    if (RHASH_SIZE(loop->leftovers) == 0) loop->leftovers = Qnil;
}
