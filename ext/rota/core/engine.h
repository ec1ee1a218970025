/* The seam between the loop and whatever drives its I/O: a vocabulary of ops (op.h) and the few
 * calls below. Nothing above this header knows which engine runs.
 *
 * One turn of the loop is: `flush` with the interpreter lock held (or `wait` without it), then
 * `drain`, then the runtime walks `completed`. Only the owner thread calls anything here, but for
 * rota_wake_up on `wake`. */
#ifndef ROTA_ENGINE_H
#define ROTA_ENGINE_H

#include "bufring.h"
#include "fork.h"
#include "op.h"
#include "probe.h"
#include "wake.h"

typedef struct rota_engine rota_engine_t;

typedef struct rota_engine_options {
    uint32_t entries;     /* submission queue; 0: the default */
    uint32_t cq_entries;  /* completion queue; 0: the default */
    uint32_t buffers;     /* provided buffers to start with; 0: the default */
    uint32_t buffers_max; /* ... and at most; 0: the default */
    uint32_t buffer_size; /* bytes each; 0: the default for the kernel's way of consuming them */
    uint32_t files;       /* registered file table; 0: by RLIMIT_NOFILE */
    uint32_t hidden;      /* features to do without: bits of rota_feature_t */
    bool slow_files;      /* file systems may not answer soon: nothing of disk.h is asked here */
} rota_engine_options_t;

/* Counters for Loop#stats; only ever grow, unless said. */
typedef struct rota_engine_stats {
    uint64_t enters;       /* system calls that submitted, waited or reaped */
    uint64_t waits;        /* ... of them, those that could sleep */
    uint64_t entries;      /* submission entries filled */
    uint64_t completions;  /* completion entries walked */
    uint64_t cancels;      /* cancellations asked for */
    uint64_t overflows;    /* times the submission queue was full */
    uint64_t cq_overflows; /* times the completion queue had overflowed */
    uint64_t starved;      /* receives that ended because no provided buffer was left */
    uint64_t zero_copies;  /* notifications of zero-copy sends */
    uint64_t copies;       /* ... of them, those of sends that were copied all the same */
    uint64_t updates;      /* system calls that updated the registered file table */
    uint32_t queued;       /* now: ops on the overflow list */
    uint32_t buffers;      /* now: provided buffers that exist */
    uint32_t buffers_lent; /* now: of them, those with bytes that nobody took yet */
    uint32_t slots_used;   /* now: entries of the registered file table in use */
} rota_engine_stats_t;

struct rota_engine_api {
    const char *name; /* "io_uring", "epoll" */

    /* Queues an op in state QUEUED. Never fails: what finds no room waits on the overflow list.
     * Nothing reaches the kernel before the next flush or wait. */
    void (*submit)(rota_engine_t *engine, rota_op_t *op);

    /* Queues ops in state QUEUED as one chain: each begins when the one before it has done all that
     * it was asked for; after one that failed or did less, the rest ends with -ECANCELED. At most
     * `links_max` of them. False, and nothing is queued: there is no room for all of them. */
    bool (*submit_linked)(rota_engine_t *engine, rota_op_t *const *ops, uint32_t count);

    /* Asks the kernel to end an op in flight; its final completion still comes, with -ECANCELED,
     * or with its result when that was first. An op on the overflow list is completed with
     * -ECANCELED at once (announced on `completed`). A second call is harmless. */
    void (*cancel)(rota_engine_t *engine, rota_op_t *op);

    /* Is there anything that flush would collect? Costs no system call. */
    bool (*ready)(const rota_engine_t *engine);
    /* The same for a spin before the sleep: asks the kernel where only it knows. */
    bool (*peek)(rota_engine_t *engine);
    /* ... and is there anything to hand to the kernel? */
    uint32_t (*unsubmitted)(const rota_engine_t *engine);

    /* Hands over what is queued and makes the kernel deliver what is complete, without waiting.
     * 0 or -errno for what is wrong with the engine itself (its thread is not the owner...). */
    int (*flush)(rota_engine_t *engine);

    /* The same, then waits for the first completion for at most `timeout_ns` (-1: for ever). The
     * only call made without the interpreter lock; touches nothing that other threads see.
     * 0, -ETIME, -EINTR, or -errno as above. */
    int (*wait)(rota_engine_t *engine, int64_t timeout_ns);

