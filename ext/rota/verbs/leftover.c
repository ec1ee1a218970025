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

void rota_leftover_keep(rota_loop_t *loop, int fd, const uint8_t *bytes, size_t length)
{
    if (length == 0) return;
    if (NIL_P(loop->leftovers)) loop->leftovers = rb_hash_new();
    VALUE entry = find(loop, fd);
    if (NIL_P(entry)) {
        entry = rb_ary_new_from_args(2, file_identity(fd), rb_str_buf_new((long)length));
        rb_hash_aset(loop->leftovers, INT2FIX(fd), entry);
    }
    rb_str_cat(RARRAY_AREF(entry, 1), (const char *)bytes, (long)length);
}

size_t rota_leftover_take(rota_loop_t *loop, int fd, uint8_t *memory, size_t length)
{
    if (ROTA_LIKELY(NIL_P(loop->leftovers))) return 0;
    VALUE entry = find(loop, fd);
    if (NIL_P(entry)) return 0;
    VALUE bytes = RARRAY_AREF(entry, 1);
    size_t kept = (size_t)RSTRING_LEN(bytes);
    size_t taken = kept < length ? kept : length;
    memcpy(memory, RSTRING_PTR(bytes), taken);
    if (taken < kept) {
        rb_str_drop_bytes(bytes, (long)taken);
    } else {
        rota_leftover_drop(loop, fd);
    }
    return taken;
}

void rota_leftover_drop(rota_loop_t *loop, int fd)
{
    if (NIL_P(loop->leftovers)) return;
    rb_hash_delete(loop->leftovers, INT2FIX(fd));
    if (RHASH_SIZE(loop->leftovers) == 0) loop->leftovers = Qnil;
}
