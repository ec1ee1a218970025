#include "fork.h"

#include <pthread.h>

uint32_t rota_fork_generation;

static rota_list_t guards = {&guards, &guards};
static pthread_mutex_t guards_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t install_once = PTHREAD_ONCE_INIT;

/* The lock is held across the fork, so that the child sees a whole list. */
static void before_fork(void)
{
    pthread_mutex_lock(&guards_lock);
}

static void after_fork_in_parent(void)
{
    pthread_mutex_unlock(&guards_lock);
}

static void after_fork_in_child(void)
{
    rota_fork_generation++;
    for (rota_list_t *link; (link = rota_list_pop(&guards));) {
        rota_fork_guard_t *guard = ROTA_LIST_ENTRY(link, rota_fork_guard_t, link);
        guard->drop_in_child(guard);
    }
    pthread_mutex_unlock(&guards_lock);
}

static void install_handlers(void)
{
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

void rota_fork_watch(void)
{
    pthread_once(&install_once, install_handlers);
}

void rota_fork_guard_add(rota_fork_guard_t *guard)
{
    rota_fork_watch();
    pthread_mutex_lock(&guards_lock);
    rota_list_init(&guard->link);
    rota_list_push_back(&guards, &guard->link);
    pthread_mutex_unlock(&guards_lock);
}

void rota_fork_guard_remove(rota_fork_guard_t *guard)
{
    pthread_mutex_lock(&guards_lock);
    rota_list_remove(&guard->link);
    pthread_mutex_unlock(&guards_lock);
}
