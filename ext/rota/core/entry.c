#include "entry.h"

#include "compat.h"
#include "names.h"

#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <sys/socket.h>

static void fill_recv_multi(struct io_uring_sqe *sqe, const rota_op_t *op,
                            const rota_entry_style_t *style)
{
    if (style->multishot_recv) {
        io_uring_prep_recv_multishot(sqe, op->fd, NULL, 0, (int)op->request_flags);
    } else {
        io_uring_prep_recv(sqe, op->fd, NULL, style->buffer_size, (int)op->request_flags);
    }
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = style->buffer_group;
}

static void fill_accept_multi(struct io_uring_sqe *sqe, const rota_op_t *op,
                              const rota_entry_style_t *style)
{
    if (style->multishot_accept) {
        io_uring_prep_multishot_accept(sqe, op->fd, NULL, NULL, (int)op->request_flags);
    } else {
        io_uring_prep_accept(sqe, op->fd, NULL, NULL, (int)op->request_flags);
    }
}

static void fill_poll_before(struct io_uring_sqe *sqe, const rota_op_t *op)
{
    bool reads = op->kind == ROTA_OP_READ || op->kind == ROTA_OP_READV;
    io_uring_prep_poll_add(sqe, op->fd, reads ? POLLIN : POLLOUT);
}

static void fill_xattr(struct io_uring_sqe *sqe, const rota_op_t *op)
{
    const rota_names_t *names = op->memory;
    char *value = (char *)names->value;
    int flags = (int)op->request_flags;
    uint32_t length = op->length;
    if (op->kind == ROTA_OP_GETXATTR && names->path)
        io_uring_prep_getxattr(sqe, names->other, value, names->path, length);
    else if (op->kind == ROTA_OP_GETXATTR)
        io_uring_prep_fgetxattr(sqe, op->fd, names->other, value, length);
    else if (names->path)
        io_uring_prep_setxattr(sqe, names->other, value, names->path, flags, length);
    else
        io_uring_prep_fsetxattr(sqe, op->fd, names->other, value, flags, length);
}

static void fill_named(struct io_uring_sqe *sqe, const rota_op_t *op)
{
    rota_names_t *names = op->memory;
    const char *path = names->path, *other = names->other;
    int fd = op->fd, flags = (int)op->request_flags, to = names->other_directory;
    switch ((rota_op_kind_t)op->kind) {
    case ROTA_OP_OPENAT: io_uring_prep_openat(sqe, fd, path, flags, op->length); break;
    case ROTA_OP_STATX: io_uring_prep_statx(sqe, fd, path, flags, op->length, &names->stat); break;
    case ROTA_OP_RENAMEAT:
        io_uring_prep_renameat(sqe, fd, path, to, other, op->request_flags);
        break;
    case ROTA_OP_LINKAT: io_uring_prep_linkat(sqe, fd, path, to, other, flags); break;
    case ROTA_OP_SYMLINKAT: io_uring_prep_symlinkat(sqe, other, fd, path); break;
    case ROTA_OP_UNLINKAT: io_uring_prep_unlinkat(sqe, fd, path, flags); break;
    case ROTA_OP_MKDIRAT: io_uring_prep_mkdirat(sqe, fd, path, op->length); break;
    default: fill_xattr(sqe, op); break;
    }
}

/* A socket's way is shorter even than that into a registered buffer. */
static void fill_read(struct io_uring_sqe *sqe, const rota_op_t *op,
                      const rota_entry_style_t *style)
{
    if (rota_op_goes_by_socket(op)) {
        io_uring_prep_recv(sqe, op->fd, op->memory, op->length, 0);
        return;
    }
    int place = rota_buftab_find(&style->buffers, op->memory, op->length);
    if (ROTA_LIKELY(place < 0))
        io_uring_prep_read(sqe, op->fd, op->memory, op->length, op->offset);
    else
        io_uring_prep_read_fixed(sqe, op->fd, op->memory, op->length, op->offset, place);
}

static void fill_write(struct io_uring_sqe *sqe, const rota_op_t *op,
                       const rota_entry_style_t *style)
{
    if (rota_op_goes_by_socket(op)) {
        io_uring_prep_send(sqe, op->fd, op->memory, op->length, MSG_NOSIGNAL);
        return;
    }
    int place = rota_buftab_find(&style->buffers, op->memory, op->length);
    if (ROTA_LIKELY(place < 0))
        io_uring_prep_write(sqe, op->fd, op->memory, op->length, op->offset);
    else
        io_uring_prep_write_fixed(sqe, op->fd, op->memory, op->length, op->offset, place);
}

/* The kernel is deaf to a wake-up by POLLPRI alone. One by urgent data names this band, too. */
static uint32_t poll_mask(const rota_op_t *op)
{
    return op->request_flags & POLLPRI ? op->request_flags | POLLRDBAND : op->request_flags;
}

