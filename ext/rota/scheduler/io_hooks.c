#include "scheduler/io_hooks.h"

#include "core/attempt.h"
#include "core/syscall.h"
#include "runtime/await.h"
#include "runtime/held.h"
#include "runtime/interrupt.h"
#include "runtime/leftover.h"
#include "runtime/road.h"
#include "runtime/roots.h"
#include "runtime/sleep.h"
#include "runtime/task.h"
#include "scheduler/caller.h"
#include "scheduler/native.h"
#include "scheduler/scheduler.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

/* IO::READABLE, PRIORITY and WRITABLE are poll's bits. */
_Static_assert(RUBY_IO_READABLE == POLLIN && RUBY_IO_PRIORITY == POLLPRI &&
                   RUBY_IO_WRITABLE == POLLOUT,
               "events need no translation");

/* What is not in the page cache is fetched in pieces of at most this size. */
#define FETCH_MAX (128u * 1024)

/* -- waiting ------------------------------------------------------------------------------------
 */

/* The timeout that holds for a wait without one of its own: nil before Ruby 3.2. */
static VALUE timeout_of(VALUE io)
{
#ifdef HAVE_RB_IO_TIMEOUT
    return rb_io_timeout(io);
#else
    (void)io;
    return Qnil;
#endif
}

/* What a method that reads or writes raises when the IO's own timeout is over; core does that by
 * itself from Ruby 3.4 on, with another message than without a scheduler. IO#wait and its kin
 * answer nil. */
ROTA_APART static void raise_timeout(void)
{
#ifdef HAVE_RB_IO_TIMEOUT
    if (strncmp(rota_caller_name(), "wait", 4) == 0) return;
    rb_raise(rb_eIOTimeoutError, "Blocking operation timed out!");
#endif
}

/* Errors and hang-ups make everything that was asked for ready: whoever tries it is told. */
static VALUE ready_events(uint32_t mask, uint32_t events)
{
    uint32_t ready = mask & events;
    if (mask & (POLLERR | POLLHUP)) ready |= events & (POLLIN | POLLOUT);
    return UINT2NUM(ready ? ready : events);
}

static int32_t poll_by_ring(rota_loop_t *loop, VALUE io, uint32_t events, uint64_t deadline_ns,
                            bool tries)
{
    rota_interrupt_check(loop); /* an interjection may close the io */
    int fd = rota_shim_number(io);
    rota_op_t *op = rota_await_op(loop, ROTA_OP_POLL);
    op->fd = op->descriptor = fd;
    op->request_flags = events;
    rota_roots_set(op, Qfalse, io);
    rota_wait_t wait = {.what = "an io", .fd = fd, .deadline_ns = deadline_ns, .tries = tries};
    loop->direct_in_a_row = 0;
    return rota_await(loop, op, &wait);
}

ROTA_APART static int32_t look(int fd, uint32_t events)
{
    struct pollfd descriptor = {.fd = fd, .events = (short)events};
    int count;
    do count = poll(&descriptor, 1, 0);
    while (count < 0 && errno == EINTR); /* so says also one that would not wait */
    return count < 0 ? -errno : descriptor.revents;
}

/* After a part of a write core asks without having tried. Whoever is not switched away from between
 * the parts writes its line whole. These ask before they begin, mostly in vain. */
static bool asks_between_parts(void)
{
    const char *name = rota_caller_name();
    name += strspn(name, "_"); /* BasicSocket#sendmsg calls __sendmsg */
    return strncmp(name, "wait", 4) != 0 && strncmp(name, "send", 4) != 0;
}

/* The ready mask, 0 when the time is up first, or -errno; `tries`: perhaps ROTA_HELD_TRY. Raises
 * interrupts. */
