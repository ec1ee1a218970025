/* One request to the kernel, and the slab they come from.
 *
 * An op carries the whole request in neutral terms, so that it can wait on the overflow list when
 * the submission queue is full, and so that either engine can serve it.
 *
 * States, and who may touch the op and the memory that it names:
 *
 *   state       kernel  task   leaves when
 *   FREE        -       -      taken from the slab; the generation increments
 *   QUEUED      -       yes    an entry of the submission queue is filled (-> IN_FLIGHT), or it is
 *                              cancelled while it waits on the overflow list (-> DONE)
 *   IN_FLIGHT   yes     yes    the final completion (-> DONE), or the task leaves first
 *                              (-> ABANDONED)
 *   ABANDONED   yes     -      the final completion: buffers and descriptors given back, -> FREE
 *   SENT        yes     yes    a zero-copy send has its result, and the kernel still reads the
 *                              memory: the notification (-> DONE), which the task need not wait
 *                              for
 *   DONE        -       yes    the task took the result (-> FREE)
 *
 * The memory behind `memory` and `payload` belongs to the kernel in IN_FLIGHT, ABANDONED and SENT:
 * it never lies on a stack that can unwind, and is neither freed nor moved in those states. */
#ifndef ROTA_OP_H
#define ROTA_OP_H

#include "list.h"

typedef struct rota_op rota_op_t;

typedef enum rota_op_state {
    ROTA_OP_FREE = 0,
    ROTA_OP_QUEUED,
    ROTA_OP_IN_FLIGHT,
    ROTA_OP_ABANDONED,
    ROTA_OP_SENT,
    ROTA_OP_DONE,
} rota_op_state_t;

/* The vocabulary that every engine serves. How the request's fields are read:
 *
 *   kind           memory           length   offset         flags
 *   NOP            -                -        -              -
 *   READ, WRITE    bytes            bytes    position or -1 rota_file_hint_t
 *   READV, WRITEV  struct iovec[]   entries  position or -1 -
 *   RECV, SEND     bytes            bytes    -              MSG_*
 *   RECVMSG, SENDMSG struct msghdr  -        -              MSG_*
 *   SEND_ZERO_COPY bytes            bytes    -              MSG_*
 *   ACCEPT         -                -        -              SOCK_*
 *   CONNECT        struct sockaddr  its size -              -
 *   POLL           -                -        -              POLL* mask
 *   CLOSE          -                -        -              -
 *   FSYNC          -                -        -              non-zero: data only
 *   WAITID         -                P_* type -              W* options; `fd` is the id
 *   FALLOCATE      `extent`: bytes  -        position       FALLOC_FL_*
 *   FTRUNCATE      -                -        length         -
 *   FADVISE        `extent`: bytes  -        position       POSIX_FADV_*
 *   OPENAT         rota_names_t     rights   -              O_*, O_NONBLOCK among them
 *   STATX          rota_names_t     mask     -              AT_*
 *   RENAMEAT       rota_names_t     -        -              RENAME_*
 *   LINKAT         rota_names_t     -        -              AT_SYMLINK_FOLLOW
 *   SYMLINKAT      rota_names_t     -        -              -
 *   UNLINKAT       rota_names_t     -        -              AT_REMOVEDIR
 *   MKDIRAT        rota_names_t     rights   -              -
 *   GETXATTR       rota_names_t     bytes    -              -
 *   SETXATTR       rota_names_t     bytes    -              XATTR_*
 *   SPLICE, TEE    `source`         bytes    position or -1 the source's descriptor; see below
 *   RECV_MULTI     - (provided)     engine's -              MSG_*   results come as shots
 *   ACCEPT_MULTI   -                -        -              SOCK_*  results come as shots
 *
 * result: as the system call's, or -errno; POLL gives the ready mask. WAITID gives 0 when a
 * child has changed its state, and which one it tells nobody: it is for engines with that feature,
 * and fails with -EOPNOTSUPP elsewhere. With WNOWAIT a cancelled one has taken nothing. The kinds
 * with names are explained in names.h; an OPENAT never waits for the other end of a FIFO. SPLICE
 * and TEE move to `fd`, at its own position, what is at hand, and never wait for an end: -EAGAIN. A
 * SEND_ZERO_COPY is announced twice, with its result (SENT) and with the notification (DONE), when
 * `offset` says whether the kernel copied all the same; an engine that cannot do it sends. */
