/* Loop#accept and #accept_each. */
#ifndef ROTA_ACCEPT_H
#define ROTA_ACCEPT_H

#include "runtime/loop.h"

/* What wraps an accepted descriptor when the listener was given as an object: the stream layer's
 * constructor, which this layer cannot know. Owns `fd` from the call on, also when it raises. */
extern VALUE (*rota_accept_wrap)(rota_loop_t *loop, int fd);

void rota_init_accept(VALUE loop_class);

#endif