static int32_t wait_for(rota_loop_t *loop, VALUE io, int fd, uint32_t events, VALUE timeout,
                        bool tries)
{
    bool limited = !NIL_P(timeout);
    uint64_t span_ns = limited ? rota_seconds_to_ns(timeout) : 0;
    bool now = limited && span_ns == 0, writes = events == POLLOUT;
    int32_t result;
    if (loop && (now || (writes && !asks_between_parts())) && rota_give_way(loop))
        fd = rota_shim_number(io);
    if (now) return look(fd, events);
    if (writes && (result = look(fd, events)) != 0) return result;
    uint64_t deadline_ns = limited ? rota_now_ns() + span_ns : UINT64_MAX;
    if (ROTA_UNLIKELY(!loop)) return rota_native_poll(fd, (short)events, deadline_ns);
    result = poll_by_ring(loop, io, events, deadline_ns, tries);
    if (result == -ETIME) return 0;
    if (result == -ECANCELED || result == ROTA_CLOSED) rota_await_raise(loop, result, "io_wait");
    return result;
}

/* call-seq: io_wait(io, events, timeout) -> Integer or false
 *
 * Waits until an IO is ready.
 *
 * @param io [IO]
 * @param events [Integer] IO::READABLE, PRIORITY, WRITABLE
 * @param timeout [Numeric, nil] seconds; nil is the IO's own timeout
 * @return [Integer] which of the events
 * @return [false] none in time */
static VALUE hook_io_wait(VALUE self, VALUE io, VALUE events, VALUE timeout)
{
    uint32_t wanted = NUM2UINT(events);
    int fd = rota_shim_number(io);
    bool own = NIL_P(timeout);
    timeout = own ? timeout_of(io) : rota_seconds_not_negative(timeout);
    int32_t mask = wait_for(rota_scheduler_enter(self), io, fd, wanted, timeout, false);
    if (mask == 0) {
        if (own) raise_timeout();
        return Qfalse;
    }
    if (mask & POLLNVAL && mask > 0) mask = -EBADF;
    if (mask < 0) rb_syserr_fail(-mask, "io_wait");
    return ready_events((uint32_t)mask, wanted);
}

/* -- transfers ----------------------------------------------------------------------------------
 */

/* One call of a hook, from its arguments to its result. */
struct transfer {
    rota_scheduler_t *scheduler;
    rota_loop_t *loop; /* NULL: nothing can be waited for */
    VALUE io;
    VALUE buffer;
    int fd;
    bool writes;
    bool socket;
    uint8_t *memory;
    size_t offset;   /* in the buffer */
    size_t most;     /* bytes */
    size_t least;    /* bytes; 0: what one transfer gives */
    int64_t at;      /* position in the file; -1: the descriptor's own */
    bool ahead;      /* the memory is the one that core reads ahead into */
    size_t finished; /* bytes */
};

/* What was reported writable takes so much at once; of more, a blocking one would wait. */
static size_t cut_for(const struct transfer *transfer)
{
    size_t room = isatty(transfer->fd) ? ROTA_TERMINAL_PIECE : PIPE_BUF;
    return transfer->most < room ? transfer->most : room;
}

static ssize_t plainly(const struct transfer *transfer)
{
    uint8_t *memory = transfer->memory + transfer->offset;
    size_t length = transfer->most;
    if (transfer->at >= 0)
        return transfer->writes ? pwrite(transfer->fd, memory, length, transfer->at)
                                : pread(transfer->fd, memory, length, transfer->at);
    return transfer->writes ? write(transfer->fd, memory, length)
                            : read(transfer->fd, memory, length);
}

/* Files are always ready, and never say that they would block. */
static bool is_file(int fd)
{
    struct stat stat;
    return fstat(fd, &stat) == 0 && (S_ISREG(stat.st_mode) || S_ISBLK(stat.st_mode));
}

/* A kind of file that knows no attempt without waiting (a terminal, a FIFO): asks before it tries.
 */
ROTA_APART static ssize_t carefully(const struct transfer *transfer)
{
    struct transfer piece = *transfer;
    if (!is_file(transfer->fd)) {
        int flags = fcntl(transfer->fd, F_GETFL);
        struct pollfd descriptor = {.fd = transfer->fd,
                                    .events = transfer->writes ? POLLOUT : POLLIN};
        bool waits = flags >= 0 && !(flags & O_NONBLOCK);
        if (waits && poll(&descriptor, 1, 0) == 0) return -EAGAIN;
        if (waits && transfer->writes) piece.most = cut_for(transfer);
    }
    ssize_t result = plainly(&piece);
    return result < 0 ? -errno : result;
}

