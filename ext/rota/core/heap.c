#include "heap.h"

enum { ARITY = 4, SMALLEST_CAPACITY = 16 };

void rota_heap_init(rota_heap_t *heap)
{
    *heap = (rota_heap_t){0};
}

void rota_heap_free(rota_heap_t *heap)
{
    free(heap->entries);
    free(heap->seats);
    rota_heap_init(heap);
}

/* -- seats --------------------------------------------------------------------------------------
 */

static uint32_t take_seat(rota_heap_t *heap, rota_timer_t *timer)
{
    uint32_t seat = heap->free_seat ? heap->free_seat - 1 : heap->used_seats++;
    if (heap->free_seat) heap->free_seat = heap->seats[seat].position;
    heap->seats[seat].timer = timer;
    timer->seat = seat + 1;
    return seat;
}

static rota_timer_t *leave_seat(rota_heap_t *heap, uint32_t seat)
{
    rota_timer_t *timer = heap->seats[seat].timer;
    heap->seats[seat] = (rota_heap_seat_t){NULL, heap->free_seat};
    heap->free_seat = seat + 1;
    return timer;
}

/* -- memory -------------------------------------------------------------------------------------
 */

static int grow(rota_heap_t *heap)
{
    uint32_t capacity = heap->capacity ? heap->capacity * 2 : SMALLEST_CAPACITY;
    rota_heap_entry_t *entries = realloc(heap->entries, capacity * sizeof *entries);
    if (!entries) return -ENOMEM;
    heap->entries = entries;
    rota_heap_seat_t *seats = realloc(heap->seats, capacity * sizeof *seats);
    if (!seats) return -ENOMEM;
    heap->seats = seats;
    heap->capacity = capacity;
    return 0;
}

/* All move to the first seats of a smaller array. */
static void shrink(rota_heap_t *heap, uint32_t capacity)
{
    rota_heap_seat_t *seats = malloc(capacity * sizeof *seats);
    if (!seats) return; /* the larger array stays */
    for (uint32_t at = 0; at < heap->count; at++) {
        rota_heap_entry_t *entry = &heap->entries[at];
        seats[at] = (rota_heap_seat_t){heap->seats[entry->seat].timer, at};
        seats[at].timer->seat = at + 1;
        entry->seat = at;
    }
    free(heap->seats);
    heap->seats = seats;
    heap->free_seat = 0;
    heap->used_seats = heap->count;
    heap->capacity = capacity;
    rota_heap_entry_t *entries = realloc(heap->entries, capacity * sizeof *entries);
    if (entries) heap->entries = entries;
}

/* Four times emptier than it would be after one halving: no insert right after pays for growing. */
static void shrink_if_sparse(rota_heap_t *heap)
{
    if (heap->capacity > SMALLEST_CAPACITY && heap->count < heap->capacity / 8)
        shrink(heap, heap->capacity / 2);
}

/* -- order --------------------------------------------------------------------------------------
 */

static void place(rota_heap_t *heap, uint32_t at, rota_heap_entry_t entry)
{
    heap->entries[at] = entry;
    heap->seats[entry.seat].position = at;
}

static void sift_up(rota_heap_t *heap, uint32_t at, rota_heap_entry_t entry)
{
    while (at > 0) {
        uint32_t parent = (at - 1) / ARITY;
        if (heap->entries[parent].deadline_ns <= entry.deadline_ns) break;
        place(heap, at, heap->entries[parent]);
        at = parent;
    }
    place(heap, at, entry);
}

static uint32_t earliest_child(const rota_heap_t *heap, uint32_t first)
{
    uint32_t end = first + ARITY < heap->count ? first + ARITY : heap->count;
    uint32_t best = first;
    for (uint32_t child = first + 1; child < end; child++) {
        if (heap->entries[child].deadline_ns < heap->entries[best].deadline_ns) best = child;
    }
    return best;
}

static void sift_down(rota_heap_t *heap, uint32_t at, rota_heap_entry_t entry)
{
    for (;;) {
        uint32_t first = at * ARITY + 1;
        if (first >= heap->count) break;
        uint32_t child = earliest_child(heap, first);
        if (heap->entries[child].deadline_ns >= entry.deadline_ns) break;
        place(heap, at, heap->entries[child]);
        at = child;
    }
    place(heap, at, entry);
}

int rota_heap_insert(rota_heap_t *heap, rota_timer_t *timer, uint64_t deadline_ns)
{
    assert(!rota_timer_armed(timer));
    if (heap->count == heap->capacity) {
        int status = grow(heap);
        if (status < 0) return status;
    }
    timer->deadline_ns = deadline_ns;
    uint32_t seat = take_seat(heap, timer);
    sift_up(heap, heap->count++, (rota_heap_entry_t){deadline_ns, seat});
    return 0;
}

/* Closes the gap at `at`, whose entry is gone. */
static void close_gap(rota_heap_t *heap, uint32_t at)
{
    rota_heap_entry_t last = heap->entries[--heap->count];
    if (at == heap->count) return;
    bool rises = at > 0 && last.deadline_ns < heap->entries[(at - 1) / ARITY].deadline_ns;
    (rises ? sift_up : sift_down)(heap, at, last);
}

void rota_heap_remove(rota_heap_t *heap, rota_timer_t *timer)
{
    if (!rota_timer_armed(timer)) return;
    uint32_t seat = timer->seat - 1;
    assert(seat < heap->used_seats && heap->seats[seat].timer == timer);
    uint32_t at = heap->seats[seat].position;
    assert(at < heap->count && heap->entries[at].seat == seat);
    timer->seat = 0;
    leave_seat(heap, seat);
    close_gap(heap, at);
    shrink_if_sparse(heap);
}

/* The timer's own line is on its way while the next ones are taken off. */
static rota_timer_t *take_first(rota_heap_t *heap)
{
    rota_timer_t *timer = leave_seat(heap, heap->entries[0].seat);
    __builtin_prefetch(timer, 1);
    close_gap(heap, 0);
    return timer;
}

uint32_t rota_heap_take_due(rota_heap_t *heap, uint64_t now_ns, rota_timer_t **due, uint32_t most)
{
    uint32_t count = 0;
    while (count < most && heap->count && heap->entries[0].deadline_ns <= now_ns)
        due[count++] = take_first(heap);
    for (uint32_t i = 0; i < count; i++) due[i]->seat = 0;
    if (count) shrink_if_sparse(heap);
    return count;
}
