#include "entry.h"

#include "compat.h"

#include <liburing.h>
#include <poll.h>

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

static void fill_request(struct io_uring_sqe *sqe, const rota_op_t *op,
                         const rota_entry_style_t *style)
{
    int fd = op->fd, flags = (int)op->request_flags;
    switch ((rota_op_kind_t)op->kind) {
    case ROTA_OP_NOP: io_uring_prep_nop(sqe); break;
    case ROTA_OP_READ: io_uring_prep_read(sqe, fd, op->memory, op->length, op->offset); break;
    case ROTA_OP_WRITE: io_uring_prep_write(sqe, fd, op->memory, op->length, op->offset); break;
    case ROTA_OP_READV: io_uring_prep_readv(sqe, fd, op->memory, op->length, op->offset); break;
    case ROTA_OP_WRITEV: io_uring_prep_writev(sqe, fd, op->memory, op->length, op->offset); break;
    case ROTA_OP_RECV: io_uring_prep_recv(sqe, fd, op->memory, op->length, flags); break;
    case ROTA_OP_SEND: io_uring_prep_send(sqe, fd, op->memory, op->length, flags); break;
    case ROTA_OP_RECVMSG: io_uring_prep_recvmsg(sqe, fd, op->memory, op->request_flags); break;
    case ROTA_OP_SENDMSG: io_uring_prep_sendmsg(sqe, fd, op->memory, op->request_flags); break;
    case ROTA_OP_ACCEPT: io_uring_prep_accept(sqe, fd, NULL, NULL, flags); break;
    case ROTA_OP_CONNECT: io_uring_prep_connect(sqe, fd, op->memory, op->length); break;
    case ROTA_OP_POLL: io_uring_prep_poll_add(sqe, fd, op->request_flags); break;
    case ROTA_OP_CLOSE: io_uring_prep_close(sqe, fd); break;
    case ROTA_OP_FSYNC:
        io_uring_prep_fsync(sqe, fd, op->request_flags ? IORING_FSYNC_DATASYNC : 0);
        break;
    case ROTA_OP_WAITID: rota_prep_waitid(sqe, op->length, fd, op->request_flags); break;
    case ROTA_OP_RECV_MULTI: fill_recv_multi(sqe, op, style); break;
    case ROTA_OP_ACCEPT_MULTI: fill_accept_multi(sqe, op, style); break;
    case ROTA_OP_KINDS: assert(false && "not a kind"); break;
    }
}

void rota_entry_fill(struct io_uring_sqe *sqe, const rota_op_t *op, const rota_entry_style_t *style)
{
    if (op->flags & ROTA_OPF_POLLING) {
        fill_poll_before(sqe, op);
    } else {
        fill_request(sqe, op, style);
    }
    /* One of the kernel's workers makes the call. */
    if (op->kind == ROTA_OP_WRITE && op->request_flags) sqe->flags |= IOSQE_ASYNC;
    if (op->flags & ROTA_OPF_SLOT) sqe->flags |= IOSQE_FIXED_FILE;
    sqe->user_data = rota_op_handle(op);
}

bool rota_entry_rearms(const rota_op_t *op, const rota_entry_style_t *style)
{
    assert(op->kind == ROTA_OP_RECV_MULTI || op->kind == ROTA_OP_ACCEPT_MULTI);
    return op->kind == ROTA_OP_RECV_MULTI ? !style->multishot_recv : !style->multishot_accept;
}