static ssize_t transfer_by_socket(const struct transfer *transfer, void *memory)
{
    return transfer->writes
               ? rota_sys_send(transfer->fd, memory, transfer->most, MSG_DONTWAIT | MSG_NOSIGNAL)
               : rota_sys_recv(transfer->fd, memory, transfer->most, MSG_DONTWAIT);
}

static ssize_t transfer_by_file(const struct transfer *transfer, void *memory)
{
    struct iovec part = {.iov_base = memory, .iov_len = transfer->most};
    return transfer->writes ? rota_sys_pwritev2(transfer->fd, &part, 1, transfer->at, RWF_NOWAIT)
                            : rota_sys_preadv2(transfer->fd, &part, 1, transfer->at, RWF_NOWAIT);
}

/* One transfer that does not wait, whatever O_NONBLOCK says. Bytes or -errno. */
static ssize_t attempt(struct transfer *transfer)
{
    uint8_t *memory = transfer->memory + transfer->offset;
    if (transfer->socket && transfer->at < 0) {
        ssize_t result = transfer_by_socket(transfer, memory);
        if (ROTA_LIKELY(result >= 0)) return result;
        if (errno != ENOTSOCK) return -errno;
        transfer->socket = false; /* something else by now (IO#reopen) */
    }
    ssize_t result = transfer_by_file(transfer, memory);
    if (ROTA_LIKELY(result >= 0)) return result;
    return errno == EOPNOTSUPP ? carefully(transfer) : -errno;
}

/* Has the IO been closed, or the buffer been changed, while this task waited? */
static void look_again(struct transfer *transfer)
{
    void *base;
    const void *source;
    size_t size;
    if (transfer->writes) {
        rb_io_buffer_get_bytes_for_reading(transfer->buffer, &source, &size);
        base = (void *)(uintptr_t)source;
    } else {
        rb_io_buffer_get_bytes_for_writing(transfer->buffer, &base, &size);
    }
    if (transfer->offset > size) rb_raise(rb_eArgError, "offset outside of the buffer");
    if (transfer->most > size - transfer->offset) transfer->most = size - transfer->offset;
    transfer->memory = base;
    transfer->fd = rota_shim_number(transfer->io);
}

static bool reads_ahead(const struct transfer *transfer)
{
    return !transfer->writes && RB_TYPE_P(transfer->io, T_FILE) &&
           transfer->memory == rota_shim_read_ahead(transfer->io);
}

/* The memory that core reads ahead into is another one after a close and a reopen. */
static bool has_moved(const struct transfer *transfer)
{
    return transfer->ahead && transfer->memory != rota_shim_read_ahead(transfer->io);
}

/* Goes through memory of its own: core's buffer is gone when somebody closes the IO meanwhile, and
 * nothing here could keep it. */
static rota_op_t *make_op(const struct transfer *transfer, rota_op_kind_t kind, size_t length)
{
    rota_loop_t *loop = transfer->loop;
    rota_op_t *op = rota_await_op(loop, kind);
    op->fd = op->descriptor = transfer->fd;
    op->memory = op->payload = malloc(length);
    if (!op->payload) {
        rota_op_release(&loop->engine->ops, op);
        rb_memerror();
    }
    if (transfer->writes) memcpy(op->payload, transfer->memory + transfer->offset, length);
    op->length = (uint32_t)length;
    op->offset = UINT64_MAX;
    rota_roots_set(op, Qfalse, transfer->io);
    return op;
}

static int32_t by_ring(const struct transfer *transfer, rota_op_t *op, const char *what)
{
    rota_wait_t wait = {.what = what, .fd = transfer->fd};
    int32_t result = rota_await(transfer->loop, op, &wait);
    if (result == -ECANCELED || result == ROTA_CLOSED)
        rota_await_raise(transfer->loop, result, "io");
    return result;
}

