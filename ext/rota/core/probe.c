#include "probe.h"

#include "compat.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const struct feature_text {
    const char *name, *since;
} feature_texts[] = {
#define FEATURE_TEXT(name, buys, since) {#name, since},
    ROTA_FEATURES(FEATURE_TEXT)
#undef FEATURE_TEXT
};

_Static_assert(ROTA_FEATURE_COUNT <= 32, "features are bits of 32");

const char *rota_feature_name(rota_feature_t feature)
{
    assert(feature < ROTA_FEATURE_COUNT);
    return feature_texts[feature].name;
}

const char *rota_feature_since(rota_feature_t feature)
{
    assert(feature < ROTA_FEATURE_COUNT);
    return feature_texts[feature].since;
}

rota_feature_t rota_feature_by_name(const char *name, size_t length)
{
    uint32_t feature = 0;
    for (; feature < ROTA_FEATURE_COUNT; feature++) {
        const char *candidate = feature_texts[feature].name;
        if (strlen(candidate) == length && !memcmp(candidate, name, length)) break;
    }
    return (rota_feature_t)feature;
}

void rota_features_refuse(rota_features_t *features, rota_feature_t feature, int status)
{
    assert(status <= 0);
    features->granted &= ~(1u << feature);
    features->refusal[feature] = -status;
}

/* Records the answer of one trial: 0 or more is yes, -errno is no. */
static void record(rota_features_t *features, rota_feature_t feature, int status)
{
    if (status < 0) {
        rota_features_refuse(features, feature, status);
    } else {
        features->granted |= 1u << feature;
        features->refusal[feature] = 0;
    }
}

enum {
    ENTRIES = 4,
    BUFFER_SIZE = 64,
    PAGE = 4096, /* alignment and size of the scratch buffer ring, of 2 buffers */
    BGID = 0,
    TRIAL_MS = 100, /* all trials complete at once; the limit is for kernels that misbehave */
};

/* A ring that lives for the probe, with the memory of one provided-buffer ring: entries in the
 * first page, buffers in the second. */
typedef struct scratch {
    struct io_uring ring;
    uint8_t *pages;
} scratch_t;

static int open_ring(struct io_uring *ring, unsigned flags)
{
    struct io_uring_params params = {.flags = flags};
    return io_uring_queue_init_params(ENTRIES, ring, &params);
}

static const unsigned defer_flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                                    IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL;
static const unsigned coop_flags =
    IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL;

/* Leaves the best ring that there is open. */
static int try_rungs(rota_features_t *features, struct io_uring *ring)
{
    struct io_uring coop;
    int coop_status = open_ring(&coop, coop_flags);
    record(features, ROTA_FEATURE_coop_taskrun, coop_status);
    int status = open_ring(ring, defer_flags);
    record(features, ROTA_FEATURE_defer_taskrun, status);
    if (status >= 0) {
        if (coop_status >= 0) io_uring_queue_exit(&coop);
        return 0;
    }
    *ring = coop;
    return coop_status;
}

/* Submits what is queued and waits for one completion. */
static int await(scratch_t *scratch, struct io_uring_cqe **cqe)
{
    struct __kernel_timespec limit = {.tv_nsec = TRIAL_MS * ROTA_NS_PER_MS};
    int status = io_uring_submit_and_wait_timeout(&scratch->ring, cqe, 1, &limit, NULL);
    return status < 0 ? status : 0;
}

/* The same; gives the result and flags of the completion. */
static int await_result(scratch_t *scratch, unsigned *flags)
{
    struct io_uring_cqe *cqe = NULL;
    int status = await(scratch, &cqe);
    if (status < 0 || !cqe) return status < 0 ? status : -ETIME;
    int result = cqe->res;
    *flags = cqe->flags;
    io_uring_cqe_seen(&scratch->ring, cqe);
    return result;
}

static int expect_more(int result, unsigned flags)
{
    if (result < 0) return result;
    return flags & IORING_CQE_F_MORE ? 0 : -EOPNOTSUPP;
}

static int register_buffers(scratch_t *scratch, uint16_t flags)
{
    struct io_uring_buf_ring *entries = (struct io_uring_buf_ring *)(void *)scratch->pages;
    struct io_uring_buf_reg registration = {
        .ring_addr = (uintptr_t)entries,
        .ring_entries = 2,
        .bgid = BGID,
    };
    rota_buf_reg_set_flags(&registration, flags);
    int status = io_uring_register_buf_ring(&scratch->ring, &registration, 0);
    if (status < 0) return status;
    io_uring_buf_ring_init(entries);
    for (unsigned short bid = 0; bid < 2; bid++) {
        io_uring_buf_ring_add(entries, scratch->pages + PAGE + bid * BUFFER_SIZE, BUFFER_SIZE, bid,
                              io_uring_buf_ring_mask(2), bid);
    }
    io_uring_buf_ring_advance(entries, 2);
    return 0;
}

static int try_incremental_buffers(scratch_t *scratch)
{
    int status = register_buffers(scratch, ROTA_PBUF_RING_INC);
    if (status >= 0) io_uring_unregister_buf_ring(&scratch->ring, BGID);
    return status;
}

