#include "disk.h"

#include "attempt.h"
#include "names.h"
#include "syscall.h"

#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

static int32_t result_of(ssize_t result)
{
    return result < 0 ? -errno : (int32_t)result;
}

static const rota_names_t *names_of(const rota_op_t *op)
{
    assert(rota_op_has_names(op));
    return op->memory;
}

/* --- transfers ---------------------------------------------------------------------------- */

static bool reads(const rota_op_t *op)
{
    return op->kind == ROTA_OP_READ || op->kind == ROTA_OP_READV;
}

static ssize_t transfer(const rota_op_t *op, size_t skip, int flags)
{
    struct iovec one = {(uint8_t *)op->memory + skip, op->length - skip};
    bool vector = op->kind == ROTA_OP_READV || op->kind == ROTA_OP_WRITEV;
    const struct iovec *pieces = vector ? op->memory : &one;
    int count = vector ? (int)op->length : 1;
    off_t position = (off_t)(op->offset + skip);
    return reads(op) ? rota_sys_preadv2(op->fd, pieces, count, position, flags)
                     : rota_sys_pwritev2(op->fd, pieces, count, position, flags);
}

static size_t length_of(const rota_op_t *op)
{
    size_t total = 0;
    const struct iovec *pieces = op->memory;
    if (op->kind == ROTA_OP_READ || op->kind == ROTA_OP_WRITE) return op->length;
    for (uint32_t i = 0; i < op->length; i++) total += pieces[i].iov_len;
    return total;
}

/* File systems that do not know RWF_NOWAIT. */
static bool lies_in_memory(int fd)
{
    struct statfs found;
    return fstatfs(fd, &found) == 0 && (found.f_type == TMPFS_MAGIC || found.f_type == RAMFS_MAGIC);
}

/* Those that do not know it for writing: their page cache takes a little at once. */
static bool takes_writes(int fd)
{
    struct statfs found;
    return fstatfs(fd, &found) == 0 &&
           (found.f_type == EXT4_SUPER_MAGIC || found.f_type == TMPFS_MAGIC ||
            found.f_type == RAMFS_MAGIC || found.f_type == OVERLAYFS_SUPER_MAGIC);
}

/* Fewer bytes than were asked for are all there are, or all that the page cache holds of them. */
static int32_t end_of_short_read(const rota_op_t *op, ssize_t got)
{
    bool whole = (size_t)got == length_of(op);
    if (whole || got == 0) return (int32_t)got;
    if (op->kind == ROTA_OP_READV) return ROTA_ATTEMPT_BLOCKS;
    return transfer(op, (size_t)got, RWF_NOWAIT) == 0 ? (int32_t)got : ROTA_ATTEMPT_BLOCKS;
}

static int32_t read_at_once(const rota_op_t *op)
{
    ssize_t got = transfer(op, 0, RWF_NOWAIT);
    if (ROTA_LIKELY(got >= 0)) return end_of_short_read(op, got);
    if (errno == EOPNOTSUPP && lies_in_memory(op->fd)) return result_of(transfer(op, 0, 0));
    return errno == EAGAIN || errno == EOPNOTSUPP || errno == EINTR ? ROTA_ATTEMPT_BLOCKS : -errno;
}

static int32_t write_at_once(const rota_op_t *op)
{
    if (length_of(op) <= ROTA_DISK_LITTLE && takes_writes(op->fd))
        return result_of(transfer(op, 0, 0));
    ssize_t written = transfer(op, 0, RWF_NOWAIT);
    if (written >= 0) return (int32_t)written;
    return errno == EAGAIN || errno == EOPNOTSUPP || errno == EINTR ? ROTA_ATTEMPT_BLOCKS : -errno;
}