typedef enum rota_op_kind {
    ROTA_OP_NOP = 0,
    ROTA_OP_READ,
    ROTA_OP_WRITE,
    ROTA_OP_READV,
    ROTA_OP_WRITEV,
    ROTA_OP_RECV,
    ROTA_OP_SEND,
    ROTA_OP_RECVMSG,
    ROTA_OP_SENDMSG,
    ROTA_OP_SEND_ZERO_COPY,
    ROTA_OP_ACCEPT,
    ROTA_OP_CONNECT,
    ROTA_OP_POLL,
    ROTA_OP_CLOSE,
    ROTA_OP_FSYNC,
    ROTA_OP_WAITID,
    ROTA_OP_FALLOCATE,
    ROTA_OP_FTRUNCATE,
    ROTA_OP_FADVISE,
    ROTA_OP_OPENAT,
    ROTA_OP_STATX,
    ROTA_OP_RENAMEAT,
    ROTA_OP_LINKAT,
    ROTA_OP_SYMLINKAT,
    ROTA_OP_UNLINKAT,
    ROTA_OP_MKDIRAT,
    ROTA_OP_GETXATTR,
    ROTA_OP_SETXATTR,
    ROTA_OP_SPLICE,
    ROTA_OP_TEE,
    ROTA_OP_RECV_MULTI,
    ROTA_OP_ACCEPT_MULTI,
    ROTA_OP_KINDS,
} rota_op_kind_t;

/* What a READ or WRITE is for, as far as it is known. */
typedef enum rota_file_hint {
    ROTA_HINT_NONE = 0,
    ROTA_HINT_TERMINAL, /* blocks its writer even when asked not to: for a worker of the kernel */
    ROTA_HINT_SOCKET,   /* recv and send cost less. ENOTSOCK: it was none, and is asked as a file */
} rota_file_hint_t;

enum {
    ROTA_OPF_SLOT = 1 << 0,          /* fd is a number in the registered file table */
    ROTA_OPF_CANCELLED = 1 << 1,     /* a cancel was asked for; the final completion still comes */
    ROTA_OPF_CANCEL_WANTED = 1 << 2, /* ... but found no entry yet: the engine asks again */
    ROTA_OPF_CLOSING = 1 << 3,       /* cancelled because its descriptor is being closed */
    /* the engine's own */
    ROTA_OPF_LEFT = 1 << 4,         /* abandoned while QUEUED: ABANDONED once it is in flight */
    ROTA_OPF_ENTRY_WANTED = 1 << 5, /* in flight, but its next entry found no room yet */
    ROTA_OPF_POLLING = 1 << 6,      /* in flight as a poll: the kernel refused to wait by itself; a
                                       POLL: as one with many shots */
    ROTA_OPF_FAILED = 1 << 7,       /* a shot was lost: no later one may follow */
};

/* The result of a multishot op that the kernel ended without an error (its completion queue
 * overflowed), or of one that accepts and was ended so that the kernel looks anew: nothing is
 * wrong, arm it again. No errno is as large. */
#define ROTA_ENDED_EARLY (-4096)

/* The result of an op whose io was closed while it waited. No errno is as large. */
#define ROTA_CLOSED (-4097)

#define ROTA_OP_ROOTS 2

/* One result of a multishot op: received bytes inside a provided buffer, or an accepted
 * descriptor. Lives on its op's `shots` list until the runtime takes it. */
typedef struct rota_shot {
    rota_list_t link;
    uint8_t *data;   /* RECV_MULTI: first byte not yet consumed; NULL for ACCEPT_MULTI */
    uint32_t length; /* RECV_MULTI: bytes not yet consumed */
    int32_t fd;      /* ACCEPT_MULTI: the accepted descriptor */
    uint32_t bid;    /* RECV_MULTI: the provided buffer that holds the bytes */
} rota_shot_t;

struct rota_op {
    /* first cache line: the request, and the engine's */
    rota_list_t link; /* on the overflow list while QUEUED, on `completed` when announced */
    uint32_t index;
    uint32_t generation;
    uint8_t kind;  /* rota_op_kind_t */
    uint8_t state; /* rota_op_state_t */
    uint8_t flags; /* ROTA_OPF_* */
    uint8_t stage; /* the engine's own, see poller.c and ring.c */
    int32_t result;
    int32_t fd;
    uint32_t length;
    union {
        void *memory;
        uint64_t extent; /* of a file, in bytes */
        int32_t source;  /* the number of the source's io; request_flags may be a duplicate */
    };
    uint64_t offset;
    uint32_t request_flags; /* MSG_*, POLL*, SOCK_* ...: see the table above */
    int32_t descriptor;     /* the number it is for; -1: none. `fd` may be a slot */
    /* second cache line: the runtime's, but for `shots`, `payload` and the last */
    void (*complete)(rota_op_t *op); /* called outside the walk, per announcement; may be NULL */
    void *owner;                     /* whose op it is: a park, a stream */
    uintptr_t root[ROTA_OP_ROOTS];   /* words that only runtime/roots.c understands */
    rota_list_t shots;               /* rota_shot_t.link, oldest first */
    void *payload;                   /* from malloc; freed with the op */
    union {                          /* the epoll engine's own: */
        struct {
            uint32_t before, after; /* neighbours on a rota_chain_t */
        };
        struct rota_errand *errand; /* of an op that a worker has */
    };
} __attribute__((aligned(64)));

