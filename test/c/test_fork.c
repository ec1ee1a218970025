#include "check.h"
#include "fork.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct thing {
    rota_fork_guard_t guard;
    int dropped;
} thing_t;

static void drop(rota_fork_guard_t *guard)
{
    ROTA_CONTAINER_OF(guard, thing_t, guard)->dropped++;
}

static thing_t things[3] = {
    {.guard.drop_in_child = drop}, {.guard.drop_in_child = drop}, {.guard.drop_in_child = drop}};

/* Runs `body` in a child; true when it says so. */
static bool in_child(bool (*body)(void))
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) _exit(body() ? 0 : 1);
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static bool grandchild(void)
{
    return rota_fork_generation == 2 && things[0].dropped == 1;
}

static bool child(void)
{
    if (rota_fork_generation != 1) return false;
    if (things[0].dropped != 1 || things[1].dropped != 0 || things[2].dropped != 1) return false;
    if (rota_list_linked(&things[0].guard.link)) return false;
    rota_fork_guard_remove(&things[0].guard); /* harmless */
    rota_fork_guard_add(&things[1].guard);
    return in_child(grandchild);
}

static void test_the_child_drops_what_is_guarded_and_the_parent_keeps_it(void)
{
    for (int i = 0; i < 3; i++) rota_fork_guard_add(&things[i].guard);
    rota_fork_guard_remove(&things[1].guard);
    CHECK(in_child(child));
    CHECK(rota_fork_generation == 0);
    CHECK(things[0].dropped == 0 && things[2].dropped == 0);
    rota_fork_guard_remove(&things[0].guard);
    rota_fork_guard_remove(&things[2].guard);
    CHECK(things[0].dropped == 0);
}

static void *add_and_remove(void *unused)
{
    (void)unused;
    thing_t mine = {.guard.drop_in_child = drop};
    for (int i = 0; i < 20000; i++) {
        rota_fork_guard_add(&mine.guard);
        rota_fork_guard_remove(&mine.guard);
    }
    return NULL;
}

static bool child_of_busy_parent(void)
{
    thing_t mine = {.guard.drop_in_child = drop};
    rota_fork_guard_add(&mine.guard); /* the lock is not stuck */
    rota_fork_guard_remove(&mine.guard);
    return true;
}

static void test_forks_while_other_threads_add_and_remove(void)
{
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, add_and_remove, NULL);
    for (int i = 0; i < 20; i++) CHECK(in_child(child_of_busy_parent));
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
}

int main(void)
{
    RUN(test_the_child_drops_what_is_guarded_and_the_parent_keeps_it);
    RUN(test_forks_while_other_threads_add_and_remove);
    return check_end();
}
