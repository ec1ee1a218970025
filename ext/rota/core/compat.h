/* Kernel constants that liburing 2.3's headers lack, under our own names. Enumerators cannot be
 * asked for with #ifdef, and the numbers are the kernel's ABI: they are compiled always and used
 * only when the running kernel says yes. */
#ifndef ROTA_COMPAT_H
#define ROTA_COMPAT_H

#include <liburing.h>
#include <stdint.h>
#include <string.h>

enum {
    ROTA_URING_OP_READ_MULTISHOT = 49,
    ROTA_URING_OP_WAITID = 50,
    ROTA_URING_OP_FUTEX_WAIT = 51,
    ROTA_URING_OP_FIXED_FD_INSTALL = 54,
    ROTA_URING_OP_FTRUNCATE = 55,
    ROTA_URING_OP_BIND = 56,
    ROTA_URING_OP_LISTEN = 57,
    ROTA_URING_SOCKET_SETSOCKOPT = 3,
};

#define ROTA_SEND_ZC_REPORT_USAGE  (1u << 3)  /* io_uring_sqe.ioprio of a SEND_ZC; 6.2 */
#define ROTA_NOTIF_USAGE_ZC_COPIED (1u << 31) /* ... and the result of its notification */
#define ROTA_PBUF_RING_INC         2u         /* io_uring_buf_reg.flags (called pad in 2.3); 6.12 */
#define ROTA_CQE_F_BUF_MORE        (1u << 4)  /* the buffer is not used up; 6.12 */
#define ROTA_FEAT_NO_IOWAIT        (1u << 17) /* io_uring_params.features; 6.15 */
#define ROTA_ENTER_NO_IOWAIT       (1u << 7)  /* io_uring_enter flag; 6.15 */

/* io_uring_prep_waitid, without the siginfo_t; `file_index` is where the kernel reads options. */
static inline void rota_prep_waitid(struct io_uring_sqe *sqe, uint32_t id_type, int id,
                                    uint32_t options)
{
    io_uring_prep_rw(ROTA_URING_OP_WAITID, sqe, id, NULL, id_type, 0);
    sqe->file_index = options;
}

/* io_uring_prep_ftruncate; 6.9 */
static inline void rota_prep_ftruncate(struct io_uring_sqe *sqe, int fd, uint64_t length)
{
    io_uring_prep_rw(ROTA_URING_OP_FTRUNCATE, sqe, fd, NULL, 0, length);
}

/* The same two bytes are called `pad` in liburing 2.3 and `flags` from 2.4 on. */
static inline void rota_buf_reg_set_flags(struct io_uring_buf_reg *registration, uint16_t flags)
{
    _Static_assert(sizeof *registration == 40, "the layout is the kernel's ABI");
    memcpy((char *)registration + 14, &flags, sizeof flags);
}

#endif
