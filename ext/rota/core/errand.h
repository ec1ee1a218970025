/* An op as a job for a helper: a copy of the request, and the way back to the op. */
#ifndef ROTA_ERRAND_H
#define ROTA_ERRAND_H

#include "helpers.h"
#include "op.h"

typedef struct rota_errand {
    rota_op_t request; /* a copy: the helper never sees the op itself */
    rota_job_t job;
    rota_op_t *op; /* the owner's */
    int duplicate; /* of its number, which the request names; -1: none */
} rota_errand_t;

/* NULL when memory is out. */
rota_errand_t *rota_errand_new(rota_op_t *op);
void rota_errand_free(rota_errand_t *errand);

static inline rota_errand_t *rota_errand_of(rota_list_t *link)
{
    return ROTA_CONTAINER_OF(link, rota_errand_t, job.link);
}

/* The op was cancelled while a helper has it: makes an end of what would last. */
void rota_errand_stop(rota_errand_t *errand);

/* What the op is told. */
int32_t rota_errand_result(const rota_errand_t *errand);

#endif