/* One byte, then the end of the stream: after it the kernel holds nothing of the pair. */
static int receive_from_pair(scratch_t *scratch, int pair[2])
{
    unsigned flags = 0;
    struct io_uring_sqe *sqe = io_uring_get_sqe(&scratch->ring);
    io_uring_prep_recv_multishot(sqe, pair[0], NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = BGID;
    if (write(pair[1], "x", 1) != 1) return -errno;
    int result = await_result(scratch, &flags);
    int status = expect_more(result, flags);
    shutdown(pair[1], SHUT_WR);
    if (status >= 0) (void)await_result(scratch, &flags);
    return status;
}

static int try_multishot_recv(scratch_t *scratch)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) return -errno;
    int status = receive_from_pair(scratch, pair);
    close(pair[0]);
    close(pair[1]);
    return status;
}

/* A listener on an abstract address that the kernel chooses; *address is where to find it. */
static int listen_anywhere(struct sockaddr_un *address, socklen_t *size)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    *size = sizeof *address;
    if (bind(fd, (struct sockaddr *)address, sizeof address->sun_family) < 0 || listen(fd, 1) < 0 ||
        getsockname(fd, (struct sockaddr *)address, size) < 0) {
        int status = -errno;
        close(fd);
        return status;
    }
    return fd;
}

static void cancel_accept(scratch_t *scratch)
{
    unsigned flags = 0;
    struct io_uring_sqe *sqe = io_uring_get_sqe(&scratch->ring);
    io_uring_prep_cancel64(sqe, 0, 0);
    for (int expected = 0; expected < 2; expected++) {
        if (await_result(scratch, &flags) == -ETIME) break;
    }
}

static int accept_from(scratch_t *scratch, int listener, int client,
                       const struct sockaddr_un *address, socklen_t size)
{
    unsigned flags = 0;
    if (connect(client, (const struct sockaddr *)address, size) < 0) return -errno;
    struct io_uring_sqe *sqe = io_uring_get_sqe(&scratch->ring);
    io_uring_prep_multishot_accept(sqe, listener, NULL, NULL, SOCK_CLOEXEC);
    sqe->user_data = 0;
    int result = await_result(scratch, &flags);
    if (result >= 0) close(result);
    int status = expect_more(result, flags);
    if (status >= 0) cancel_accept(scratch);
    return status;
}

static int try_multishot_accept(scratch_t *scratch)
{
    struct sockaddr_un address;
    socklen_t size;
    int listener = listen_anywhere(&address, &size);
    if (listener < 0) return listener;
    int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int status = client < 0 ? -errno : accept_from(scratch, listener, client, &address, size);
    if (client >= 0) close(client);
    close(listener);
    return status;
}

/* The command's fields lie where other requests keep theirs; liburing 2.3 has no names for them. */
static void prep_setsockopt(struct io_uring_sqe *sqe, int fd, int32_t level, int32_t name,
                            const int *value)
{
    uint32_t command = ROTA_URING_SOCKET_SETSOCKOPT, size = sizeof *value;
    uint64_t address = (uintptr_t)value;
    io_uring_prep_rw(IORING_OP_URING_CMD, sqe, fd, NULL, 0, 0);
    memcpy((char *)sqe + 8, &command, sizeof command);
    memcpy((char *)sqe + 16, &level, sizeof level);
    memcpy((char *)sqe + 20, &name, sizeof name);
    memcpy((char *)sqe + 44, &size, sizeof size);
    memcpy((char *)sqe + 48, &address, sizeof address);
}

/* Not on a UNIX socket: early kernels with the command refuse those. */
static int try_socket_commands(scratch_t *scratch)
{
    unsigned flags = 0;
    static const int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    prep_setsockopt(io_uring_get_sqe(&scratch->ring), fd, SOL_SOCKET, SO_REUSEADDR, &one);
    int status = await_result(scratch, &flags);
    close(fd);
    return status;
}

static int try_registered_ring(scratch_t *scratch)
{
    int status = io_uring_register_ring_fd(&scratch->ring);
    return status == 1 ? 0 : status < 0 ? status : -EOPNOTSUPP;
}

static int try_registered_files(scratch_t *scratch)
{
    return io_uring_register_files_sparse(&scratch->ring, ENTRIES);
}

static int try_registered_buffers(scratch_t *scratch)
{
    return io_uring_register_buffers_sparse(&scratch->ring, ENTRIES);
}

static void probe_opcodes(rota_features_t *features, scratch_t *scratch)
{
    static const struct {
        rota_feature_t feature;
        int opcode;
    } questions[] = {
        {ROTA_FEATURE_zero_copy_send, IORING_OP_SEND_ZC},
        {ROTA_FEATURE_fixed_fd_install, ROTA_URING_OP_FIXED_FD_INSTALL},
        {ROTA_FEATURE_waitid, ROTA_URING_OP_WAITID},
        {ROTA_FEATURE_ftruncate, ROTA_URING_OP_FTRUNCATE},
        {ROTA_FEATURE_futex, ROTA_URING_OP_FUTEX_WAIT},
    };
    struct io_uring_probe *probe = io_uring_get_probe_ring(&scratch->ring);
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++) {
        bool known = probe && io_uring_opcode_supported(probe, questions[i].opcode);
        record(features, questions[i].feature, known ? 0 : -EOPNOTSUPP);
    }
    io_uring_free_probe(probe);
}

