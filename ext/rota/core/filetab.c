#include "filetab.h"

#include <liburing.h>

/* Free entries are the stack `free` plus those from `fresh` on, which nobody used yet: the arrays
 * of a large table cost memory only as far as they are used.
 *
 * An entry is free, or held (fds[] >= 0, or -1 after the kernel refused its descriptor), or dropped
 * (fds[] == -1 and dirty): the next flush makes that one free. */
static uint32_t stacked(const rota_filetab_t *table)
{
    return table->free_count - (table->size - table->fresh);
}

static bool allocate(rota_filetab_t *table, uint32_t size)
{
    table->fds = calloc(size, sizeof *table->fds);
    table->free = calloc(size, sizeof *table->free);
    table->dirty = calloc(size, sizeof *table->dirty);
    table->is_dirty = calloc(size, sizeof *table->is_dirty);
    return table->fds && table->free && table->dirty && table->is_dirty;
}

static void deallocate(rota_filetab_t *table)
{
    free(table->fds);
    free(table->free);
    free(table->dirty);
    free(table->is_dirty);
    *table = (rota_filetab_t){0};
}

int rota_filetab_open(rota_filetab_t *table, struct io_uring *ring, uint32_t size)
{
    *table = (rota_filetab_t){.ring = ring, .size = size, .free_count = size};
    int status = allocate(table, size) ? io_uring_register_files_sparse(ring, size) : -ENOMEM;
    if (status < 0) deallocate(table);
    return status < 0 ? status : 0;
}

void rota_filetab_close(rota_filetab_t *table)
{
    if (table->ring) io_uring_unregister_files(table->ring);
    deallocate(table);
}

void rota_filetab_forget(rota_filetab_t *table)
{
    deallocate(table);
}

static void mark_dirty(rota_filetab_t *table, uint32_t slot)
{
    if (table->is_dirty[slot]) return;
    table->is_dirty[slot] = 1;
    table->dirty[table->dirty_count++] = slot;
}

int rota_filetab_hold(rota_filetab_t *table, int fd)
{
    assert(fd >= 0);
    if (table->free_count == 0) return -ENFILE;
    uint32_t top = stacked(table);
    uint32_t slot = top ? table->free[top - 1] : table->fresh++;
    table->free_count--;
    table->fds[slot] = fd;
    mark_dirty(table, slot);
    return (int)slot;
}

void rota_filetab_drop(rota_filetab_t *table, int slot)
{
    uint32_t index = (uint32_t)slot;
    assert(slot >= 0 && index < table->fresh);
    assert(!(table->fds[index] == -1 && table->is_dirty[index]) && "dropped twice");
    table->fds[index] = -1;
    mark_dirty(table, index);
}

static int compare_slots(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Length of the run of neighbours that starts at dirty[at]. */
static uint32_t run_length(const rota_filetab_t *table, uint32_t at)
{
    uint32_t length = 1;
    while (at + length < table->dirty_count &&
           table->dirty[at + length] == table->dirty[at] + length) {
        length++;
    }
    return length;
}

static void settle(rota_filetab_t *table, uint32_t slot)
{
    table->is_dirty[slot] = 0;
    if (table->fds[slot] != -1) return;
    table->free[stacked(table)] = slot;
    table->free_count++;
}

/* The kernel emptied the entry and took nothing in its place. Its holder still has the number, and
 * finds -EBADF behind it; a dropped one is as free as it would be otherwise. */
static void settle_refused(rota_filetab_t *table, uint32_t slot)
{
    if (table->fds[slot] == -1) {
        settle(table, slot);
    } else {
        table->is_dirty[slot] = 0;
        table->fds[slot] = -1;
    }
}

/* One system call for a run of neighbours. Returns how many entries it settled: the kernel stops
 * at the first that it refuses, and a short count hides why (it can only be the descriptor). */
static uint32_t update_run(rota_filetab_t *table, uint32_t slot, uint32_t length, int *status)
{
    int result = io_uring_register_files_update(table->ring, slot, &table->fds[slot], length);
    uint32_t done = result > 0 ? (uint32_t)result : 0;
    for (uint32_t i = 0; i < done; i++) settle(table, slot + i);
    if (done == length) return done;

    if (*status == 0) *status = result < 0 ? result : -EBADF;
    settle_refused(table, slot + done);
    return done + 1;
}

int rota_filetab_flush(rota_filetab_t *table, uint64_t *calls)
{
    int status = 0;
    if (table->dirty_count > 1) {
        qsort(table->dirty, table->dirty_count, sizeof *table->dirty, compare_slots);
    }
    for (uint32_t at = 0; at < table->dirty_count; (*calls)++) {
        at += update_run(table, table->dirty[at], run_length(table, at), &status);
    }
    table->dirty_count = 0;
    return status;
}
