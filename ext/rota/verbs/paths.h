/* Verbs that name files by their paths: Loop#statx, #rename, #link, #symlink, #unlink, #mkdir,
 * #getxattr, #setxattr; and the pieces of Loop#open, which is the stream layer's. */
#ifndef ROTA_PATHS_H
#define ROTA_PATHS_H

#include "verbs/call.h"

/* For `take`. The descriptor will be CLOEXEC, and O_NONBLOCK: a FIFO or a device is not waited for.
 * `directory`: nil or Qundef, a Dir or an io. */
void rota_paths_take_open(rota_call_t *call, VALUE path, VALUE directory, int flags,
                          unsigned rights);

bool rota_paths_begin(rota_call_t *call);

/* Between begin and release: where the path begins, under a number that nobody else knows. */
int rota_paths_directory(const rota_call_t *call);

void rota_paths_fill(rota_call_t *call, rota_op_t *op);

/* For `finish` and `drop`: frees all but the result. */
void rota_paths_release(rota_call_t *call);

/* Raises a negative result, with the verb and the path in the message. */
RBIMPL_ATTR_NORETURN()
void rota_paths_raise(const rota_call_t *call);

void rota_init_paths(VALUE module, VALUE loop_class);

#endif
