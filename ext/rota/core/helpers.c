#include "helpers.h"

#include <signal.h>

enum { STACK_SIZE = 128 << 10 };

int rota_helpers_open(rota_helpers_t *helpers)
{
    *helpers = (rota_helpers_t){0};
    rota_list_init(&helpers->queued);
    rota_list_init(&helpers->done);
    int status = rota_wake_open(&helpers->wake);
    if (status < 0) return status;
    pthread_mutex_init(&helpers->lock, NULL);
    pthread_cond_init(&helpers->work, NULL);
    return 0;
}

/* Both with the lock held. */
static void enqueue(rota_helpers_t *helpers, rota_job_t *job)
{
    rota_list_init(&job->link);
    rota_list_push_back(&helpers->queued, &job->link);
    helpers->queued_count++;
    job->queued = true;
}

static void unqueue(rota_helpers_t *helpers, rota_job_t *job)
{
    rota_list_remove(&job->link);
    helpers->queued_count--;
    job->queued = false;
}

/* With the lock held. NULL: the thread shall end. */
static rota_job_t *next_job(rota_helpers_t *helpers)
{
    while (rota_list_empty(&helpers->queued) && !helpers->quit) {
        helpers->idle++;
        pthread_cond_wait(&helpers->work, &helpers->lock);
        helpers->idle--;
    }
    if (rota_list_empty(&helpers->queued)) return NULL;
    rota_job_t *job = ROTA_LIST_ENTRY(helpers->queued.next, rota_job_t, link);
    unqueue(helpers, job);
    return job;
}

static void *work(void *data)
{
    rota_helpers_t *helpers = data;
    rota_job_t *job;
    pthread_mutex_lock(&helpers->lock);
    while ((job = next_job(helpers))) {
        pthread_mutex_unlock(&helpers->lock);
        job->result = job->run(job);
        pthread_mutex_lock(&helpers->lock);
        rota_list_push_back(&helpers->done, &job->link);
        atomic_fetch_add(&helpers->done_count, 1);
        rota_wake_up(&helpers->wake);
    }
    pthread_mutex_unlock(&helpers->lock);
    return NULL;
}

/* Signals are the host program's: its handlers expect its own threads. */
static int start_thread(rota_helpers_t *helpers)
{
    sigset_t all, before;
    pthread_attr_t attributes;
    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&helpers->thread[helpers->threads], &attributes, work, helpers);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (!error) helpers->threads++;
    return -error;
}

int rota_helpers_submit(rota_helpers_t *helpers, rota_job_t *job)
{
    pthread_mutex_lock(&helpers->lock);
    enqueue(helpers, job);
    bool busy = helpers->queued_count > helpers->idle;
    pthread_cond_signal(&helpers->work);
    pthread_mutex_unlock(&helpers->lock);
    if (!busy || helpers->threads == ROTA_HELPERS_MAX) return 0;

    int status = start_thread(helpers);
    if (status == 0 || helpers->threads > 0) return 0; /* the others come to it */
    return rota_helpers_withdraw(helpers, job) ? status : 0;
}

bool rota_helpers_withdraw(rota_helpers_t *helpers, rota_job_t *job)
{
    pthread_mutex_lock(&helpers->lock);
    bool queued = job->queued;
    if (queued) unqueue(helpers, job);
    pthread_mutex_unlock(&helpers->lock);
    return queued;
}

void rota_helpers_collect(rota_helpers_t *helpers, rota_list_t *list)
{
    pthread_mutex_lock(&helpers->lock);
    rota_list_splice_back(list, &helpers->done);
    atomic_store(&helpers->done_count, 0);
    pthread_mutex_unlock(&helpers->lock);
}

void rota_helpers_close(rota_helpers_t *helpers)
{
    pthread_mutex_lock(&helpers->lock);
    assert(rota_list_empty(&helpers->queued));
    helpers->quit = true;
    pthread_cond_broadcast(&helpers->work);
    pthread_mutex_unlock(&helpers->lock);
    for (uint32_t i = 0; i < helpers->threads; i++) pthread_join(helpers->thread[i], NULL);
    pthread_cond_destroy(&helpers->work);
    pthread_mutex_destroy(&helpers->lock);
    rota_wake_close(&helpers->wake);
}