static int32_t file_by_ring(struct transfer *transfer, bool *fetched)
{
    size_t length = transfer->most < FETCH_MAX ? transfer->most : FETCH_MAX;
    int64_t at = transfer->at;
    /* A read only fetches: its position stays, and the attempt after it finds the bytes. */
    if (!transfer->writes && at < 0) at = lseek(transfer->fd, 0, SEEK_CUR);
    rota_op_t *op = make_op(transfer, transfer->writes ? ROTA_OP_WRITE : ROTA_OP_READ, length);
    if (at >= 0) op->offset = (uint64_t)at;
    *fetched = !transfer->writes;
    return by_ring(transfer, op, "a file");
}

/* The attempt would have had to wait for the disk. */
ROTA_APART static ssize_t wait_for_file(struct transfer *transfer)
{
    bool fetched = false;
    if (transfer->loop) {
        int32_t result = file_by_ring(transfer, &fetched);
        if (!fetched || result < 0) return result;
        look_again(transfer);
        if (has_moved(transfer)) return -EAGAIN;
        ssize_t again = attempt(transfer);
        if (again != -EAGAIN) return again;
    }
    ssize_t result = plainly(transfer);
    return result < 0 ? -errno : result;
}

/* IO#sysread and #syswrite call with a length of 0, too, but do not wait by themselves: they would
 * raise EAGAIN, which without a scheduler they never do. read_nonblock must be told. */
static bool called_by_system_method(void)
{
    const char *name = rota_caller_name();
    if (strcmp(name, "sysread") == 0) return true;
#ifdef HAVE_RB_IO_TIMEOUT /* before Ruby 3.2 it raised EAGAIN without a scheduler, too */
    if (strcmp(name, "syswrite") == 0) return true;
#endif
    return false;
}

/* As wait_for; but 0 never. */
static int32_t wait_for_more(struct transfer *transfer, bool tries)
{
    VALUE timeout = timeout_of(transfer->io);
    int32_t mask = wait_for(transfer->loop, transfer->io, transfer->fd,
                            transfer->writes ? POLLOUT : POLLIN, timeout, tries);
    if (mask == 0) raise_timeout();
    return mask ? mask : -EAGAIN;
}

/* Above this a copy costs more than what an entry saves. */
#define SEND_MAX 4096

/* What an IO buffers itself may be flushed by its close, which is in a hurry. */
static bool called_by_write(void)
{
    const char *name = rota_caller_name();
    return strcmp(name, "write") == 0 || strcmp(name, "syswrite") == 0;
}

/* Among many, a few bytes for a socket are an entry of their own copy, unless others write to it,
 * too: between two calls nobody does. It does not wait in the kernel: -EAGAIN, and nothing is on
 * its way while a task waits that may be interrupted. */
static bool goes_as_entry(const struct transfer *transfer)
{
    if (!transfer->writes || !transfer->socket || !transfer->loop || transfer->at >= 0)
        return false;
    bool alone = rota_writers_note(&transfer->scheduler->writers, transfer->loop, transfer->io,
                                   transfer->fd);
    return alone && transfer->most <= SEND_MAX && rota_road_shares_enter(transfer->loop) &&
           called_by_write();
}

ROTA_APART static ssize_t send_by_ring(const struct transfer *transfer)
{
    rota_op_t *op = make_op(transfer, ROTA_OP_SEND, transfer->most);
    op->request_flags = MSG_DONTWAIT | MSG_NOSIGNAL;
    return by_ring(transfer, op, "a socket");
}

