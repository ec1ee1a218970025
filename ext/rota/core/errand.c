#include "errand.h"

#include "attempt.h"

#include <fcntl.h>
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

/* A helper comes to it later, and the number may be another file's by then: it gets one that nobody
 * else knows. A link has one already. Without a free one it has that of the io. */
static int duplicate_of(const rota_op_t *op)
{
    bool known = op->descriptor >= 0 && op->fd == op->descriptor;
    return known ? fcntl(op->fd, F_DUPFD_CLOEXEC, 0) : -1;
}

rota_errand_t *rota_errand_new(rota_op_t *op)
{
    rota_errand_t *errand = aligned_alloc(_Alignof(rota_errand_t), sizeof *errand);
    if (!errand) return NULL;
    *errand =
        (rota_errand_t){.request = *op, .job.run = run, .op = op, .duplicate = duplicate_of(op)};
    if (errand->duplicate >= 0) errand->request.fd = errand->duplicate;
    return errand;
}

void rota_errand_free(rota_errand_t *errand)
{
    if (errand->duplicate >= 0) close(errand->duplicate);
    free(errand);
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
