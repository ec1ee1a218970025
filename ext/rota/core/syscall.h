/* Calls on the way of every message, by their numbers. Those of the C library are cancellation
 * points: with a second thread in the process, and Ruby has one, each executes two locked
 * instructions more and runs a tenth to a twentieth longer for it. Nobody cancels a thread of
 * Ruby's. Results and errno are the library's. */
#ifndef ROTA_SYSCALL_H
#define ROTA_SYSCALL_H

#include "base.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

/* The position goes in two words, of which only 32-bit systems look at the second. */
static inline ssize_t rota_sys_preadv2(int fd, const struct iovec *pieces, int count,
                                       off_t position, int flags)
{
    long high = (long)((uint64_t)position >> 32);
    ssize_t result = syscall(SYS_preadv2, fd, pieces, count, (long)position, high, flags);
    if (ROTA_LIKELY(result >= 0 || errno != ENOSYS)) return result;
    return preadv2(fd, pieces, count, position, flags); /* a filter: the library has an answer */
}

static inline ssize_t rota_sys_pwritev2(int fd, const struct iovec *pieces, int count,
                                        off_t position, int flags)
{
    long high = (long)((uint64_t)position >> 32);
    ssize_t result = syscall(SYS_pwritev2, fd, pieces, count, (long)position, high, flags);
    if (ROTA_LIKELY(result >= 0 || errno != ENOSYS)) return result;
    return pwritev2(fd, pieces, count, position, flags);
}

/* Where all calls of sockets are one (s390x, old 32-bit kernels) the library knows how. */
static inline ssize_t rota_sys_recv(int fd, void *memory, size_t length, int flags)
{
#ifdef SYS_recvfrom
    return syscall(SYS_recvfrom, fd, memory, length, flags, NULL, NULL);
#else
    return recv(fd, memory, length, flags);
#endif
}

static inline ssize_t rota_sys_send(int fd, const void *memory, size_t length, int flags)
{
#ifdef SYS_sendto
    return syscall(SYS_sendto, fd, memory, length, flags, NULL, 0);
#else
    return send(fd, memory, length, flags);
#endif
}

#endif
