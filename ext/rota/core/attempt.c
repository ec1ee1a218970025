#include "attempt.h"

#include "disk.h"
#include "names.h"
#include "syscall.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ANY_POSITION = -1 };

/* --- small questions ---------------------------------------------------------------------- */

static int32_t result_of(ssize_t result)
{
    return result < 0 ? -errno : (int32_t)result;
}

static int32_t result_or_wait(ssize_t result)
{
    return result < 0 && errno == EAGAIN ? ROTA_ATTEMPT_WAIT : result_of(result);
}

static short ready_events(int fd, uint32_t events)
{
    struct pollfd question = {.fd = fd, .events = (short)events};
    return poll(&question, 1, 0) > 0 ? question.revents : 0;
}

bool rota_attempt_is_storage(int fd)
{
    struct stat stat;
    return fstat(fd, &stat) == 0 && !S_ISCHR(stat.st_mode) && !S_ISFIFO(stat.st_mode) &&
           !S_ISSOCK(stat.st_mode) && (stat.st_mode & S_IFMT) != 0;
}

static bool is_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && flags & O_NONBLOCK;
}

/* --- read and write ----------------------------------------------------------------------- */

typedef struct pieces {
    struct iovec one;
    const struct iovec *vector;
    int count;
} pieces_t;

static bool is_vector(const rota_op_t *op)
{
    return op->kind == ROTA_OP_READV || op->kind == ROTA_OP_WRITEV;
}

static bool reads(const rota_op_t *op)
{
    return op->kind == ROTA_OP_READ || op->kind == ROTA_OP_READV;
}

static const pieces_t *pieces_of(const rota_op_t *op, pieces_t *pieces)
{
    if (is_vector(op)) {
        *pieces = (pieces_t){.vector = op->memory, .count = (int)op->length};
    } else {
        *pieces = (pieces_t){.one = {op->memory, op->length}, .count = 1};
        pieces->vector = &pieces->one;
    }
    return pieces;
}

static ssize_t transfer(const rota_op_t *op, int fd, const pieces_t *pieces, int flags)
{
    off_t offset = op->offset == UINT64_MAX ? ANY_POSITION : (off_t)op->offset;
    ssize_t result;
    do {
        result = reads(op) ? rota_sys_preadv2(fd, pieces->vector, pieces->count, offset, flags)
                           : rota_sys_pwritev2(fd, pieces->vector, pieces->count, offset, flags);
    } while (result < 0 && errno == EINTR);
    return result;
}

/* A pipe that is writable takes PIPE_BUF bytes at once; of more, a blocking one would wait. */
static void cut_for_pipe(pieces_t *pieces)
{
    if (pieces->vector != &pieces->one) pieces->one = pieces->vector[0];
    if (pieces->one.iov_len > PIPE_BUF) pieces->one.iov_len = PIPE_BUF;
    pieces->vector = &pieces->one;
    pieces->count = 1;
}

/* Files that know no RWF_NOWAIT (inotify, older kernels' pipes and terminals): what is ready can be
 * asked without it. */
static int32_t transfer_when_ready(const rota_op_t *op, pieces_t *pieces)
{
    if (!ready_events(op->fd, rota_attempt_events(op))) return ROTA_ATTEMPT_WAIT;
    if (!reads(op) && !is_nonblocking(op->fd)) cut_for_pipe(pieces);
    return result_or_wait(transfer(op, op->fd, pieces, 0));
}

/* A terminal takes RWF_NOWAIT and blocks all the same, when nobody reads its other end. */
static int32_t transfer_to_terminal(const rota_op_t *op)
{
    char path[32];
    unsigned number;
    short ready = ready_events(op->fd, POLLOUT);
    if (ready & POLLNVAL) return -EBADF;
    if (!(ready & POLLOUT)) return ready ? -EIO : ROTA_ATTEMPT_WAIT; /* full, and nobody reads */
    size_t length = op->length < ROTA_TERMINAL_PIECE ? op->length : ROTA_TERMINAL_PIECE;
    bool is_master = ioctl(op->fd, TIOCGPTN, &number) == 0; /* cannot be opened again */
    snprintf(path, sizeof path, "/proc/self/fd/%d", op->fd);
    int again = is_master ? -1 : open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    ssize_t result = write(again < 0 ? op->fd : again, op->memory, length);
    int error = errno;
    if (again >= 0) close(again);
    if (result >= 0) return (int32_t)result;
    return error == EAGAIN || error == EINTR ? ROTA_ATTEMPT_WAIT : -error;
}

int32_t rota_attempt_may_wait(const rota_op_t *op)
{
    if (op->kind < ROTA_OP_READ || op->kind > ROTA_OP_WRITEV) return 0;
    int flags = fcntl(op->fd, F_GETFL);
    if (flags < 0) return -errno;
    int forbidden = reads(op) ? O_WRONLY : O_RDONLY;
    return (flags & O_ACCMODE) == forbidden ? -EBADF : 0;
}

