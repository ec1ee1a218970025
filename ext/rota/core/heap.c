#include "heap.h"

enum { ARITY = 4, SMALLEST_CAPACITY = 16 };

void rota_heap_init(rota_heap_t *heap)
{
    *heap = (rota_heap_t){0};
}

void rota_heap_free(rota_heap_t *heap)
{
    free(heap->entries);
    rota_heap_init(heap);
}

static int resize(rota_heap_t *heap, uint32_t capacity)
{
    rota_heap_entry_t *entries = realloc(heap->entries, capacity * sizeof *entries);
    if (!entries) return -ENOMEM;
    heap->entries = entries;
    heap->capacity = capacity;
    return 0;
}

/* Four times emptier than it would be after one halving: no insert right after pays for growing. */
static void shrink_if_sparse(rota_heap_t *heap)
{
    if (heap->capacity > SMALLEST_CAPACITY && heap->count < heap->capacity / 8) {
        (void)resize(heap, heap->capacity / 2); /* a failure keeps the larger array */
    }
}

static void place(rota_heap_t *heap, uint32_t at, rota_heap_entry_t entry)
{
    heap->entries[at] = entry;
    entry.timer->position = at + 1;
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
        int status = resize(heap, heap->capacity ? heap->capacity * 2 : SMALLEST_CAPACITY);
        if (status < 0) return status;
    }
    timer->deadline_ns = deadline_ns;
    sift_up(heap, heap->count++, (rota_heap_entry_t){deadline_ns, timer});
    return 0;
}

void rota_heap_remove(rota_heap_t *heap, rota_timer_t *timer)
{
    if (!rota_timer_armed(timer)) return;
    uint32_t at = timer->position - 1;
    assert(at < heap->count && heap->entries[at].timer == timer);
    timer->position = 0;

    rota_heap_entry_t last = heap->entries[--heap->count];
    if (at < heap->count) {
        bool rises = at > 0 && last.deadline_ns < heap->entries[(at - 1) / ARITY].deadline_ns;
        (rises ? sift_up : sift_down)(heap, at, last);
    }
    shrink_if_sparse(heap);
}

rota_timer_t *rota_heap_pop_due(rota_heap_t *heap, uint64_t now_ns)
{
    if (rota_heap_next_ns(heap) > now_ns || heap->count == 0) return NULL;
    rota_timer_t *timer = heap->entries[0].timer;
    rota_heap_remove(heap, timer);
    return timer;
}
