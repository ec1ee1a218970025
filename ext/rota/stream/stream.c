#include "stream/stream.h"

#include "runtime/await.h"
#include "runtime/error.h"
#include "runtime/interrupt.h"
#include "stream/chars.h"
#include "stream/delimited.h"
#include "stream/ending.h"
#include "stream/lines.h"
#include "stream/moving.h"
#include "stream/position.h"
#include "stream/reading.h"
#include "stream/receive.h"
#include "stream/text.h"
#include "stream/waiting.h"
#include "stream/writing.h"
#include "verbs/accept.h"
#include "verbs/socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

VALUE rota_cStream;

static void stream_mark(void *data)
{
    rota_stream_t *stream = data;
    if (stream->descriptor.loop) rb_gc_mark(stream->descriptor.loop->self);
    if (stream->patience) rb_gc_mark(stream->patience->timeout);
    rota_text_mark(stream);
}

static void stream_free(void *data)
{
    rota_stream_t *stream = data;
    if (stream->descriptor.loop) {
        if (stream->op) stream->op->complete = NULL, stream->op->owner = NULL;
        rota_stream_free_received(stream);
    }
    rota_fifo_clear(&stream->kept); /* a forked child's has no loop any more */
    rota_text_free(stream);
    rota_gate_free(&stream->read_gate);
    rota_gate_free(&stream->write_gate);
    xfree(stream->patience);
    if (stream->descriptor.loop) {
        rota_descriptor_orphan(&stream->descriptor);
    } else {
        xfree(stream);
    }
}

static size_t stream_memsize(const void *data)
{
    const rota_stream_t *stream = data;
    size_t gates = rota_gate_memsize(&stream->read_gate) + rota_gate_memsize(&stream->write_gate);
    size_t patience = stream->patience ? sizeof(*stream->patience) : 0;
    return sizeof(*stream) + rota_fifo_memsize(stream->kept) + rota_text_memsize(stream) + gates +
           patience;
}

const rb_data_type_t rota_stream_type = {
    .wrap_struct_name = "Rota::Stream",
    .function = {.dmark = stream_mark, .dfree = stream_free, .dsize = stream_memsize},
    .parent = &rota_descriptor_type,
    .flags = RUBY_TYPED_FREE_IMMEDIATELY,
};

rota_stream_t *rota_stream_get(VALUE self, rota_loop_t **loop)
{
    rota_stream_t *stream = rota_typed_data(self, &rota_stream_type);
    if (ROTA_UNLIKELY(!stream->descriptor.loop)) rota_interrupt_raise_closed("closed stream");
    *loop = stream->descriptor.loop;
    if (ROTA_UNLIKELY(*loop != rota_loop_current()))
        rb_raise(rb_eIOError, "the stream belongs to another loop; hand it over with to_io");
    return stream;
}

uint64_t rota_stream_deadline_ns(const rota_stream_t *stream)
{
    return stream->patience ? rota_now_ns() + stream->patience->timeout_ns : UINT64_MAX;
}

/* What the stream had to do with its descriptor ends before the number is closed. Only a socket is
 * closed by a system call: a file's may have to write first. */
static bool end_operations(rota_descriptor_t *descriptor)
{
    rota_stream_t *stream = ROTA_CONTAINER_OF(descriptor, rota_stream_t, descriptor);
    bool busy = stream->write_gate.held || descriptor->in_verbs;
    bool idle = !busy && !stream->op && stream->descriptor.socket;
    if (busy) rota_await_close(descriptor->loop, descriptor->fd);
    rota_stream_end_receiving(stream);
    return idle;
}

struct birth {
    rota_loop_t *loop;
    int fd;
};

static VALUE make_stream(VALUE data)
{
    struct birth *birth = (struct birth *)data;
    rota_stream_t *stream;
    VALUE self = TypedData_Make_Struct(rota_cStream, rota_stream_t, &rota_stream_type, stream);
    stream->readable = stream->writable = true;
    rota_stream_init_receiver(stream);
    rota_descriptor_open(&stream->descriptor, birth->loop, birth->fd);
    return self;
}

VALUE rota_stream_new(rota_loop_t *loop, int fd)
{
    struct birth birth = {loop, fd};
    int state = 0;
    VALUE self = rb_protect(make_stream, (VALUE)&birth, &state);
    if (state) {
        close(fd);
        rb_jump_tag(state);
    }
    return self;
}

/* A listener's connections are sockets, and need not be asked. */
static VALUE wrap_accepted(rota_loop_t *loop, int fd)
{
    VALUE self = rota_stream_new(loop, fd);
    ((rota_stream_t *)RTYPEDDATA_DATA(self))->descriptor.socket = true;
    return self;
}

/* call-seq: for_fd(fd) -> Rota::Stream
 *
 * Wraps an open descriptor of this process; the stream owns it from now on, and closes it.
 *
 * @param fd [Integer] a socket, pipe or terminal; it is made CLOEXEC
 * @raise [SystemCallError] +Errno::EBADF+ */
