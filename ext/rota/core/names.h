/* What the kinds with paths and attributes name. The struct, and all that it points to but `value`,
 * is one piece of memory from malloc, which lives until the op is DONE: its payload, or that of who
 * awaits it.
 *
 *   kind         path (in the op's directory `fd`)   other                      more
 *   OPENAT       what to open                        -
 *   STATX        "" with AT_EMPTY_PATH: `fd` itself  -                          stat
 *   RENAMEAT     the old name                        the new name               other_directory
 *   LINKAT       the file                            the new name               other_directory
 *   SYMLINKAT    the new name                        what it shall point to
 *   UNLINKAT, MKDIRAT                                -
 *   GETXATTR, SETXATTR NULL: `fd` itself             the attribute's name       value
 *
 * A directory is a descriptor or AT_FDCWD. It is looked up by its number when the request is made,
 * which may be later than the submission: whoever names one keeps it open until the op is DONE. */
#ifndef ROTA_NAMES_H
#define ROTA_NAMES_H

#include "op.h"

#include <fcntl.h>
#include <sys/stat.h>

typedef struct rota_names {
    const char *path;
    const char *other;
    int32_t other_directory;
    uint8_t *value; /* op->length bytes of the caller's, lent as those of a READ or WRITE are */
    struct statx stat;
} rota_names_t;

static inline bool rota_op_has_names(const rota_op_t *op)
{
    return op->kind >= ROTA_OP_OPENAT && op->kind <= ROTA_OP_SETXATTR;
}

#endif