static void fill_request(struct io_uring_sqe *sqe, const rota_op_t *op,
                         const rota_entry_style_t *style)
{
    int fd = op->fd, flags = (int)op->request_flags;
    switch ((rota_op_kind_t)op->kind) {
    case ROTA_OP_NOP: io_uring_prep_nop(sqe); break;
    case ROTA_OP_READ: fill_read(sqe, op, style); break;
    case ROTA_OP_WRITE: fill_write(sqe, op, style); break;
    case ROTA_OP_READV: io_uring_prep_readv(sqe, fd, op->memory, op->length, op->offset); break;
    case ROTA_OP_WRITEV: io_uring_prep_writev(sqe, fd, op->memory, op->length, op->offset); break;
    case ROTA_OP_RECV: io_uring_prep_recv(sqe, fd, op->memory, op->length, flags); break;
    case ROTA_OP_SEND: io_uring_prep_send(sqe, fd, op->memory, op->length, flags); break;
    case ROTA_OP_SEND_ZERO_COPY:
        io_uring_prep_send_zc(sqe, fd, op->memory, op->length, flags, ROTA_SEND_ZC_REPORT_USAGE);
        break;
    case ROTA_OP_RECVMSG: io_uring_prep_recvmsg(sqe, fd, op->memory, op->request_flags); break;
    case ROTA_OP_SENDMSG: io_uring_prep_sendmsg(sqe, fd, op->memory, op->request_flags); break;
    case ROTA_OP_ACCEPT: io_uring_prep_accept(sqe, fd, NULL, NULL, flags); break;
    case ROTA_OP_CONNECT: io_uring_prep_connect(sqe, fd, op->memory, op->length); break;
    case ROTA_OP_POLL: io_uring_prep_poll_add(sqe, fd, poll_mask(op)); break;
    case ROTA_OP_CLOSE: io_uring_prep_close(sqe, fd); break;
    case ROTA_OP_FSYNC:
        io_uring_prep_fsync(sqe, fd, op->request_flags ? IORING_FSYNC_DATASYNC : 0);
        break;
    case ROTA_OP_FALLOCATE:
        io_uring_prep_fallocate(sqe, fd, flags, (off_t)op->offset, (off_t)op->extent);
        break;
    case ROTA_OP_FTRUNCATE: rota_prep_ftruncate(sqe, fd, op->offset); break;
    case ROTA_OP_FADVISE:
        io_uring_prep_fadvise(sqe, fd, op->offset, (uint32_t)op->extent, flags);
        break;
    case ROTA_OP_OPENAT:
    case ROTA_OP_STATX:
    case ROTA_OP_RENAMEAT:
    case ROTA_OP_LINKAT:
    case ROTA_OP_SYMLINKAT:
    case ROTA_OP_UNLINKAT:
    case ROTA_OP_MKDIRAT:
    case ROTA_OP_GETXATTR:
    case ROTA_OP_SETXATTR: fill_named(sqe, op); break;
    case ROTA_OP_WAITID: rota_prep_waitid(sqe, op->length, fd, op->request_flags); break;
    case ROTA_OP_SPLICE:
        io_uring_prep_splice(sqe, (int)op->request_flags, (int64_t)op->offset, fd, -1, op->length,
                             SPLICE_F_NONBLOCK);
        break;
    case ROTA_OP_TEE:
        io_uring_prep_tee(sqe, (int)op->request_flags, fd, op->length, SPLICE_F_NONBLOCK);
        break;
    case ROTA_OP_RECV_MULTI: fill_recv_multi(sqe, op, style); break;
    case ROTA_OP_ACCEPT_MULTI: fill_accept_multi(sqe, op, style); break;
    case ROTA_OP_KINDS: assert(false && "not a kind"); break;
    }
}

void rota_entry_fill(struct io_uring_sqe *sqe, const rota_op_t *op, const rota_entry_style_t *style)
{
    if (op->flags & ROTA_OPF_POLLING && op->kind != ROTA_OP_POLL) {
        fill_poll_before(sqe, op);
    } else {
        fill_request(sqe, op, style);
    }
    /* One of the kernel's workers makes the call. */
    if (rota_op_is_for_terminal(op)) sqe->flags |= IOSQE_ASYNC;
    if (op->flags & ROTA_OPF_SLOT) sqe->flags |= IOSQE_FIXED_FILE;
    sqe->user_data = rota_op_handle(op);
}

bool rota_entry_rearms(const rota_op_t *op, const rota_entry_style_t *style)
{
    assert(op->kind == ROTA_OP_RECV_MULTI || op->kind == ROTA_OP_ACCEPT_MULTI);
    return op->kind == ROTA_OP_RECV_MULTI ? !style->multishot_recv : !style->multishot_accept;
}
