/*
 * The least that hooks of a scheduler do that do transfer bytes, as a module for one in Ruby:
 * io_read and io_write make the one system call that cannot block. Whoever reads lets the next
 * fiber of a fixed circle go first, and mostly finds its bytes when it is entered again; and so
 * does whoever waits for an IO, as libraries do that read by themselves. No loop, no poll, no
 * interrupts. For Ruby up to 4.0, whose hooks begin with the IO and its buffer, and want all of it.
 *
 * The hooks that are called checked do besides what no scheduler may leave out: who reads stands in
 * a queue, so that any number of fibers may come and go; what Ruby raises in the switch does not
 * unwind the stack; interrupts are taken after it, and the IO may be closed by then; and the
 * timeout of the IO and the arguments are looked at.
 */
#include <ruby.h>
#include <ruby/io.h>
#include <ruby/io/buffer.h>
#include <ruby/version.h>

#include <errno.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static VALUE circle;
static long at;

/* By their numbers: as functions of the C library they would be cancellation points. */
static ssize_t read_now(int fd, const struct iovec *part)
{
    return syscall(SYS_preadv2, fd, part, 1, -1L, -1L, RWF_NOWAIT);
}

static ssize_t write_now(int fd, const struct iovec *part)
{
    return syscall(SYS_pwritev2, fd, part, 1, -1L, -1L, RWF_NOWAIT);
}

static VALUE set_circle(VALUE self, VALUE fibers)
{
    circle = fibers;
    return self;
}

static VALUE enter_next(VALUE self)
{
    at = at + 1 < RARRAY_LEN(circle) ? at + 1 : 0;
    rb_fiber_transfer(RARRAY_AREF(circle, at), 0, NULL);
    return self;
}

/* Nobody is asked whether it is ready: for callers that try again. */
static VALUE io_wait(VALUE self, VALUE io, VALUE events, VALUE timeout)
{
    (void)io;
    (void)timeout;
    enter_next(self);
    return events;
}

static VALUE io_read(int argc, VALUE *argv, VALUE self)
{
    (void)argc;
    struct iovec part;
    int fd = rb_io_descriptor(argv[0]);
    rb_io_buffer_get_bytes_for_writing(argv[1], &part.iov_base, &part.iov_len);
    ssize_t result;
    do {
        enter_next(self);
        result = read_now(fd, &part);
    } while (result < 0 && errno == EAGAIN);
    return SSIZET2NUM(result < 0 ? -errno : result);
}

static VALUE io_write(int argc, VALUE *argv, VALUE self)
{
    (void)argc;
    (void)self;
    const void *base;
    size_t size;
    rb_io_buffer_get_bytes_for_reading(argv[1], &base, &size);
    struct iovec part = {.iov_base = (void *)(uintptr_t)base, .iov_len = size};
    ssize_t result = write_now(rb_io_descriptor(argv[0]), &part);
    return SSIZET2NUM(result < 0 ? -errno : result);
}

/* A fiber that reads. It stands on its own stack. */
struct wait {
    struct wait *next;
    VALUE fiber;
};

static struct wait *first, **end = &first;

static VALUE enter_first(VALUE self)
{
    (void)self;
    struct wait *wait = first;
    if (!(first = wait->next)) end = &first;
    return rb_fiber_transfer(wait->fiber, 0, NULL);
}

/* Before the fiber is entered for the first time; it is kept by the circle. */
static VALUE queue(VALUE self, VALUE fiber)
{
    struct wait *wait = ALLOC(struct wait);
    *wait = (struct wait){.fiber = fiber};
    *end = wait;
    end = &wait->next;
    return self;
}

static VALUE let_others_go_first(VALUE self)
{
    enter_first(self);
    rb_thread_check_ints();
    return Qnil;
}

static void wait_in_line(VALUE self)
{
    struct wait wait = {.fiber = rb_fiber_current()};
    int state = 0;
    *end = &wait;
    end = &wait.next;
    rb_protect(let_others_go_first, self, &state);
    if (state) rb_jump_tag(state);
    RB_GC_GUARD(wait.fiber);
}

/* Since Ruby 3.2 an IO has one. */
static bool has_timeout(VALUE io)
{
#if RUBY_API_VERSION_MAJOR > 3 || RUBY_API_VERSION_MINOR >= 2
    return !NIL_P(rb_io_timeout(io));
#else
    return NIL_P(io);
#endif
}

static VALUE io_read_checked(int argc, VALUE *argv, VALUE self)
{
    VALUE io = argv[0], buffer = argv[1];
    size_t least = NUM2SIZET(argv[2]), offset = argc > 3 ? NUM2SIZET(argv[3]) : 0, size;
    void *base;
    ssize_t result;
    if (least || has_timeout(io)) rb_raise(rb_eNotImpError, "of the floor");
    do {
        wait_in_line(self);
        rb_io_buffer_get_bytes_for_writing(buffer, &base, &size);
        if (offset > size) rb_raise(rb_eArgError, "offset outside of the buffer");
        struct iovec part = {.iov_base = (char *)base + offset, .iov_len = size - offset};
        result = read_now(rb_io_descriptor(io), &part);
    } while (result < 0 && errno == EAGAIN);
    return SSIZET2NUM(result < 0 ? -errno : result);
}

static VALUE io_write_checked(int argc, VALUE *argv, VALUE self)
{
    (void)self;
    size_t least = NUM2SIZET(argv[2]), offset = argc > 3 ? NUM2SIZET(argv[3]) : 0, size;
    const void *base;
    rb_io_buffer_get_bytes_for_reading(argv[1], &base, &size);
    if (offset > size) rb_raise(rb_eArgError, "offset outside of the buffer");
    struct iovec part = {.iov_base = (char *)(uintptr_t)base + offset, .iov_len = size - offset};
    ssize_t result = write_now(rb_io_descriptor(argv[0]), &part);
    if (result >= 0 && (size_t)result < least) rb_raise(rb_eNotImpError, "of the floor");
    return SSIZET2NUM(result < 0 ? -errno : result);
}

RUBY_FUNC_EXPORTED void Init_least_hooks(void);

void Init_least_hooks(void)
{
    rb_global_variable(&circle);
    VALUE module = rb_define_module("LeastHooks");
    rb_define_method(module, "circle=", set_circle, 1);
    rb_define_method(module, "enter_next", enter_next, 0);
    rb_define_method(module, "io_wait", io_wait, 3);
    rb_define_method(module, "io_read", io_read, -1);
    rb_define_method(module, "io_write", io_write, -1);
    VALUE checked = rb_define_module_under(module, "Checked");
    rb_define_method(checked, "queue", queue, 1);
    rb_define_method(checked, "enter_first", enter_first, 0);
    rb_define_method(checked, "io_read", io_read_checked, -1);
    rb_define_method(checked, "io_write", io_write_checked, -1);
}