/* What goes past the page cache, or has to reach the disk, waits for it even if asked not to. */
static int32_t attempt_transfer(const rota_op_t *op)
{
    int flags = fcntl(op->fd, F_GETFL);
    if (flags < 0) return -errno;
    if (flags & O_DIRECT || (!reads(op) && flags & O_DSYNC)) return ROTA_ATTEMPT_BLOCKS;
    return reads(op) ? read_at_once(op) : write_at_once(op);
}

int32_t rota_disk_read_ahead(int fd, void *memory, uint32_t length)
{
    struct iovec piece = {memory, length};
    ssize_t got = rota_sys_preadv2(fd, &piece, 1, -1, RWF_NOWAIT);
    if (got < 0 && errno == EOPNOTSUPP && lies_in_memory(fd)) got = read(fd, memory, length);
    return got < 0 ? ROTA_ATTEMPT_BLOCKS : (int32_t)got;
}

int32_t rota_disk_write(int fd, const void *memory, size_t length)
{
    rota_op_t op = {.kind = ROTA_OP_WRITE,
                    .fd = fd,
                    .memory = (void *)(uintptr_t)memory,
                    .length = length > INT32_MAX ? INT32_MAX : (uint32_t)length,
                    .offset = UINT64_MAX};
    return attempt_transfer(&op);
}

/* --- opening ------------------------------------------------------------------------------ */

static int open_by(const rota_op_t *op, uint32_t flags, uint64_t resolve)
{
    bool creates = flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE;
    struct open_how how = {
        .flags = flags, .mode = creates ? op->length & 07777 : 0, .resolve = resolve};
    return (int)syscall(SYS_openat2, op->fd, names_of(op)->path, &how, sizeof how);
}

/* A regular file that keeps blocks of a disk. They are freed with its last name, or when it is cut.
 */
static bool keeps_blocks(int directory, const char *path, int flags, struct statx *found)
{
    flags |= AT_STATX_DONT_SYNC;
    return statx(directory, path, flags, STATX_TYPE | STATX_NLINK | STATX_BLOCKS, found) == 0 &&
           S_ISREG(found->stx_mode) && found->stx_blocks > 0;
}

/* A name that is not cached waits for a disk. With O_CREAT that cannot be asked; then the call is
 * made all the same, because a worker costs several times as much as what a new name does. */
static int32_t attempt_open(const rota_op_t *op)
{
    struct statx found;
    uint32_t flags = op->request_flags;
    bool makes = flags & (O_CREAT | O_TRUNC) || (flags & O_TMPFILE) == O_TMPFILE;
    bool cuts = flags & O_TRUNC && keeps_blocks(op->fd, names_of(op)->path, 0, &found);
    if (cuts) return ROTA_ATTEMPT_BLOCKS;
    int fd = open_by(op, flags, makes ? 0 : RESOLVE_CACHED);
    if (fd >= 0) return fd;
    /* no openat2, an answer that needs a disk, or one that open(2) itself shall give */
    bool unclear = errno == EAGAIN || errno == ENOSYS || errno == EPERM || errno == EINVAL ||
                   errno == E2BIG || errno == EINTR;
    return unclear ? ROTA_ATTEMPT_BLOCKS : -errno;
}

/* --- names -------------------------------------------------------------------------------- */

static bool is_last_name(int directory, const char *path)
{
    struct statx found;
    return keeps_blocks(directory, path, AT_SYMLINK_NOFOLLOW, &found) && found.stx_nlink < 2;
}

static bool frees_blocks(const rota_op_t *op)
{
    const rota_names_t *names = op->memory;
    switch ((rota_op_kind_t)op->kind) {
    case ROTA_OP_UNLINKAT: return is_last_name(op->fd, names->path);
    case ROTA_OP_RENAMEAT: return is_last_name(names->other_directory, names->other);
    default: return false;
    }
}

/* The kernel's own distinction: others read, or drop pages. */
static bool only_notes(const rota_op_t *op)
{
    return op->request_flags == POSIX_FADV_NORMAL || op->request_flags == POSIX_FADV_RANDOM ||
           op->request_flags == POSIX_FADV_SEQUENTIAL;
}

