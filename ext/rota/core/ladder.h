/* Making a ring: from the best that the kernel may grant down to the least that is still faster
 * than epoll, and from the size asked for down to what the memory limit allows. */
#ifndef ROTA_LADDER_H
#define ROTA_LADDER_H

#include "probe.h"

struct io_uring;

/* 0, or -errno of the last step. Below the COOP_TASKRUN rung it gives up with -EINVAL. */
int rota_ladder_climb(struct io_uring *ring, uint32_t entries, uint32_t cq_entries,
                      const rota_features_t *features);

/* What refused a ring, and how to allow it: a sentence. */
void rota_ladder_explain(int status, char *why, size_t why_size);

#endif
