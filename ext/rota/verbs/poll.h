/* Loop#poll and #wait. */
#ifndef ROTA_POLL_H
#define ROTA_POLL_H

#include "runtime/shim.h"

/* poll(2)'s bits that are ready now, perhaps none; or -errno. A request that is cancelled at once
 * may never be looked at, so who has no time left asks so. */
int32_t rota_ready_now(int fd, uint32_t events);

void rota_init_poll(VALUE loop_class);

#endif
