/* What the running kernel grants, asked once per process: by opcode probe where an opcode answers
 * the question, by trying it on a scratch ring and socket pair where none does; never by version,
 * never by the host that built us. */
#ifndef ROTA_PROBE_H
#define ROTA_PROBE_H

#include "base.h"

/* name (also the key in Loop#features), what it buys, since which kernel (documentation only) */
#define ROTA_FEATURES(X)                                                                           \
    X(io_uring, "one submission for many operations", "5.1")                                       \
    X(defer_taskrun, "completions are delivered in batches, when the loop asks", "6.1")            \
    X(coop_taskrun, "completions do not interrupt the thread", "5.19")                             \
    X(registered_ring, "17 to 20 ns less per enter", "5.18")                                       \
    X(no_iowait, "an idle loop does not count as I/O wait", "6.15")                                \
    X(registered_files, "40 to 60 ns less per one-shot operation in a threaded process", "5.19")   \
    X(registered_buffers, "50 to 60 ns less per operation in registered memory", "5.19")           \
    X(provided_buffers, "an idle connection holds no receive memory", "5.19")                      \
    X(incremental_buffers, "receive buffers are consumed piece by piece", "6.12")                  \
    X(multishot_accept, "one request accepts all connections", "5.19")                             \
    X(multishot_recv, "one request receives all bytes of a connection", "6.0")                     \
    X(zero_copy_send, "large sends without a copy", "6.0")                                         \
    X(fixed_fd_install, "a direct descriptor can become a normal one", "6.8")                      \
    X(socket_commands, "socket options of direct descriptors", "6.7")                              \
    X(waitid, "waiting for a child process in the ring", "6.7")                                    \
    X(ftruncate, "a file is cut without blocking the loop", "6.9")                                 \
    X(futex, "waiting on a memory word in the ring", "6.7")

typedef enum rota_feature {
#define ROTA_FEATURE_ENUM(name, buys, since) ROTA_FEATURE_##name,
    ROTA_FEATURES(ROTA_FEATURE_ENUM)
#undef ROTA_FEATURE_ENUM
        ROTA_FEATURE_COUNT
} rota_feature_t;

typedef struct rota_features {
    uint32_t granted;                    /* bit per rota_feature_t */
    int32_t refusal[ROTA_FEATURE_COUNT]; /* errno of the refusal where one was seen, else 0 */
} rota_features_t;

static inline bool rota_feature_granted(const rota_features_t *features, rota_feature_t feature)
{
    return features->granted & (1u << feature);
}

const char *rota_feature_name(rota_feature_t feature);
const char *rota_feature_since(rota_feature_t feature);
/* ROTA_FEATURE_COUNT for an unknown name. */
rota_feature_t rota_feature_by_name(const char *name, size_t length);

/* Records that a feature is not there after all: status is -errno. */
void rota_features_refuse(rota_features_t *features, rota_feature_t feature, int status);

/* Fills in what the kernel grants (asked once per process; 0.4 ms). Features in `hidden` (bits) are
 * reported as refused with ENOSYS and are not tried: the way to test an old kernel's ladder on a
 * new one. */
void rota_probe(rota_features_t *features, uint32_t hidden);

#endif