static ssize_t one_transfer(struct transfer *transfer)
{
    ssize_t result;
    /* The newline behind a line goes with the line. */
    bool tail =
        transfer->writes && transfer->most == 1 && transfer->memory[transfer->offset] == '\n';
    if (!tail && goes_as_entry(transfer)) {
        result = send_by_ring(transfer);
        if (ROTA_LIKELY(result != -ENOTSOCK)) return result;
        transfer->socket = false; /* see attempt */
        look_again(transfer);
    }
    if (transfer->loop && transfer->finished == 0 && !tail && rota_give_way(transfer->loop)) {
        look_again(transfer);
        if (has_moved(transfer)) return -EAGAIN; /* core has to begin anew */
    }
    if (transfer->writes && transfer->loop &&
        ROTA_UNLIKELY(rota_road_would_overtake(transfer->loop, transfer->fd)))
        rota_held_flush(transfer->loop);
    do result = attempt(transfer);
    while (result == -EINTR);
    if (result == -EAGAIN && !transfer->socket && is_file(transfer->fd))
        return wait_for_file(transfer);
    return result;
}

/* -- reads that wait inside ---------------------------------------------------------------------
 *
 * Core would call io_wait after a read in vain, and then io_read again, with another IO::Buffer.
 * Where it is certain that it would, the wait is part of the read. It is a wait until there are
 * bytes, and they are read by a call after it: so none is lost with a task that is interrupted, or
 * taken for an IO that is closed meanwhile. */

/* Of a locked one the memory stays. */
static bool is_locked(VALUE buffer)
{
    if (!rb_io_buffer_try_unlock(buffer)) return false;
    rb_io_buffer_lock(buffer);
    return true;
}

/* Core's buffers are locked, an IO::Buffer that reads by itself is not. Of files it is not known
 * what would have to be waited for. */
static bool waits_inside(const struct transfer *transfer)
{
    if (transfer->writes || transfer->at >= 0 || transfer->least > 0 || !transfer->loop)
        return false;
    if (!RB_TYPE_P(transfer->io, T_FILE)) return false;
    bool may_be_file = !transfer->socket && CLASS_OF(transfer->io) != rb_cIO;
    if (may_be_file && RTEST(rb_obj_is_kind_of(transfer->io, rb_cFile))) return false;
    return is_locked(transfer->buffer) && rota_caller_waits_for_bytes();
}

/* First when nobody else can run, who mostly writes the bytes; in vain when there is a poll to wait
 * for. -EAGAIN: what else there is to do is core's. */
static ssize_t read_waiting(struct transfer *transfer)
{
    ssize_t result = -EAGAIN;
    for (bool tries = true; result == -EAGAIN; tries = false) {
        int32_t mask = wait_for_more(transfer, tries);
        transfer->fd = rota_shim_number(transfer->io); /* raises when it was closed */
        if (mask < 0 || has_moved(transfer)) break;
        result = attempt(transfer);
        if (mask == ROTA_HELD_TRY) {
            rota_held_learn(transfer->loop, result == -EAGAIN);
        } else if (result == -EAGAIN && !transfer->socket && is_file(transfer->fd)) {
            return wait_for_file(transfer);
        }
    }
    return result;
}

static bool is_flush(const struct transfer *transfer)
{
    return transfer->writes && transfer->at < 0 && transfer->least == 0 &&
           rota_shim_is_flush(transfer->io, transfer->memory, transfer->most);
}

ROTA_APART static VALUE transfer_in_parts(struct transfer *transfer)
{
    bool flush = is_flush(transfer);
    for (;;) {
        ssize_t result = one_transfer(transfer);
        if (flush && result > 0 && (size_t)result < transfer->most) {
            rota_shim_note_flushed(transfer->io, (size_t)result);
            result = -EAGAIN; /* core waits, and asks for the rest */
        }
        if (result == -EAGAIN &&
            (transfer->finished < transfer->least || called_by_system_method())) {
            int32_t mask = wait_for_more(transfer, false);
            look_again(transfer);
            if (mask > 0) continue;
        }
        if (result < 0) {
            if (transfer->finished) break;
            return SSIZET2NUM(result);
        }
        transfer->finished += (size_t)result;
        transfer->offset += (size_t)result;
        transfer->most -= (size_t)result;
        if (transfer->at >= 0) transfer->at += result;
        if (result == 0 || transfer->most == 0 || transfer->finished >= transfer->least) break;
        look_again(transfer); /* it may have been an entry */
    }
    RB_GC_GUARD(transfer->buffer);
    RB_GC_GUARD(transfer->io);
    return SIZET2NUM(transfer->finished);
}

