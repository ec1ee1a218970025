/* Which descriptors the epoll set watches, for which ops.
 *
 * A watch belongs to a number, not to a file: the kernel's registration belongs to both. So the
 * engine may be wrong about a number that was closed behind its back, and finds out here:
 *
 *   - Arming is one epoll_ctl per wait, even if the same events were armed already: it fails when
 *     the number has become another file's, and then what waited for the old file ends.
 *   - A registration outlives its number while a duplicate keeps the file open (a forked child's,
 *     say), and cannot be removed any more. Each registration carries the generation of its watch;
 *     one of an older generation that makes itself heard means that the set is made anew.
 *
 * Ops that wait for one thing are armed for one event (EPOLLONESHOT): what is ready while nobody
 * waits costs nothing. Multishot ops keep a level-triggered registration as long as they live, and
 * their next piece costs no epoll_ctl. */
#ifndef ROTA_WATCH_H
#define ROTA_WATCH_H

#include "chain.h"

#include <sys/epoll.h>

typedef struct rota_watch {
    int fd;
    uint32_t generation; /* of the file behind the number, as far as the engine knows */
    uint32_t armed;      /* events that the kernel watches for, and how; 0: none */
    uint32_t wanted;     /* events of those that wait; may still hold those of some that left */
    uint32_t allowed;    /* events for which the file is known to be open */
    uint32_t multishots; /* of those that wait, the ones that stay */
    uint32_t jobs;       /* ops on the number that helpers have */
    bool registered;     /* the kernel has a registration, armed or not */
    bool ordered;        /* one of the jobs moves the file's position: the next waits for it */
    bool edges;          /* only changes are reported: its state helps none of those that wait */
    bool moved;          /* a duplicate that the engine closes when nobody waits */
    rota_chain_t waiting;
} rota_watch_t;

enum { ROTA_WATCHES_OWN_MAX = 2 };

typedef struct rota_watches {
    int epoll_fd;
    int own[ROTA_WATCHES_OWN_MAX]; /* descriptors of the engine's own, by tag - 1; -1: none */
    rota_watch_t **watches;        /* by descriptor number; NULL where nobody ever waited */
    uint32_t capacity;
    uint32_t generations; /* given out so far */
    bool stale;           /* a registration that nobody can remove made itself heard */
} rota_watches_t;

/* 0 or -errno. */
int rota_watches_open(rota_watches_t *watches);
void rota_watches_close(rota_watches_t *watches);
/* In a forked child; async-signal-safe. */
void rota_watches_drop_in_child(rota_watches_t *watches);

/* Watches a descriptor of the engine's own: every rise is reported once, and nothing is to be read.
 * `tag` is what rota_watches_own_tag finds in the event. */
int rota_watches_add_own(rota_watches_t *watches, int fd, uint32_t tag);
/* The tag, or 0 for the event of a watch. */
uint32_t rota_watches_own_tag(const struct epoll_event *event);

/* The watch of a number, or NULL when there is none (`get`: when memory is out). */
rota_watch_t *rota_watches_find(const rota_watches_t *watches, int fd);
rota_watch_t *rota_watches_get(rota_watches_t *watches, int fd);

/* The watch that an event is for; NULL when it is of an older generation. */
rota_watch_t *rota_watches_of_event(const rota_watches_t *watches, const struct epoll_event *event);

/* Makes the kernel watch for watch->wanted. 0, or -errno (-EPERM: such files are always ready).
 * *replaced: the number is another file's than that of the last registration. */
int rota_watch_arm(rota_watches_t *watches, rota_watch_t *watch, bool *replaced);
/* Is that what the kernel watches for already? */
bool rota_watch_is_armed(const rota_watch_t *watch);
/* An event came: a one-shot registration is used up. */
void rota_watch_fired(rota_watch_t *watch);
/* Nobody waits: removes what is still armed. */
void rota_watch_disarm(rota_watches_t *watches, rota_watch_t *watch);
/* The number is about to be closed: whatever comes from the file from here on is of an older
 * generation. */
void rota_watch_forget(rota_watches_t *watches, rota_watch_t *watch);
/* Moves the watch to another number of the same file; `fd` must have no waiting ops. 0 or -errno.
 */
int rota_watch_move(rota_watches_t *watches, rota_watch_t *watch, int fd);

/* Replaces the set when it became stale. 0 or -errno: then it is tried again next time. */
int rota_watches_renew(rota_watches_t *watches);

#endif
