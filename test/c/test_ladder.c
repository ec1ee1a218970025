/* Which rings are asked for, and what a refusal says. The ladder is compiled into this program once
 * more, with a kernel that answers what the test wants. */
#include "check.h"
#include "ladder.h"

#include <liburing.h>

typedef struct attempt {
    uint32_t entries, cq_entries;
    unsigned flags;
} attempt_t;

enum { MOST = 64 };

static attempt_t attempts[MOST];
static int attempt_count;
static int (*answer)(const attempt_t *attempt);

static int pretend_init(unsigned entries, struct io_uring *ring, struct io_uring_params *params)
{
    (void)ring;
    attempt_t *attempt = &attempts[attempt_count++ % MOST];
    *attempt = (attempt_t){entries, params->cq_entries, params->flags};
    return answer(attempt);
}

#define io_uring_queue_init_params pretend_init
#define rota_ladder_climb          climb
#define rota_ladder_explain        explain
int climb(struct io_uring *ring, uint32_t entries, uint32_t cq_entries,
          const rota_features_t *features);
void explain(int status, char *why, size_t why_size);
#include "ladder.c"

static const rota_features_t all = {.granted = UINT32_MAX};

static int climb_with(int (*kernel)(const attempt_t *), uint32_t entries, uint32_t cq_entries,
                      const rota_features_t *features)
{
    struct io_uring ring;
    answer = kernel;
    attempt_count = 0;
    return climb(&ring, entries, cq_entries, features);
}

static bool defers(const attempt_t *attempt)
{
    return attempt->flags & IORING_SETUP_DEFER_TASKRUN;
}

static int grant(const attempt_t *attempt)
{
    (void)attempt;
    return 0;
}

static void test_the_best_ring_comes_first(void)
{
    CHECK(climb_with(grant, 256, 4096, &all) == 0 && attempt_count == 1);
    const unsigned wanted = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                            IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL |
                            IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
    CHECK(attempts[0].flags == wanted);
    CHECK(attempts[0].entries == 256 && attempts[0].cq_entries == 4096);
}

static void test_a_completion_queue_is_never_the_smaller_one(void)
{
    CHECK(climb_with(grant, 64, 4, &all) == 0 && attempts[0].cq_entries == 64);
}

static int refuse_defer(const attempt_t *attempt)
{
    return defers(attempt) ? -EINVAL : 0;
}

static void test_an_unknown_flag_means_the_next_rung(void)
{
    CHECK(climb_with(refuse_defer, 256, 4096, &all) == 0 && attempt_count == 2);
    CHECK(attempts[1].flags & IORING_SETUP_COOP_TASKRUN);
    CHECK(!(attempts[1].flags & IORING_SETUP_SINGLE_ISSUER));
}

static void test_hidden_rungs_are_not_tried(void)
{
    rota_features_t features = all;
    features.granted &= ~(1u << ROTA_FEATURE_defer_taskrun);
    CHECK(climb_with(grant, 256, 4096, &features) == 0 && attempt_count == 1);
    CHECK(!defers(&attempts[0]));
    features.granted &= ~(1u << ROTA_FEATURE_coop_taskrun);
    CHECK(climb_with(grant, 256, 4096, &features) == -EINVAL && attempt_count == 0);
}

static int refuse_large(const attempt_t *attempt)
{
    return attempt->cq_entries > 1024 ? -ENOMEM : 0;
}

static void test_little_memory_means_a_smaller_ring_of_the_same_kind(void)
{
    CHECK(climb_with(refuse_large, 256, 4096, &all) == 0 && attempt_count == 3);
    CHECK(defers(&attempts[2]) && attempts[2].entries == 64 && attempts[2].cq_entries == 1024);
}

static int refuse_memory(const attempt_t *attempt)
{
    (void)attempt;
    return -ENOMEM;
}

static void test_no_memory_is_tried_once_more_at_the_smallest(void)
{
    CHECK(climb_with(refuse_memory, 256, 4096, &all) == -ENOMEM && attempt_count == 6);
    CHECK(attempts[4].entries == 64 && attempts[4].cq_entries == 256);
    CHECK(!memcmp(&attempts[4], &attempts[5], sizeof attempts[4]));
    CHECK(climb_with(refuse_memory, 8, 16, &all) == -ENOMEM && attempt_count == 2);
    CHECK(attempts[1].entries == 8 && attempts[1].cq_entries == 16);
}

static int refuse_permission(const attempt_t *attempt)
{
    (void)attempt;
    return -EPERM;
}

static void test_a_prohibition_is_final(void)
{
    CHECK(climb_with(refuse_permission, 256, 4096, &all) == -EPERM && attempt_count == 1);
}

static bool says(int status, const char *part)
{
    char why[256];
    explain(status, why, sizeof why);
    return strstr(why, part) && strstr(why, strerror(-status)) && strlen(why) < sizeof why - 1;
}

static void test_refusals_say_how_to_allow_it(void)
{
    CHECK(says(-EPERM, "seccomp") && says(-EPERM, "kernel.io_uring_disabled=0"));
    CHECK(says(-EACCES, "seccomp"));
    CHECK(says(-ENOSYS, "no io_uring"));
    CHECK(says(-EINVAL, "too old"));
    CHECK(says(-ENOMEM, "RLIMIT_MEMLOCK"));
    CHECK(says(-EMFILE, "RLIMIT_NOFILE") && says(-ENFILE, "RLIMIT_NOFILE"));
    CHECK(says(-EOPNOTSUPP, "refused"));
    char tiny[8];
    explain(-EPERM, tiny, sizeof tiny);
    CHECK(strlen(tiny) == sizeof tiny - 1);
}

int main(void)
{
    RUN(test_the_best_ring_comes_first);
    RUN(test_a_completion_queue_is_never_the_smaller_one);
    RUN(test_an_unknown_flag_means_the_next_rung);
    RUN(test_hidden_rungs_are_not_tried);
    RUN(test_little_memory_means_a_smaller_ring_of_the_same_kind);
    RUN(test_no_memory_is_tried_once_more_at_the_smallest);
    RUN(test_a_prohibition_is_final);
    RUN(test_refusals_say_how_to_allow_it);
    return check_end();
}