static VALUE perform(struct transfer *transfer)
{
    transfer->ahead = reads_ahead(transfer);
    if (!waits_inside(transfer)) return transfer_in_parts(transfer);
    ssize_t result = read_waiting(transfer);
    RB_GC_GUARD(transfer->buffer);
    return SSIZET2NUM(result);
}

static void begin(struct transfer *transfer, VALUE self, VALUE io, VALUE buffer, bool writes)
{
    *transfer = (struct transfer){.scheduler = rota_scheduler_get(self),
                                  .loop = rota_scheduler_enter(self),
                                  .io = io,
                                  .buffer = buffer,
                                  .writes = writes,
                                  .socket = rota_is_socket(io),
                                  .most = SIZE_MAX,
                                  .at = -1};
}

/* The arguments up to Ruby 4.0: (io, buffer, [from,] length, offset = 0), where `length` is the
 * least, and 0 means what one transfer gives. */
static VALUE transfer_least(struct transfer *transfer, VALUE length, VALUE offset)
{
    transfer->least = NUM2SIZET(length);
    transfer->offset = NIL_P(offset) ? 0 : NUM2SIZET(offset);
    look_again(transfer);
    return perform(transfer);
}

/* ... from Ruby 4.1 on: (io, buffer, [from,] offset, length), where `length` is the most that one
 * transfer may give, and 0 means nothing. */
static VALUE transfer_most(struct transfer *transfer, VALUE offset, VALUE length)
{
    transfer->offset = NUM2SIZET(offset);
    transfer->most = NUM2SIZET(length);
    if (transfer->most == 0) return INT2FIX(0);
    look_again(transfer);
    return perform(transfer);
}

static VALUE read_or_write_least(int argc, VALUE *argv, VALUE self, bool writes)
{
    rb_check_arity(argc, 3, 4);
    struct transfer transfer;
    begin(&transfer, self, argv[0], argv[1], writes);
    return transfer_least(&transfer, argv[2], argc > 3 ? argv[3] : Qnil);
}

static VALUE read_or_write_most(VALUE self, VALUE io, VALUE buffer, VALUE offset, VALUE length,
                                bool writes)
{
    struct transfer transfer;
    begin(&transfer, self, io, buffer, writes);
    return transfer_most(&transfer, offset, length);
}

/* False: no position. The descriptor's own has the number -1 here. */
static bool take_position(struct transfer *transfer, VALUE from)
{
    transfer->at = NUM2LL(from);
    return transfer->at >= 0;
}

/* (io, buffer, from, length, offset); on Ruby 3.1 (io, buffer, length, from). */
static VALUE at_position_least(int argc, VALUE *argv, VALUE self, bool writes)
{
    VALUE io, buffer, from, length, offset;
    rb_scan_args(argc, argv, "41", &io, &buffer, &from, &length, &offset);
    if (argc == 4) {
        VALUE swapped = from;
        from = length;
        length = swapped;
    }
    struct transfer transfer;
    begin(&transfer, self, io, buffer, writes);
    if (!take_position(&transfer, from)) return INT2FIX(-EINVAL);
    return transfer_least(&transfer, length, offset);
}

static VALUE at_position_most(int argc, VALUE *argv, VALUE self, bool writes)
{
    rb_check_arity(argc, 5, 5);
    struct transfer transfer;
    begin(&transfer, self, argv[0], argv[1], writes);
    if (!take_position(&transfer, argv[2])) return INT2FIX(-EINVAL);
    return transfer_most(&transfer, argv[3], argv[4]);
}

/* call-seq:
 *   io_read(io, buffer, length, offset = 0) -> Integer
 *   io_read(io, buffer, offset, length) -> Integer       (Ruby 4.1)
 *
 * Called by IO's reading methods, up to Ruby 4.0 with a length of 0: one attempt that does not
 * wait, after which core calls {io_wait}.
 *
 * @return [Integer] bytes, or a negated errno */
