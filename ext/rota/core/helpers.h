/* A few threads for what cannot be done without blocking: file operations that the page cache does
 * not answer. The threads know jobs, not ops: what a job reads is copied into it, and its result is
 * taken by the owner, so that nothing of an engine is ever touched by two threads.
 *
 * A job is queued, running or done; the owner may touch it before it is submitted and after
 * rota_helpers_collect handed it back. Only `cancelled` is for both. */
#ifndef ROTA_HELPERS_H
#define ROTA_HELPERS_H

#include "list.h"
#include "wake.h"

#include <pthread.h>

#ifdef ROTA_HOSTILE
enum { ROTA_HELPERS_MAX = 1 };
#else
enum { ROTA_HELPERS_MAX = 8 };
#endif

typedef struct rota_job rota_job_t;

struct rota_job {
    rota_list_t link;
    int32_t (*run)(const rota_job_t *job); /* on a helper; result or -errno */
    int32_t result;
    bool queued;           /* guarded by the lock */
    atomic_bool cancelled; /* nobody waits for it any more: a job that repeats itself stops */
};

typedef struct rota_helpers {
    pthread_mutex_t lock; /* guards all up to `quit` */
    pthread_cond_t work;
    rota_list_t queued, done; /* rota_job_t.link */
    uint32_t queued_count;
    uint32_t idle; /* threads that wait for work, or were just woken for it */
    bool quit;
    uint32_t threads; /* the owner's */
    pthread_t thread[ROTA_HELPERS_MAX];
    atomic_uint done_count;
    rota_wake_t wake; /* of the owner, when a job is done */
} rota_helpers_t;

/* No thread is started before the first job. 0 or -errno. */
int rota_helpers_open(rota_helpers_t *helpers);

/* Joins the threads: no job may be queued or running. */
void rota_helpers_close(rota_helpers_t *helpers);

/* The job runs as soon as a thread is free. 0, or -errno when there is no thread and none can be
 * made. */
int rota_helpers_submit(rota_helpers_t *helpers, rota_job_t *job);

/* Takes a job that did not begin off the queue. False: it runs or is done. */
bool rota_helpers_withdraw(rota_helpers_t *helpers, rota_job_t *job);

/* Are there jobs to collect? Costs no system call and no lock. */
static inline bool rota_helpers_ready(const rota_helpers_t *helpers)
{
    return atomic_load(&helpers->done_count) > 0;
}

/* Moves the jobs that are done to `list`, in the order in which they ended. */
void rota_helpers_collect(rota_helpers_t *helpers, rota_list_t *list);

#endif