static void probe_buffers(rota_features_t *features, scratch_t *scratch)
{
    record(features, ROTA_FEATURE_incremental_buffers, try_incremental_buffers(scratch));
    int status = register_buffers(scratch, 0);
    record(features, ROTA_FEATURE_provided_buffers, status);
    if (status >= 0) status = try_multishot_recv(scratch);
    record(features, ROTA_FEATURE_multishot_recv, status);
}

static void probe_ring(rota_features_t *features, scratch_t *scratch)
{
    bool no_iowait = scratch->ring.features & ROTA_FEAT_NO_IOWAIT;
    record(features, ROTA_FEATURE_no_iowait, no_iowait ? 0 : -EOPNOTSUPP);
    probe_opcodes(features, scratch);
    probe_buffers(features, scratch);
    record(features, ROTA_FEATURE_multishot_accept, try_multishot_accept(scratch));
    record(features, ROTA_FEATURE_socket_commands, try_socket_commands(scratch));
    record(features, ROTA_FEATURE_registered_files, try_registered_files(scratch));
    record(features, ROTA_FEATURE_registered_buffers, try_registered_buffers(scratch));
    record(features, ROTA_FEATURE_registered_ring, try_registered_ring(scratch));
}

static void refuse_all(rota_features_t *features, int status)
{
    for (uint32_t i = 0; i < ROTA_FEATURE_COUNT; i++) {
        rota_features_refuse(features, (rota_feature_t)i, status);
    }
}

static void probe_kernel(rota_features_t *features)
{
    scratch_t scratch = {0};
    int flags = MAP_PRIVATE | MAP_ANONYMOUS;
    void *pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, flags, -1, 0);
    int status = pages == MAP_FAILED ? -ENOMEM : try_rungs(features, &scratch.ring);
    if (status < 0) {
        refuse_all(features, status);
    } else {
        scratch.pages = pages;
        record(features, ROTA_FEATURE_io_uring, 0);
        probe_ring(features, &scratch);
        io_uring_queue_exit(&scratch.ring);
    }
    if (pages != MAP_FAILED) munmap(pages, 2 * PAGE);
}

/* Some features are worth nothing without others: who hides or lacks the one lacks the other. */
static void refuse_dependents(rota_features_t *features)
{
    static const struct {
        rota_feature_t feature, needs;
    } needs[] = {
        {ROTA_FEATURE_incremental_buffers, ROTA_FEATURE_provided_buffers},
        {ROTA_FEATURE_multishot_recv, ROTA_FEATURE_provided_buffers},
        {ROTA_FEATURE_fixed_fd_install, ROTA_FEATURE_registered_files},
    };
    for (size_t i = 0; i < sizeof needs / sizeof *needs; i++) {
        if (rota_feature_granted(features, needs[i].needs)) continue;
        rota_features_refuse(features, needs[i].feature, -features->refusal[needs[i].needs]);
    }
}

/* Below the COOP_TASKRUN rung every completion interrupts the thread, and epoll is faster. */
static bool has_rung(const rota_features_t *features)
{
    return rota_feature_granted(features, ROTA_FEATURE_defer_taskrun) ||
           rota_feature_granted(features, ROTA_FEATURE_coop_taskrun);
}

static void hide(rota_features_t *features, uint32_t hidden)
{
    for (uint32_t i = 0; i < ROTA_FEATURE_COUNT; i++) {
        if (hidden & 1u << i) rota_features_refuse(features, (rota_feature_t)i, -ENOSYS);
    }
    if (!rota_feature_granted(features, ROTA_FEATURE_io_uring)) {
        refuse_all(features, -features->refusal[ROTA_FEATURE_io_uring]);
    } else if (!has_rung(features)) {
        refuse_all(features, -features->refusal[ROTA_FEATURE_coop_taskrun]);
    }
    refuse_dependents(features);
}

/* A want of descriptors or memory says nothing about the kernel: ask again next time. */
static bool transient(const rota_features_t *features)
{
    for (uint32_t i = 0; i < ROTA_FEATURE_COUNT; i++) {
        int refusal = features->refusal[i];
        if (refusal == ENOMEM || refusal == EMFILE || refusal == ENFILE) return true;
    }
    return false;
}

static void ask_kernel_once(rota_features_t *features)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static rota_features_t answer;
    static bool asked;
    pthread_mutex_lock(&lock);
    if (!asked) {
        answer = (rota_features_t){0};
        probe_kernel(&answer);
        asked = !transient(&answer);
    }
    *features = answer;
    pthread_mutex_unlock(&lock);
}

void rota_probe(rota_features_t *features, uint32_t hidden)
{
    if (hidden & 1u << ROTA_FEATURE_io_uring) {
        refuse_all(features, -ENOSYS);
        return;
    }
    ask_kernel_once(features);
    hide(features, hidden);
}