ROTA_FLAT static VALUE io_read_least(int argc, VALUE *argv, VALUE self)
{
    return read_or_write_least(argc, argv, self, false);
}

static VALUE io_read_most(VALUE self, VALUE io, VALUE buffer, VALUE offset, VALUE length)
{
    return read_or_write_most(self, io, buffer, offset, length, false);
}

/* call-seq:
 *   io_write(io, buffer, length, offset = 0) -> Integer
 *   io_write(io, buffer, offset, length) -> Integer      (Ruby 4.1)
 *
 * Called by IO's writing methods; as {io_read}.
 *
 * @return [Integer] bytes, or a negated errno */
static VALUE io_write_least(int argc, VALUE *argv, VALUE self)
{
    return read_or_write_least(argc, argv, self, true);
}

static VALUE io_write_most(VALUE self, VALUE io, VALUE buffer, VALUE offset, VALUE length)
{
    return read_or_write_most(self, io, buffer, offset, length, true);
}

/* call-seq:
 *   io_pread(io, buffer, length, from) -> Integer             (Ruby 3.1)
 *   io_pread(io, buffer, from, length, offset) -> Integer
 *   io_pread(io, buffer, from, offset, length) -> Integer     (Ruby 4.1)
 *
 * @return [Integer] bytes, or a negated errno */
static VALUE io_pread_least(int argc, VALUE *argv, VALUE self)
{
    return at_position_least(argc, argv, self, false);
}

static VALUE io_pread_most(int argc, VALUE *argv, VALUE self)
{
    return at_position_most(argc, argv, self, false);
}

/* As {io_pread}.
 *
 * @return [Integer] bytes, or a negated errno */
static VALUE io_pwrite_least(int argc, VALUE *argv, VALUE self)
{
    return at_position_least(argc, argv, self, true);
}

static VALUE io_pwrite_most(int argc, VALUE *argv, VALUE self)
{
    return at_position_most(argc, argv, self, true);
}

/* Called by IO#close from Ruby 4.0 on, when nobody is left in a core method on the IO. Verbs of
 * this loop that wait on the number are woken; closing it stays core's.
 *
 * @param fd [Integer]
 * @return [false] */
static VALUE hook_io_close(VALUE self, VALUE fd)
{
    rota_loop_t *loop = rota_scheduler_enter(self);
    if (!loop) return Qfalse;
    int number = NUM2INT(fd);
    if (loop->engine->ops.in_use) rota_await_close(loop, number);
    rota_leftover_drop(loop, number);
    /* What is queued for the number must reach the kernel before the number is free. */
    rota_held_flush(loop);
    return Qfalse;
}

#if defined(RUBY_FIBER_SCHEDULER_VERSION) && RUBY_FIBER_SCHEDULER_VERSION >= 4
#define NAME_LEAST(hook) "__" hook "_least"
#define NAME_MOST(hook)  hook
#else
#define NAME_LEAST(hook) hook
#define NAME_MOST(hook)  "__" hook "_most"
#endif

void rota_init_io_hooks(VALUE scheduler_class)
{
    rb_define_method(scheduler_class, "io_wait", hook_io_wait, 3);
    rb_define_method(scheduler_class, "io_close", hook_io_close, 1);
    rb_define_method(scheduler_class, NAME_LEAST("io_read"), io_read_least, -1);
    rb_define_method(scheduler_class, NAME_MOST("io_read"), io_read_most, 4);
    rb_define_method(scheduler_class, NAME_LEAST("io_write"), io_write_least, -1);
    rb_define_method(scheduler_class, NAME_MOST("io_write"), io_write_most, 4);
    rb_define_method(scheduler_class, NAME_LEAST("io_pread"), io_pread_least, -1);
    rb_define_method(scheduler_class, NAME_MOST("io_pread"), io_pread_most, -1);
    rb_define_method(scheduler_class, NAME_LEAST("io_pwrite"), io_pwrite_least, -1);
    rb_define_method(scheduler_class, NAME_MOST("io_pwrite"), io_pwrite_most, -1);
}
