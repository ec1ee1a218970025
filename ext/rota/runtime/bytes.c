#include "runtime/bytes.h"

#include "runtime/buffer.h"

/* The kernel moves no more at once, so room for more would be for nothing. */
#define TRANSFER_MAX 0x7ffff000

/* A String that keeps less than one part in this many of what it asked for is shrunk. */
#define SHRINK_BELOW 2

size_t rota_bytes_length(VALUE value)
{
    long length = NUM2LONG(value);
    if (length < 0) rb_raise(rb_eArgError, "negative length %ld given", length);
    return length < TRANSFER_MAX ? (size_t)length : TRANSFER_MAX;
}

uint64_t rota_bytes_offset(VALUE value)
{
    long long offset = NUM2LL(value);
    if (offset < 0) rb_raise(rb_eArgError, "negative offset %lld given", offset);
    return (uint64_t)offset;
}

VALUE rota_bytes_shrink(VALUE string, size_t asked)
{
    long got = RSTRING_LEN(string);
    if ((size_t)got < asked / SHRINK_BELOW) rb_str_resize(string, got);
    return string;
}

bool rota_bytes_is_buffer(VALUE object)
{
    return rota_is_buffer(object) || RTEST(rb_obj_is_kind_of(object, rb_cIOBuffer));
}

static void check_position(long position, size_t size)
{
    if (position >= 0 && (size_t)position <= size) return;
    rb_raise(rb_eArgError, "position %ld is outside of a buffer of %zu bytes", position, size);
}

/* Ours are not locked: several ops in different parts of it are what they are for. */
static rota_lent_t lend_own_target(VALUE object, size_t length, long position)
{
    const rota_memory_t *buffer = RTYPEDDATA_DATA(object);
    check_position(position, buffer->size);
    if (length > buffer->size - (size_t)position) length = buffer->size - (size_t)position;
    return (rota_lent_t){object, buffer->memory + position, length, false};
}

static rota_lent_t lend_buffer_target(VALUE buffer, size_t length, long position)
{
    void *base;
    size_t size;
    rb_io_buffer_get_bytes_for_writing(buffer, &base, &size);
    check_position(position, size);
    if (length > size - (size_t)position) length = size - (size_t)position;
    rb_io_buffer_lock(buffer);
    return (rota_lent_t){buffer, (uint8_t *)base + position, length, true};
}

static rota_lent_t lend_string_target(VALUE string, size_t length, long position)
{
    long size = RSTRING_LEN(string);
    if (position < 0) position = size;
    if (position > size)
        rb_raise(rb_eArgError, "position %ld is behind the end of a String of %ld bytes", position,
                 size);
    size_t end = (size_t)position + length;
    /* Mostly it was filled before, and what it costs to ask for the room is saved. */
    if (ROTA_LIKELY(end <= (size_t)size) || end <= rb_str_capacity(string))
        rb_str_modify(string);
    else
        rb_str_modify_expand(string, (long)end - size);
    rb_str_locktmp(string);
    return (rota_lent_t){string, (uint8_t *)RSTRING_PTR(string) + position, length, true};
}

rota_lent_t rota_bytes_lend_target(VALUE object, size_t length, long position)
{
    if (RB_TYPE_P(object, T_STRING)) return lend_string_target(object, length, position);
    if (rota_is_buffer(object)) return lend_own_target(object, length, position);
    if (rota_bytes_is_buffer(object)) return lend_buffer_target(object, length, position);
    rb_raise(rb_eTypeError, "%" PRIsVALUE " is no String, Rota::Buffer or IO::Buffer",
             rb_obj_class(object));
}

void rota_bytes_return_target(rota_lent_t *lent, long position, long filled)
{
    VALUE object = lent->object;
    lent->object = Qfalse;
    if (!RB_TYPE_P(object, T_STRING)) {
        if (lent->locked) rb_io_buffer_unlock(object);
        return;
    }
    rb_str_unlocktmp(object);
    ENC_CODERANGE_CLEAR(object); /* somebody may have asked while the bytes were others */
    if (filled < 0) return;
    long end = (position < 0 ? RSTRING_LEN(object) : position) + filled;
    if (end != RSTRING_LEN(object)) rb_str_set_len(object, end);
}

/* The flag that a lock sets, which the headers do not tell: it is seen once. So a lock that would
 * raise is not tried, and needs no protection. */
static VALUE lock_flag;

void rota_init_bytes(void)
{
    VALUE string = rb_str_buf_new(0);
    VALUE before = RBASIC(string)->flags;
    rb_str_locktmp(string);
    lock_flag = RBASIC(string)->flags ^ before;
    rb_str_unlocktmp(string);
    assert(lock_flag && !(lock_flag & (lock_flag - 1)));
}

static bool is_locked(VALUE string)
{
    return RBASIC(string)->flags & lock_flag;
}

bool rota_bytes_lend_as_it_is(VALUE string, rota_lent_t *lent)
{
    bool frozen = OBJ_FROZEN(string);
    if (ROTA_CHILLED(string) || (!frozen && is_locked(string))) return false;
    if (!frozen) rb_str_locktmp(string);
    *lent =
        (rota_lent_t){string, (uint8_t *)RSTRING_PTR(string), (size_t)RSTRING_LEN(string), !frozen};
    return true;
}

static rota_lent_t lend_string_source(VALUE string)
{
    rota_lent_t lent;
    if (rota_bytes_lend_as_it_is(string, &lent)) return lent;
    /* of a chilled one the same bytes: who modifies the literal gets others */
    string = ROTA_CHILLED(string) ? rb_str_new_frozen(string)
                                  : rb_str_new(RSTRING_PTR(string), RSTRING_LEN(string));
    return (rota_lent_t){string, (uint8_t *)RSTRING_PTR(string), (size_t)RSTRING_LEN(string),
                         false};
}

rota_lent_t rota_bytes_lend_source(VALUE object)
{
    if (RB_TYPE_P(object, T_STRING)) return lend_string_source(object);
    if (rota_is_buffer(object)) {
        const rota_memory_t *buffer = RTYPEDDATA_DATA(object);
        return (rota_lent_t){object, buffer->memory, buffer->size, false};
    }
    if (rota_bytes_is_buffer(object)) {
        const void *base;
        size_t size;
        rb_io_buffer_get_bytes_for_reading(object, &base, &size);
        rb_io_buffer_lock(object);
        return (rota_lent_t){object, (uint8_t *)(uintptr_t)base, size, true};
    }
    return lend_string_source(rb_obj_as_string(object));
}

void rota_bytes_return_source(rota_lent_t *lent)
{
    VALUE object = lent->object;
    lent->object = Qfalse;
    if (!lent->locked) return;
    if (RB_TYPE_P(object, T_STRING))
        rb_str_unlocktmp(object);
    else
        rb_io_buffer_unlock(object);
}