static VALUE stream_for_fd(VALUE klass, VALUE number)
{
    (void)klass;
    rota_loop_t *loop = rota_loop_demand();
    int fd = NUM2INT(number);
    int mode = fcntl(fd, F_GETFL);
    if (mode == -1 || fcntl(fd, F_SETFD, FD_CLOEXEC) == -1) rb_sys_fail("for_fd");
    VALUE self = rota_stream_new(loop, fd);
    rota_stream_t *stream = RTYPEDDATA_DATA(self);
    stream->readable = (mode & O_ACCMODE) != O_WRONLY;
    stream->writable = (mode & O_ACCMODE) != O_RDONLY;
    struct stat found = {0};
    fstat(fd, &found);
    stream->descriptor.socket = S_ISSOCK(found.st_mode);
    rota_position_open(stream, &found, mode);
    stream->descriptor.terminal = !stream->descriptor.socket && isatty(fd);
    return self;
}

/* call-seq: socket(domain, type, protocol = 0) -> Rota::Stream
 *
 * A socket that is not connected yet.
 *
 * @param domain [Integer, Symbol] +Socket::AF_*+, or :INET, :INET6, :UNIX ...
 * @param type [Integer, Symbol] +Socket::SOCK_*+, or :STREAM, :DGRAM ...
 * @raise [SocketError] an unknown name
 * @raise [SystemCallError] */
static VALUE loop_socket(int argc, VALUE *argv, VALUE self)
{
    VALUE domain, type, protocol;
    rb_scan_args(argc, argv, "21", &domain, &type, &protocol);
    rota_loop_t *loop = rota_loop_get(self);
    int family = rota_socket_constant(domain, "AF_", "domain");
    int flags = rota_socket_constant(type, "SOCK_", "type") | SOCK_CLOEXEC | SOCK_NONBLOCK;
    int fd = socket(family, flags, NIL_P(protocol) ? 0 : NUM2INT(protocol));
    if (fd == -1) rb_sys_fail("socket");
    return wrap_accepted(loop, fd);
}

/* The descriptor's number, for what is not going to keep it.
 *
 * @private */
static VALUE stream_number(VALUE self)
{
    rota_loop_t *loop;
    return INT2NUM(rota_stream_get(self, &loop)->descriptor.fd);
}

/* Without a call of the kernel: in its own Ruby 4.0 lets others run.
 *
 * @private */
static VALUE stream_socket_p(VALUE self)
{
    rota_loop_t *loop;
    return RBOOL(rota_stream_get(self, &loop)->descriptor.socket);
}

/* The descriptor's number. It stays the stream's: do not close it. In a forked child the stream is
 * closed; a descriptor whose number was asked for stays open there.
 *
 * @return [Integer] */
static VALUE stream_fileno(VALUE self)
{
    rota_loop_t *loop;
    rota_stream_get(self, &loop)->descriptor.numbered = true;
    return stream_number(self);
}

/* @return [Boolean] is it a terminal? */
static VALUE stream_tty_p(VALUE self)
{
    rota_loop_t *loop;
    return RBOOL(rota_stream_get(self, &loop)->descriptor.terminal);
}

/* @return [Numeric, nil] how many seconds a read or write may wait; nil is for ever */
static VALUE stream_timeout(VALUE self)
{
    rota_loop_t *loop;
    const rota_patience_t *patience = rota_stream_get(self, &loop)->patience;
    return patience ? patience->timeout : Qnil;
}

/* Every wait of a read or write from now on ends after so many seconds with Rota::TimeoutError; the
 * stream can be used further.
 *
 * @param seconds [Numeric, nil] */
static VALUE stream_set_timeout(VALUE self, VALUE seconds)
{
    rota_loop_t *loop;
    rota_stream_t *stream = rota_stream_get(self, &loop);
    if (NIL_P(seconds)) {
        xfree(stream->patience);
        stream->patience = NULL;
        return Qnil;
    }
    uint64_t span_ns = rota_seconds_to_ns(seconds);
    if (!stream->patience) stream->patience = ALLOC(rota_patience_t);
    *stream->patience = (rota_patience_t){seconds, span_ns ? span_ns : 1};
    return seconds;
}

void rota_init_stream(VALUE module)
{
    rota_accept_wrap = wrap_accepted;
    rota_descriptor_on_close = end_operations;
    rota_cStream = rb_define_class_under(module, "Stream", rb_cObject);
    rb_undef_alloc_func(rota_cStream);
    rb_define_singleton_method(rota_cStream, "for_fd", stream_for_fd, 1);
    rb_define_method(rota_cLoop, "socket", loop_socket, -1);
    rb_define_method(rota_cStream, "fileno", stream_fileno, 0);
    rb_define_method(rota_cStream, "__number", stream_number, 0);
    rb_define_private_method(rota_cStream, "__socket?", stream_socket_p, 0);
    rb_define_method(rota_cStream, "tty?", stream_tty_p, 0);
    rb_define_method(rota_cStream, "isatty", stream_tty_p, 0);
    rb_define_method(rota_cStream, "timeout", stream_timeout, 0);
    rb_define_method(rota_cStream, "timeout=", stream_set_timeout, 1);
    rota_init_stream_reading(rota_cStream);
    rota_init_stream_lines(rota_cStream);
    rota_init_stream_chars(rota_cStream);
    rota_init_stream_delimited(rota_cStream);
    rota_init_stream_waiting(rota_cStream);
    rota_init_stream_position(rota_cStream);
    rota_init_stream_text(rota_cStream);
    rota_init_stream_writing(rota_cStream);
    rota_init_stream_ending(rota_cStream);
    rota_init_stream_moving(rota_cStream);
}
