#include "runtime/storage.h"

#include "runtime/error.h"
#include "runtime/fiber.h"

static VALUE clear_locals(VALUE thread)
{
    VALUE keys = rb_funcall(thread, rb_intern("keys"), 0);
    for (long i = 0; i < RARRAY_LEN(keys); i++)
        rb_thread_local_aset(thread, rb_sym2id(RARRAY_AREF(keys, i)), Qnil);
    return Qnil;
}

#ifdef ROTA_HAVE_FIBER_STORAGE
static VALUE store(VALUE key, VALUE value)
{
    return rb_funcall(rota_cFiber, rb_intern("[]="), 2, key, value);
}

static int store_entry(VALUE key, VALUE value, VALUE unused)
{
    (void)unused;
    store(key, value);
    return ST_CONTINUE;
}

static int clear_entry(VALUE key, VALUE value, VALUE unused)
{
    (void)value;
    (void)unused;
    store(key, Qnil);
    return ST_CONTINUE;
}

VALUE rota_storage_copy(void)
{
    VALUE storage = rb_funcall(rb_fiber_current(), rb_intern("storage"), 0);
    return NIL_P(storage) || RHASH_SIZE(storage) == 0 ? Qnil : storage;
}

void rota_storage_install(VALUE copy)
{
    if (!NIL_P(copy)) rb_hash_foreach(copy, store_entry, Qnil);
}

static VALUE clear_storage(VALUE unused)
{
    VALUE storage = rota_storage_copy();
    if (!NIL_P(storage)) rb_hash_foreach(storage, clear_entry, Qnil);
    return unused;
}
#else
VALUE rota_storage_copy(void)
{
    return Qnil;
}

void rota_storage_install(VALUE copy)
{
    (void)copy;
}

static VALUE clear_storage(VALUE unused)
{
    return unused;
}
#endif

static VALUE clear_both(VALUE thread)
{
    clear_locals(thread);
    clear_storage(Qnil);
    return Qnil;
}

int rota_storage_clear(VALUE thread, VALUE *exception)
{
    VALUE unused;
    return rota_error_catch(clear_both, thread, &unused, exception);
}
