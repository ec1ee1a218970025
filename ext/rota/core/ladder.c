#include "ladder.h"

#include <liburing.h>
#include <stdio.h>

enum {
    SMALLEST_ENTRIES = 64,
    SMALLEST_CQ_ENTRIES = 256,
    RETRY_MS = 10, /* the kernel returns the memory of closed rings with such a delay */
};

static uint32_t halve(uint32_t n, uint32_t smallest)
{
    return n / 2 >= smallest ? n / 2 : n < smallest ? n : smallest;
}

static int try_size(struct io_uring *ring, uint32_t entries, uint32_t cq_entries, unsigned flags)
{
    struct io_uring_params params = {.flags = flags, .cq_entries = cq_entries};
    return io_uring_queue_init_params(entries, ring, &params);
}

static void sleep_before_retry(void)
{
    struct timespec delay = {.tv_nsec = RETRY_MS * ROTA_NS_PER_MS};
    nanosleep(&delay, NULL);
}

/* Ring memory counts against RLIMIT_MEMLOCK: with too little of it, a smaller ring. */
static int try_sizes(struct io_uring *ring, uint32_t entries, uint32_t cq_entries, unsigned flags)
{
    for (;;) {
        int status = try_size(ring, entries, cq_entries, flags);
        if (status != -ENOMEM) return status;
        uint32_t fewer = halve(entries, SMALLEST_ENTRIES);
        uint32_t fewer_cq = halve(cq_entries, SMALLEST_CQ_ENTRIES);
        if (fewer == entries && fewer_cq == cq_entries) break;
        entries = fewer;
        cq_entries = fewer_cq;
    }
    sleep_before_retry();
    return try_size(ring, entries, cq_entries, flags);
}

int rota_ladder_climb(struct io_uring *ring, uint32_t entries, uint32_t cq_entries,
                      const rota_features_t *features)
{
    static const unsigned common = IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL |
                                   IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
    static const struct {
        rota_feature_t feature;
        unsigned flags;
    } rungs[] = {
        {ROTA_FEATURE_defer_taskrun, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN},
        {ROTA_FEATURE_coop_taskrun, IORING_SETUP_COOP_TASKRUN},
    };
    if (cq_entries < entries) cq_entries = entries;
    int status = -EINVAL;
    for (size_t i = 0; i < sizeof rungs / sizeof *rungs && status == -EINVAL; i++) {
        if (!rota_feature_granted(features, rungs[i].feature)) continue;
        status = try_sizes(ring, entries, cq_entries, rungs[i].flags | common);
    }
    return status < 0 ? status : 0;
}

void rota_ladder_explain(int status, char *why, size_t why_size)
{
    const char *reason;
    switch (-status) {
    case EPERM:
    case EACCES:
        reason =
            "forbidden by the container's seccomp profile or by a sysctl: allow io_uring_setup, "
            "io_uring_enter and io_uring_register in the profile, or set "
            "kernel.io_uring_disabled=0";
        break;
    case ENOSYS: reason = "this kernel has no io_uring, or it is hidden"; break;
    case EINVAL: reason = "this kernel's io_uring is too old: 5.19 is needed"; break;
    case ENOMEM:
        reason = "no locked memory left for a ring: raise RLIMIT_MEMLOCK (ulimit -l)";
        break;
    case EMFILE:
    case ENFILE: reason = "no descriptor left for a ring: raise RLIMIT_NOFILE (ulimit -n)"; break;
    default: reason = "refused by the kernel"; break;
    }
    snprintf(why, why_size, "%s (%s)", reason, strerror(-status));
}
