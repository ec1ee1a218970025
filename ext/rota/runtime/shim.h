/* The one place for what differs between Rubies. Each entry says since when it is needed. */
#ifndef ROTA_SHIM_H
#define ROTA_SHIM_H

/* Ruby's headers define NDEBUG, whatever this build is. */
#ifndef NDEBUG
#define ROTA_HAVE_ASSERTIONS 1
#endif

#include <ruby.h>
#include <ruby/encoding.h>
#include <ruby/fiber/scheduler.h>
#include <ruby/io.h>
#include <ruby/io/buffer.h>
#include <ruby/thread.h>
#include <ruby/version.h>

#ifdef ROTA_HAVE_ASSERTIONS
#undef NDEBUG
#include <assert.h>
#endif

/* Fibers have storage that tasks inherit: Ruby 3.2. */
#ifdef HAVE_RB_FIBER_NEW_STORAGE
#define ROTA_HAVE_FIBER_STORAGE 1
#endif

/* A Ruby thread can be pinned to its native thread: Ruby 3.4. */
#ifdef HAVE_RB_THREAD_LOCK_NATIVE_THREAD
#define ROTA_HAVE_NATIVE_THREAD_LOCK 1
#endif

/* A string literal that warns when it is modified, and locking counts as that: Ruby 3.4. The flags
 * are those that rb_check_frozen tests in the public headers. */
#if RUBY_API_VERSION_CODE >= 30400
#define ROTA_CHILLED(string) (FL_TEST_RAW(string, RUBY_FL_USER2 | RUBY_FL_USER3) != 0)
#else
#define ROTA_CHILLED(string) false
#endif

/* rb_check_typeddata, which raises a TypeError for what is not of the type, without its call for
 * what is: 40 instructions of every verb. */
static inline void *rota_typed_data(VALUE object, const rb_data_type_t *type)
{
    bool is_data = RB_TYPE_P(object, T_DATA) && RTYPEDDATA_P(object);
    if (RB_LIKELY(is_data && RTYPEDDATA_TYPE(object) == type)) return RTYPEDDATA_DATA(object);
    return rb_check_typeddata(object, type);
}

/* A block without an argument, for rb_ensure and rb_protect: rb_yield would give it one. */
static inline VALUE rota_yield_nothing(VALUE unused)
{
    (void)unused;
    return rb_yield_values(0);
}

/* In the headers from Ruby 3.2 on. */
#ifndef RBOOL
#define RBOOL(condition) ((condition) ? Qtrue : Qfalse)
#endif

/* The memory that core reads ahead into, NULL before it did. Other fields of the struct got
 * functions in Ruby 3.3, when all of them became deprecated; this one has none, and the struct is
 * to go after Ruby 4.0. */
static inline const void *rota_shim_read_ahead(VALUE io)
{
#if defined(RUBY_FIBER_SCHEDULER_VERSION) && RUBY_FIBER_SCHEDULER_VERSION >= 4
    (void)io;
    return NULL;
#else
    _Pragma("GCC diagnostic push");
    _Pragma("GCC diagnostic ignored \"-Wdeprecated-declarations\"");
    return RFILE(io)->fptr->rbuf.ptr;
    _Pragma("GCC diagnostic pop");
#endif
}

/* From Ruby 4.0 on core flushes what it has buffered through the scheduler, and takes a part for
 * all: on that Ruby we say ourselves what is left, as core does without a scheduler. */
#if defined(RUBY_FIBER_SCHEDULER_VERSION) && RUBY_FIBER_SCHEDULER_VERSION == 3
#define ROTA_NOTES_FLUSHES 1
#else
#define ROTA_NOTES_FLUSHES 0
#endif

/* Is this all that core has buffered for writing? */
static inline bool rota_shim_is_flush(VALUE io, const void *memory, size_t length)
{
#if ROTA_NOTES_FLUSHES
    _Pragma("GCC diagnostic push");
    _Pragma("GCC diagnostic ignored \"-Wdeprecated-declarations\"");
    const rb_io_t *file = RB_TYPE_P(io, T_FILE) ? RFILE(io)->fptr : NULL;
    return file && file->wbuf.len > 0 && (size_t)file->wbuf.len == length &&
           memory == file->wbuf.ptr + file->wbuf.off;
    _Pragma("GCC diagnostic pop");
#else
    (void)io, (void)memory, (void)length;
    return false;
#endif
}

/* Whoever closed it meanwhile has dropped the rest. */
static inline void rota_shim_note_flushed(VALUE io, size_t length)
{
#if ROTA_NOTES_FLUSHES
    _Pragma("GCC diagnostic push");
    _Pragma("GCC diagnostic ignored \"-Wdeprecated-declarations\"");
    rb_io_t *file = RFILE(io)->fptr;
    if (!file || file->wbuf.len < (int)length) return;
    file->wbuf.off += (int)length;
    file->wbuf.len -= (int)length;
    _Pragma("GCC diagnostic pop");
#else
    (void)io, (void)length;
#endif
}

/* The number of an IO that was open once; -1 when it is closed, where rb_io_descriptor raises. */
static inline int rota_shim_descriptor(VALUE io)
{
#if defined(RUBY_FIBER_SCHEDULER_VERSION) && RUBY_FIBER_SCHEDULER_VERSION >= 4
    return RTEST(rb_io_closed_p(io)) ? -1 : rb_io_descriptor(io);
#else
    _Pragma("GCC diagnostic push");
    _Pragma("GCC diagnostic ignored \"-Wdeprecated-declarations\"");
    return RFILE(io)->fptr->fd;
    _Pragma("GCC diagnostic pop");
#endif
}

/* rb_io_descriptor, without its call for an IO that is open. */
static inline int rota_shim_number(VALUE io)
{
#if !defined(RUBY_FIBER_SCHEDULER_VERSION) || RUBY_FIBER_SCHEDULER_VERSION < 4
    if (RB_LIKELY(RB_TYPE_P(io, T_FILE) && RFILE(io)->fptr)) {
        int number = rota_shim_descriptor(io);
        if (RB_LIKELY(number >= 0)) return number;
    }
#endif
    return rb_io_descriptor(io);
}

#endif
