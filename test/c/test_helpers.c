/* Threads for what blocks: every job comes back once, the owner is woken, and a job that did not
 * begin can be taken back. */
#include "check.h"
#include "helpers.h"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

enum { MANY = 200 };

typedef struct task {
    rota_job_t job; /* first */
    int32_t number;
} task_t;

static rota_helpers_t helpers;
static atomic_int started, released;
static atomic_bool signals_blocked;

static int32_t answer(const rota_job_t *job)
{
    return ((const task_t *)(const void *)job)->number;
}

static int32_t hold(const rota_job_t *job)
{
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    atomic_store(&signals_blocked, sigismember(&blocked, SIGTERM) && sigismember(&blocked, SIGINT));
    atomic_fetch_add(&started, 1);
    while (!atomic_load(&released) && !atomic_load(&job->cancelled)) usleep(100);
    return atomic_load(&job->cancelled) ? -ECANCELED : answer(job);
}

static void submit(task_t *task, int32_t (*run)(const rota_job_t *), int32_t number)
{
    *task = (task_t){.job.run = run, .number = number};
    CHECK(rota_helpers_submit(&helpers, &task->job) == 0);
}

/* Sleeps as an engine does until a job is done. */
static void wait_for_jobs(void)
{
    struct pollfd woken = {.fd = helpers.wake.fd, .events = POLLIN};
    bool sleeps = rota_wake_prepare(&helpers.wake);
    if (sleeps) {
        uint64_t count;
        CHECK(poll(&woken, 1, 10000) == 1);
        (void)!read(helpers.wake.fd, &count, sizeof count);
    }
    (void)rota_wake_finish(&helpers.wake);
}

static int collect(int wanted)
{
    int count = 0;
    while (count < wanted) {
        rota_list_t done;
        rota_list_init(&done);
        wait_for_jobs();
        if (rota_helpers_ready(&helpers)) rota_helpers_collect(&helpers, &done);
        for (rota_list_t *link; (link = rota_list_pop(&done)); count++) {
            task_t *task = (task_t *)(void *)ROTA_LIST_ENTRY(link, rota_job_t, link);
            CHECK(task->job.result == task->number);
        }
    }
    return count;
}

static void test_every_job_comes_back_once(void)
{
    static task_t tasks[MANY];
    REQUIRE(rota_helpers_open(&helpers) == 0);
    CHECK(helpers.threads == 0);
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < MANY; i++) submit(&tasks[i], answer, i);
        CHECK(collect(MANY) == MANY);
    }
    CHECK(helpers.threads > 0 && helpers.threads <= ROTA_HELPERS_MAX);
    CHECK(!rota_helpers_ready(&helpers));
    rota_helpers_close(&helpers);
}

/* Jobs that block take a thread each, as long as there are any; the rest can be taken back. */
static void test_withdraw_and_cancel(void)
{
    task_t blocking[ROTA_HELPERS_MAX], waiting, stopped;
    REQUIRE(rota_helpers_open(&helpers) == 0);
    atomic_store(&started, 0);
    atomic_store(&released, 0);
    for (int i = 0; i < ROTA_HELPERS_MAX; i++) submit(&blocking[i], hold, i);
    while (atomic_load(&started) < ROTA_HELPERS_MAX) usleep(100);
    CHECK(atomic_load(&signals_blocked));
    submit(&waiting, hold, 7);
    CHECK(rota_helpers_withdraw(&helpers, &waiting.job));
    CHECK(!rota_helpers_withdraw(&helpers, &waiting.job));
    CHECK(!rota_helpers_withdraw(&helpers, &blocking[0].job));
    atomic_store(&released, 1);
    CHECK(collect(ROTA_HELPERS_MAX) == ROTA_HELPERS_MAX);

    atomic_store(&released, 0);
    submit(&stopped, hold, -ECANCELED);
    while (atomic_load(&started) == ROTA_HELPERS_MAX) usleep(100);
    atomic_store(&stopped.job.cancelled, true);
    CHECK(collect(1) == 1);
    rota_helpers_close(&helpers);
}

int main(void)
{
    RUN(test_every_job_comes_back_once);
    RUN(test_withdraw_and_cancel);
    return check_end();
}