    /* Walks the completions: records results, moves announced ops to `completed`, gives back the
     * buffers and descriptors of abandoned ones. Returns how many it walked. */
    uint32_t (*drain)(rota_engine_t *engine);

    /* Takes back the provided buffer behind a shot (and the shot itself, which must be off its
     * op's list). */
    void (*shot_release)(rota_engine_t *engine, rota_shot_t *shot);

    /* Registered file table. hold: a slot for fd, or -errno (-ENFILE: full, -EOPNOTSUPP: none).
     * drop: the slot is free again; the file leaves the table at the next flush or wait. */
    int (*slot_hold)(rota_engine_t *engine, int fd);
    void (*slot_drop)(rota_engine_t *engine, int slot);

    /* Registered memory, which READ and WRITE inside it use by themselves. hold: its place, or
     * -errno (-EOPNOTSUPP: there is no such thing). drop: before the memory is unmapped; what is in
     * flight in it ends as it would have. */
    int (*buffer_hold)(rota_engine_t *engine, const void *memory, size_t size);
    void (*buffer_drop)(rota_engine_t *engine, int place);

    /* Ends the engine. With ops in flight their memory and the ring are leaked on purpose and
     * counted in the result; settle first. */
    uint32_t (*close)(rota_engine_t *engine);
};

struct rota_engine {
    const struct rota_engine_api *api;
    rota_ops_t ops;
    rota_list_t completed; /* announced ops (rota_op_t.link), in the order of their completions */
    rota_wake_t wake;
    rota_features_t features;
    rota_engine_stats_t stats;
    bool buffers_low;   /* few provided buffers are left: copy out what slow readers hold */
    bool buffers_back;  /* starved receives may be armed again */
    bool dead;          /* closed, or left behind by fork */
    bool receives_many; /* RECV_MULTI is served: there are buffers for it */
    bool slow_files;    /* as the option */
    bool batches;       /* many ops cost less together than one by one */
    uint32_t links_max; /* ops that one chain may have; 0: there are no chains */

    /* Set by who opened the engine: is the file that the op was for still open under the number
     * `descriptor`? A close that nobody was told of may have freed the number, which may be another
     * file's by now. Asked with the interpreter lock held. NULL: it always is. */
    bool (*still_open)(const rota_engine_t *engine, const rota_op_t *op);

    /* what every engine has (delivery.h), and nobody else looks at */
    rota_list_t queue;   /* QUEUED ops that were not handed over (rota_op_t.link), oldest first */
    rota_bufring_t pool; /* open from the first RECV_MULTI on */
    uint32_t buffers, buffers_max, buffer_size; /* what to open it with */
    rota_list_t spare_shots;
    uint32_t spare_shot_count;
    uint32_t drains; /* since the pool last decayed */
    bool starved;    /* a receive found no buffer since buffers_back was last said */
    rota_fork_guard_t guard;
    rota_engine_t *next_lost;
};

/* An io_uring engine for the calling thread. 0 and *engine, or -errno with a sentence in `why`
 * that says what refused and how to allow it. Hidden and refused features show in features. */
int rota_ring_open(const rota_engine_options_t *options, rota_engine_t **engine, char *why,
                   size_t why_size);

/* An epoll engine, for where the kernel grants no io_uring. Its features are all refused; hidden
 * ones that an engine can do without (provided and incremental buffers) are hidden here, too. */
int rota_poller_open(const rota_engine_options_t *options, rota_engine_t **engine, char *why,
                     size_t why_size);

/* Takes a DONE op off its announcement and frees it; a shorter name for what every verb ends
 * with. */
static inline void rota_engine_release(rota_engine_t *engine, rota_op_t *op)
{
    rota_list_remove(&op->link);
    rota_op_release(&engine->ops, op);
}

/* The task leaves an op to the kernel: cancelled if asked for (a multishot op always, it has no end
 * of its own), freed by its final completion. Its shots are given back (bytes) or closed
 * (descriptors), and so is the descriptor that an accept or an open delivers later. For an op
 * already DONE: the same, and freed now. */
void rota_engine_abandon(rota_engine_t *engine, rota_op_t *op);

/* Gives back or closes every shot on the op's list. */
void rota_engine_drop_shots(rota_engine_t *engine, rota_op_t *op);

/* A final result that nobody takes: closes the descriptor of an ACCEPT or OPENAT. */
void rota_engine_drop_result(const rota_op_t *op, int32_t result);

#endif