_Static_assert(sizeof(struct rota_op) == 128, "an op fills two cache lines");

/* The slab: chunks of ops that never move, found by index. */
typedef struct rota_ops {
    rota_op_t **chunks;
    uint32_t chunk_count;
    uint32_t in_use;    /* not FREE */
    uint32_t in_flight; /* the kernel owns them: IN_FLIGHT, ABANDONED, SENT */
    rota_list_t free;
    uint64_t stale; /* completions that named an op of an older generation */
} rota_ops_t;

void rota_ops_init(rota_ops_t *ops);

/* Frees every chunk if nothing is in flight. Otherwise leaks all of them on purpose, because the
 * kernel may still write through them, and returns how many ops are lost that way. */
uint32_t rota_ops_destroy(rota_ops_t *ops);

/* A QUEUED op with every field zeroed but index and generation, or NULL when memory is out. */
rota_op_t *rota_op_take(rota_ops_t *ops);

/* Back to the slab: from QUEUED (never submitted), or DONE. Frees the payload. Its shots must have
 * been taken. */
void rota_op_release(rota_ops_t *ops, rota_op_t *op);

/* The state's only writer. Keeps `in_flight` and asserts that the change is one of the table's. */
void rota_op_enter(rota_ops_t *ops, rota_op_t *op, rota_op_state_t state);

/* Has it two ends, one of which is the source's? */
static inline bool rota_op_has_source(const rota_op_t *op)
{
    return op->kind == ROTA_OP_SPLICE || op->kind == ROTA_OP_TEE;
}

static inline bool rota_op_is_plain(const rota_op_t *op)
{
    return op->kind == ROTA_OP_READ || op->kind == ROTA_OP_WRITE;
}

static inline bool rota_op_is_for_terminal(const rota_op_t *op)
{
    return op->kind == ROTA_OP_WRITE && op->request_flags == ROTA_HINT_TERMINAL;
}

/* A READ or WRITE that is made by recv or send. To receive no bytes would be to wait for a message,
 * which a read of none does not. */
static inline bool rota_op_goes_by_socket(const rota_op_t *op)
{
    return rota_op_is_plain(op) && op->request_flags == ROTA_HINT_SOCKET &&
           op->offset == UINT64_MAX && (op->length > 0 || op->kind == ROTA_OP_WRITE);
}

/* Has it to do with the descriptor, at whichever end? */
static inline bool rota_op_is_for(const rota_op_t *op, int descriptor)
{
    if (op->descriptor == descriptor) return true;
    return rota_op_has_source(op) && op->source == descriptor;
}

static inline bool rota_op_sends(const rota_op_t *op)
{
    return op->kind == ROTA_OP_WRITE || op->kind == ROTA_OP_WRITEV || op->kind == ROTA_OP_SEND ||
           op->kind == ROTA_OP_SENDMSG || op->kind == ROTA_OP_SEND_ZERO_COPY;
}

static inline bool rota_op_accepts(const rota_op_t *op)
{
    return op->kind == ROTA_OP_ACCEPT || op->kind == ROTA_OP_ACCEPT_MULTI;
}

static inline uint64_t rota_op_handle(const rota_op_t *op)
{
    return (uint64_t)op->generation << 32 | op->index;
}

/* Is there nothing more to wait for, for who wants the result? */
static inline bool rota_op_has_result(const rota_op_t *op)
{
    return op->state == ROTA_OP_DONE || op->state == ROTA_OP_SENT;
}

/* The op that a completion names, or NULL (counted in `stale`) when it is of an older life. */
rota_op_t *rota_op_find(rota_ops_t *ops, uint64_t handle);

/* The op at a place of the slab, for walks over all of them: index < rota_ops_capacity(). */
static inline uint32_t rota_ops_capacity(const rota_ops_t *ops)
{
    return ops->chunk_count << ROTA_OPS_PER_CHUNK_LOG2;
}

static inline rota_op_t *rota_op_at(const rota_ops_t *ops, uint32_t index)
{
    return &ops->chunks[index >> ROTA_OPS_PER_CHUNK_LOG2]
                       [index & ((1u << ROTA_OPS_PER_CHUNK_LOG2) - 1)];
}

#endif