static bool moves_bytes(const rota_op_t *op)
{
    const struct iovec *pieces = op->memory;
    if (!is_vector(op)) return op->length > 0;
    for (uint32_t i = 0; i < op->length; i++)
        if (pieces[i].iov_len > 0) return true;
    return false;
}

static int32_t receive(int fd, void *memory, size_t length, int flags)
{
    ssize_t received;
    do received = rota_sys_recv(fd, memory, length, flags | MSG_DONTWAIT);
    while (received < 0 && errno == EINTR);
    return result_or_wait(received);
}

/* A socket knows MSG_DONTWAIT: it is not asked first. */
static int32_t transfer_by_socket(const rota_op_t *op)
{
    if (reads(op)) return receive(op->fd, op->memory, op->length, 0);
    ssize_t sent;
    do sent = rota_sys_send(op->fd, op->memory, op->length, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return result_or_wait(sent);
}

int32_t rota_attempt_read(const rota_op_t *op)
{
    pieces_t pieces;
    int32_t result;
    if (op->kind == ROTA_OP_RECV || rota_op_goes_by_socket(op)) {
        result = receive(op->descriptor, op->memory, op->length, 0);
    } else {
        assert(op->kind == ROTA_OP_READ);
        result = result_or_wait(transfer(op, op->descriptor, pieces_of(op, &pieces), RWF_NOWAIT));
    }
    return result == -EOPNOTSUPP || result == -ENOTSOCK ? ROTA_ATTEMPT_WAIT : result;
}

/* First the question whether it is ready: some files take RWF_NOWAIT and block all the same. What
 * moves nothing need not be. */
static int32_t attempt_transfer(const rota_op_t *op, bool woken)
{
    pieces_t pieces;
    if (rota_op_is_for_terminal(op)) return transfer_to_terminal(op);
    if (rota_op_goes_by_socket(op)) {
        int32_t moved = transfer_by_socket(op);
        if (moved != -ENOTSOCK) return moved;
    }
    if (op->offset != UINT64_MAX) {
        int32_t result = rota_disk_attempt(op);
        if (result != ROTA_ATTEMPT_BLOCKS) return result;
        if (rota_attempt_is_storage(op->fd)) return ROTA_ATTEMPT_BLOCKS;
    }
    if (!woken && moves_bytes(op) && !ready_events(op->fd, rota_attempt_events(op)))
        return ROTA_ATTEMPT_WAIT;
    ssize_t result = transfer(op, op->fd, pieces_of(op, &pieces), RWF_NOWAIT);
    if (ROTA_LIKELY(result >= 0)) return (int32_t)result;
    if (errno != EAGAIN && errno != EOPNOTSUPP) return -errno;
    bool waits = errno == EAGAIN;
    if (!woken && rota_attempt_is_storage(op->fd)) return ROTA_ATTEMPT_BLOCKS;
    return waits ? ROTA_ATTEMPT_WAIT : transfer_when_ready(op, &pieces);
}

/* --- sockets ------------------------------------------------------------------------------ */

static ssize_t move_bytes(const rota_op_t *op)
{
    uint8_t *memory = (uint8_t *)op->memory + op->result;
    size_t length = op->length - (uint32_t)op->result;
    int flags = (int)(op->request_flags & ~(uint32_t)MSG_WAITALL) | MSG_DONTWAIT;
    return op->kind == ROTA_OP_RECV ? rota_sys_recv(op->fd, memory, length, flags)
                                    : rota_sys_send(op->fd, memory, length, flags);
}

static bool is_stream(int fd)
{
    int type = 0;
    socklen_t size = sizeof type;
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type != SOCK_DGRAM;
}

/* After a transfer that was shorter than asked for: is the rest to be waited for? */
static bool wants_rest(const rota_op_t *op, ssize_t moved)
{
    bool all = op->request_flags & MSG_WAITALL && !(op->request_flags & MSG_PEEK);
    return all && moved > 0 && (uint32_t)op->result < op->length && is_stream(op->fd);
}

static int32_t would_block(const rota_op_t *op)
{
    return op->request_flags & MSG_DONTWAIT ? -EAGAIN : ROTA_ATTEMPT_WAIT;
}

static int32_t attempt_bytes(rota_op_t *op)
{
    for (;;) {
        ssize_t moved = move_bytes(op);
        if (moved < 0 && errno == EINTR) continue;
        if (moved < 0) {
            int32_t failure = errno == EAGAIN ? would_block(op) : -errno;
            return op->result > 0 && failure != ROTA_ATTEMPT_WAIT ? op->result : failure;
        }
        op->result += (int32_t)moved;
        if (!wants_rest(op, moved)) return op->result;
    }
}

static int32_t attempt_message(const rota_op_t *op)
{
    int flags = (int)op->request_flags | MSG_DONTWAIT;
    ssize_t moved;
    do {
        moved = op->kind == ROTA_OP_SENDMSG ? sendmsg(op->fd, op->memory, flags)
                                            : recvmsg(op->fd, op->memory, flags);
    } while (moved < 0 && errno == EINTR);
    return moved < 0 && errno == EAGAIN ? would_block(op) : result_of(moved);
}

/* Asked again, a connect says how the first one went. */
static int32_t attempt_connect(const rota_op_t *op, bool woken)
{
    if (!woken && !is_nonblocking(op->fd)) return ROTA_ATTEMPT_BLOCKS;
    if (connect(op->fd, op->memory, op->length) == 0) return 0;
    if (errno == EISCONN && woken) return 0;
    if (errno == EINPROGRESS || errno == EALREADY || errno == EINTR) return ROTA_ATTEMPT_WAIT;
    return errno == EAGAIN ? ROTA_ATTEMPT_BLOCKS : -errno; /* a UNIX listener's backlog is full */
}

static int32_t check_listener(int fd)
{
    int listens = 0;
    socklen_t size = sizeof listens;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) < 0) return -errno;
    return listens ? ROTA_ATTEMPT_WAIT : -EINVAL;
}

