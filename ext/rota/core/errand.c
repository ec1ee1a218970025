#include "errand.h"

#include "attempt.h"

#include <sys/socket.h>
#include <unistd.h>

/* Nothing tells when a UNIX listener's backlog has room again. */
enum { CONNECT_AGAIN_US = 2000 };

static int32_t run(const rota_job_t *job)
{
    const rota_errand_t *errand = ROTA_CONTAINER_OF(job, const rota_errand_t, job);
    for (;;) {
        int32_t result = rota_attempt_blocking(&errand->request);
        bool again = result == -EAGAIN && errand->request.kind == ROTA_OP_CONNECT;
        if (!again || atomic_load(&errand->job.cancelled)) return result;
        usleep(CONNECT_AGAIN_US);
    }
}

rota_errand_t *rota_errand_new(rota_op_t *op)
{
    rota_errand_t *errand = aligned_alloc(_Alignof(rota_errand_t), sizeof *errand);
    if (!errand) return NULL;
    *errand = (rota_errand_t){.request = *op, .job.run = run, .op = op};
    return errand;
}

void rota_errand_stop(rota_errand_t *errand)
{
    atomic_store(&errand->job.cancelled, true);
    if (errand->request.kind == ROTA_OP_CONNECT) shutdown(errand->request.fd, SHUT_RDWR);
}

int32_t rota_errand_result(const rota_errand_t *errand)
{
    bool stopped = atomic_load(&errand->job.cancelled) && errand->request.kind == ROTA_OP_CONNECT;
    return stopped && errand->job.result < 0 ? -ECANCELED : errand->job.result;
}
