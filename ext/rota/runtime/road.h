/* A system call now, or an entry of the engine: the one place that decides which road a request
 * takes.
 *
 * Sockets and pipes: with hardly anybody else ready an entry would cost an enter of its own, so it
 * is the same call plus a switch; with many ready one enter carries all of them, on an engine that
 * batches. Reads that have to wait for their bytes: runtime/held.h.
 *
 * Files: what the caches answer is a call, however many others are ready (core/disk.h has the
 * measurements); the rest is the engine's. */
#ifndef ROTA_ROAD_H
#define ROTA_ROAD_H

#include "runtime/loop.h"

/* Are there so few others ready that hardly anybody would share an enter? */
bool rota_road_is_quiet(const rota_loop_t *loop);

/* How many entries wait for the next enter, but for those that are held back? Counts no further
 * than anybody needs to know. */
uint32_t rota_road_entries(const rota_loop_t *loop);

/* Will an enter be made anyway, or be shared by others? */
bool rota_road_shares_enter(const rota_loop_t *loop);

/* Does anything for this descriptor wait for the next enter, which a system call would overtake?
 * Tasks that write one after the other are read in that order. */
static inline bool rota_road_would_overtake(const rota_loop_t *loop, int fd)
{
    ROTA_LIST_EACH(&loop->outgoing, link)
        if (rota_op_is_for(ROTA_LIST_ENTRY(link, rota_op_t, link), fd)) return true;
    return false;
}

/* Is a system call that cannot block, and overtakes nothing, better tried first? Counts it as one
 * made at once. */
bool rota_road_prefers_call(rota_loop_t *loop, int fd);

/* Is a file to be asked for what it has at once? Counts that. */
bool rota_road_asks_files(rota_loop_t *loop);

/* May the task make a system call now that is cheaper in any case, or must it give way first?
 * Counts it. */
bool rota_road_has_turn(rota_loop_t *loop);

/* For any op, before it is awaited: true when it was done at once; then *result is there, and the
 * op is gone. False: it is the engine's. */
bool rota_road_attempt(rota_loop_t *loop, rota_op_t *op, int32_t *result);

#endif