/* There is no flag that keeps an accept from blocking, and readiness does not tell: others may
 * share the socket, and take the connection first. So of a listening socket, but of nothing else,
 * O_NONBLOCK is set; it is there but for sockets that were inherited, or that somebody wants
 * otherwise. */
static int32_t keep_from_blocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0) return -errno;
    if (ROTA_LIKELY(flags & O_NONBLOCK)) return 0;
    int32_t status = check_listener(fd);
    if (status != ROTA_ATTEMPT_WAIT) return status;
    return fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : 0;
}

int32_t rota_attempt_accept(const rota_op_t *op)
{
    int32_t status = keep_from_blocking(op->fd);
    if (status < 0) return status;
    int fd = accept4(op->fd, NULL, NULL, (int)op->request_flags);
    if (fd >= 0) return fd;
    return errno == EAGAIN || errno == EINTR || errno == ECONNABORTED ? ROTA_ATTEMPT_WAIT : -errno;
}

int32_t rota_attempt_receive(const rota_op_t *op, void *memory, uint32_t room)
{
    return receive(op->fd, memory, room, (int)op->request_flags);
}

int32_t rota_attempt_multishot(const rota_op_t *op)
{
    uint8_t byte;
    if (op->kind == ROTA_OP_ACCEPT_MULTI) return check_listener(op->fd);
    ssize_t there = recv(op->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    bool waits = there >= 0 || errno == EAGAIN || errno == EINTR;
    return waits ? ROTA_ATTEMPT_WAIT : -errno;
}

/* --- splice and tee ------------------------------------------------------------------------ */

/* Which of both ends are ready. */
static void look_at_ends(const rota_op_t *op, struct pollfd ends[2])
{
    ends[0] = (struct pollfd){.fd = (int)op->request_flags, .events = POLLIN};
    ends[1] = (struct pollfd){.fd = op->fd, .events = POLLOUT};
    (void)poll(ends, 2, 0);
}

/* What a socket takes at once when it was reported writable; of more, a blocking one would wait,
 * because SPLICE_F_NONBLOCK is for the pipe alone. */
static size_t length_for(const rota_op_t *op)
{
    struct stat stat;
    if (op->length <= PIPE_BUF || is_nonblocking(op->fd)) return op->length;
    return fstat(op->fd, &stat) == 0 && S_ISSOCK(stat.st_mode) ? PIPE_BUF : op->length;
}

static bool is_pipe(int fd)
{
    struct stat stat;
    return fstat(fd, &stat) == 0 && S_ISFIFO(stat.st_mode);
}

/* One end is not ready: -EAGAIN, unless it would fail however long it waits. */
static int32_t wait_or_refuse(const rota_op_t *op)
{
    int source = (int)op->request_flags;
    int from = fcntl(source, F_GETFL), to = fcntl(op->fd, F_GETFL);
    if (from < 0 || to < 0) return -EBADF;
    if ((from & O_ACCMODE) == O_WRONLY || (to & O_ACCMODE) == O_RDONLY) return -EBADF;
    int pipes = is_pipe(source) + is_pipe(op->fd);
    return pipes < (op->kind == ROTA_OP_TEE ? 2 : 1) ? -EINVAL : -EAGAIN;
}

int32_t rota_attempt_splice(const rota_op_t *op)
{
    struct pollfd ends[2];
    int source = (int)op->request_flags;
    off64_t offset = (off64_t)op->offset;
    look_at_ends(op, ends);
    if (!ends[0].revents || !ends[1].revents) return wait_or_refuse(op);
    ssize_t moved;
    do {
        moved = op->kind == ROTA_OP_TEE ? tee(source, op->fd, op->length, SPLICE_F_NONBLOCK)
                                        : splice(source, op->offset == UINT64_MAX ? NULL : &offset,
                                                 op->fd, NULL, length_for(op), SPLICE_F_NONBLOCK);
    } while (moved < 0 && errno == EINTR);
    return result_of(moved);
}

int rota_attempt_unready_end(const rota_op_t *op, uint32_t *events)
{
    struct pollfd ends[2];
    look_at_ends(op, ends);
    int end = ends[0].revents ? 1 : 0;
    *events = (uint32_t)ends[end].events;
    return ends[end].fd;
}

/* Storage may block, so a helper does it. */
static int32_t attempt_between(const rota_op_t *op)
{
    bool blocks =
        rota_attempt_is_storage(op->fd) || rota_attempt_is_storage((int)op->request_flags);
    return blocks ? ROTA_ATTEMPT_BLOCKS : rota_attempt_splice(op);
}

/* --- all of them -------------------------------------------------------------------------- */

static int32_t attempt_poll(const rota_op_t *op)
{
    short ready = ready_events(op->fd, op->request_flags);
    if (ready & POLLNVAL) return -EBADF;
    return ready ? ready : ROTA_ATTEMPT_WAIT;
}

int32_t rota_attempt(rota_op_t *op, bool woken)
{
    switch ((rota_op_kind_t)op->kind) {
    case ROTA_OP_READ:
    case ROTA_OP_WRITE:
    case ROTA_OP_READV:
    case ROTA_OP_WRITEV: return attempt_transfer(op, woken);
    case ROTA_OP_RECV:
    case ROTA_OP_SEND:
    case ROTA_OP_SEND_ZERO_COPY: return attempt_bytes(op);
    case ROTA_OP_RECVMSG:
    case ROTA_OP_SENDMSG: return attempt_message(op);
    case ROTA_OP_ACCEPT: return rota_attempt_accept(op);
    case ROTA_OP_CONNECT: return attempt_connect(op, woken);
    case ROTA_OP_POLL: return attempt_poll(op);
    case ROTA_OP_FSYNC:
    case ROTA_OP_FALLOCATE:
    case ROTA_OP_FTRUNCATE:
    case ROTA_OP_FADVISE:
    case ROTA_OP_OPENAT:
    case ROTA_OP_STATX:
    case ROTA_OP_RENAMEAT:
    case ROTA_OP_LINKAT:
    case ROTA_OP_SYMLINKAT:
    case ROTA_OP_UNLINKAT:
    case ROTA_OP_MKDIRAT:
    case ROTA_OP_GETXATTR:
    case ROTA_OP_SETXATTR: return rota_disk_attempt(op);
    case ROTA_OP_SPLICE:
    case ROTA_OP_TEE: return attempt_between(op);
    case ROTA_OP_NOP: return 0;
    case ROTA_OP_CLOSE:
    case ROTA_OP_WAITID:
    case ROTA_OP_RECV_MULTI:
    case ROTA_OP_ACCEPT_MULTI:
    case ROTA_OP_KINDS: break;
    }
    assert(false && "not a kind that is attempted");
    return -EINVAL;
}

uint32_t rota_attempt_events(const rota_op_t *op)
{
    switch ((rota_op_kind_t)op->kind) {
    case ROTA_OP_POLL: return (op->request_flags & 0xffff) | POLLERR | POLLHUP; /* as poll(2) */
    case ROTA_OP_WRITE:
    case ROTA_OP_WRITEV:
    case ROTA_OP_SEND:
    case ROTA_OP_SENDMSG:
    case ROTA_OP_SPLICE:
    case ROTA_OP_TEE:
    case ROTA_OP_SEND_ZERO_COPY:
    case ROTA_OP_CONNECT: return POLLOUT;
    case ROTA_OP_RECVMSG: return op->request_flags & MSG_ERRQUEUE ? POLLERR : POLLIN;
    case ROTA_OP_CLOSE:
    case ROTA_OP_NOP: return 0;
    default: return rota_disk_serves(op) ? 0 : POLLIN;
    }
}

int32_t rota_attempt_blocking(const rota_op_t *op)
{
    pieces_t pieces;
    int result;
    if (rota_disk_serves(op)) return rota_disk_perform(op);
    switch ((rota_op_kind_t)op->kind) {
    case ROTA_OP_CONNECT: result = connect(op->fd, op->memory, op->length); break;
    case ROTA_OP_CLOSE: result = close(op->fd); break;
    case ROTA_OP_SPLICE:
    case ROTA_OP_TEE: return rota_attempt_splice(op);
    default: return result_of(transfer(op, op->fd, pieces_of(op, &pieces), 0));
    }
    return result_of(result);
}