ROTA_APART int32_t rota_disk_attempt(const rota_op_t *op)
{
    switch ((rota_op_kind_t)op->kind) {
    case ROTA_OP_READ:
    case ROTA_OP_WRITE:
    case ROTA_OP_READV:
    case ROTA_OP_WRITEV: return attempt_transfer(op);
    case ROTA_OP_OPENAT: return attempt_open(op);
    case ROTA_OP_FSYNC:
    case ROTA_OP_FALLOCATE:
    case ROTA_OP_FTRUNCATE: return ROTA_ATTEMPT_BLOCKS;
    case ROTA_OP_FADVISE: return only_notes(op) ? rota_disk_perform(op) : ROTA_ATTEMPT_BLOCKS;
    default: return frees_blocks(op) ? ROTA_ATTEMPT_BLOCKS : rota_disk_perform(op);
    }
}

/* --- calls that may block ----------------------------------------------------------------- */

static int perform_open(const rota_op_t *op)
{
    return openat(op->fd, names_of(op)->path, (int)op->request_flags, op->length);
}

static int perform_statx(const rota_op_t *op)
{
    rota_names_t *names = op->memory;
    return statx(op->fd, names->path, (int)op->request_flags, op->length, &names->stat);
}

static ssize_t perform_xattr(const rota_op_t *op)
{
    const rota_names_t *names = names_of(op);
    size_t length = op->length;
    int flags = (int)op->request_flags;
    if (op->kind == ROTA_OP_GETXATTR) {
        return names->path ? getxattr(names->path, names->other, names->value, length)
                           : fgetxattr(op->fd, names->other, names->value, length);
    }
    return names->path ? setxattr(names->path, names->other, names->value, length, flags)
                       : fsetxattr(op->fd, names->other, names->value, length, flags);
}

static ssize_t perform_named(const rota_op_t *op)
{
    const rota_names_t *names = names_of(op);
    switch ((rota_op_kind_t)op->kind) {
    case ROTA_OP_OPENAT: return perform_open(op);
    case ROTA_OP_STATX: return perform_statx(op);
    case ROTA_OP_RENAMEAT:
        return syscall(SYS_renameat2, op->fd, names->path, names->other_directory, names->other,
                       op->request_flags);
    case ROTA_OP_LINKAT:
        return linkat(op->fd, names->path, names->other_directory, names->other,
                      (int)op->request_flags);
    case ROTA_OP_SYMLINKAT: return symlinkat(names->other, op->fd, names->path);
    case ROTA_OP_UNLINKAT: return unlinkat(op->fd, names->path, (int)op->request_flags);
    case ROTA_OP_MKDIRAT: return mkdirat(op->fd, names->path, op->length);
    default: return perform_xattr(op);
    }
}

static int perform_on_descriptor(const rota_op_t *op)
{
    switch ((rota_op_kind_t)op->kind) {
    case ROTA_OP_FSYNC: return op->request_flags ? fdatasync(op->fd) : fsync(op->fd);
    case ROTA_OP_FTRUNCATE: return ftruncate(op->fd, (off_t)op->offset);
    case ROTA_OP_FALLOCATE:
        return fallocate(op->fd, (int)op->request_flags, (off_t)op->offset, (off_t)op->extent);
    default:
        assert(op->kind == ROTA_OP_FADVISE);
        /* this one gives its error as its result */
        errno = posix_fadvise(op->fd, (off_t)op->offset, (off_t)op->extent, (int)op->request_flags);
        return errno ? -1 : 0;
    }
}

int32_t rota_disk_perform(const rota_op_t *op)
{
    ssize_t result;
    do {
        errno = 0;
        result = rota_op_has_names(op) ? perform_named(op) : perform_on_descriptor(op);
    } while (result < 0 && errno == EINTR);
    return result_of(result);
}
