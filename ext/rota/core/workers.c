#include "workers.h"

#include <signal.h>

enum { STACK_SIZE = 128 << 10 };

int rota_workers_open(rota_workers_t *workers)
{
    *workers = (rota_workers_t){0};
    rota_list_init(&workers->queued);
    rota_list_init(&workers->done);
    int status = rota_wake_open(&workers->wake);
    if (status < 0) return status;
    pthread_mutex_init(&workers->lock, NULL);
    pthread_cond_init(&workers->work, NULL);
    return 0;
}

/* Both with the lock held. */
static void enqueue(rota_workers_t *workers, rota_job_t *job)
{
    rota_list_init(&job->link);
    rota_list_push_back(&workers->queued, &job->link);
    workers->queued_count++;
    job->queued = true;
}

static void unqueue(rota_workers_t *workers, rota_job_t *job)
{
    rota_list_remove(&job->link);
    workers->queued_count--;
    job->queued = false;
}

/* With the lock held. NULL: the thread shall end. */
static rota_job_t *next_job(rota_workers_t *workers)
{
    while (rota_list_empty(&workers->queued) && !workers->quit) {
        workers->idle++;
        pthread_cond_wait(&workers->work, &workers->lock);
        workers->idle--;
    }
    if (rota_list_empty(&workers->queued)) return NULL;
    rota_job_t *job = ROTA_LIST_ENTRY(workers->queued.next, rota_job_t, link);
    unqueue(workers, job);
    return job;
}

static void *work(void *data)
{
    rota_workers_t *workers = data;
    rota_job_t *job;
    pthread_mutex_lock(&workers->lock);
    while ((job = next_job(workers))) {
        pthread_mutex_unlock(&workers->lock);
        job->result = job->run(job);
        pthread_mutex_lock(&workers->lock);
        rota_list_push_back(&workers->done, &job->link);
        atomic_fetch_add(&workers->done_count, 1);
        rota_wake_up(&workers->wake);
    }
    pthread_mutex_unlock(&workers->lock);
    return NULL;
}

/* Signals are the host program's: its handlers expect its own threads. */
static int start_thread(rota_workers_t *workers)
{
    sigset_t all, before;
    pthread_attr_t attributes;
    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&workers->thread[workers->threads], &attributes, work, workers);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (!error) workers->threads++;
    return -error;
}

int rota_workers_submit(rota_workers_t *workers, rota_job_t *job)
{
    pthread_mutex_lock(&workers->lock);
    enqueue(workers, job);
    bool busy = workers->queued_count > workers->idle;
    pthread_cond_signal(&workers->work);
    pthread_mutex_unlock(&workers->lock);
    if (!busy || workers->threads == ROTA_WORKERS_MAX) return 0;

    int status = start_thread(workers);
    if (status == 0 || workers->threads > 0) return 0; /* the others come to it */
    return rota_workers_withdraw(workers, job) ? status : 0;
}

bool rota_workers_withdraw(rota_workers_t *workers, rota_job_t *job)
{
    pthread_mutex_lock(&workers->lock);
    bool queued = job->queued;
    if (queued) unqueue(workers, job);
    pthread_mutex_unlock(&workers->lock);
    return queued;
}

void rota_workers_collect(rota_workers_t *workers, rota_list_t *list)
{
    pthread_mutex_lock(&workers->lock);
    rota_list_splice_back(list, &workers->done);
    atomic_store(&workers->done_count, 0);
    pthread_mutex_unlock(&workers->lock);
}

void rota_workers_close(rota_workers_t *workers)
{
    pthread_mutex_lock(&workers->lock);
    assert(rota_list_empty(&workers->queued));
    workers->quit = true;
    pthread_cond_broadcast(&workers->work);
    pthread_mutex_unlock(&workers->lock);
    for (uint32_t i = 0; i < workers->threads; i++) pthread_join(workers->thread[i], NULL);
    pthread_cond_destroy(&workers->work);
    pthread_mutex_destroy(&workers->lock);
    rota_wake_close(&workers->wake);
}
