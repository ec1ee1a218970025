#include "check.h"
#include "heap.h"

enum { TIMERS = 500, ROUNDS = 20000 };

static rota_timer_t timers[TIMERS];
static rota_heap_t heap;

static void reset(void)
{
    rota_heap_init(&heap);
    memset(timers, 0, sizeof timers);
}

/* The oracle: the smallest deadline of the armed timers, by looking at all of them. */
static uint64_t earliest(void)
{
    uint64_t best = UINT64_MAX;
    for (int i = 0; i < TIMERS; i++) {
        if (rota_timer_armed(&timers[i]) && timers[i].deadline_ns < best) {
            best = timers[i].deadline_ns;
        }
    }
    return best;
}

static bool consistent(void)
{
    for (uint32_t i = 0; i < heap.count; i++) {
        const rota_heap_entry_t *entry = &heap.entries[i];
        if (entry->timer->position != i + 1) return false;
        if (entry->timer->deadline_ns != entry->deadline_ns) return false;
        if (i > 0 && heap.entries[(i - 1) / 4].deadline_ns > entry->deadline_ns) return false;
    }
    return heap.count <= heap.capacity && rota_heap_next_ns(&heap) == earliest();
}

static void test_empty(void)
{
    reset();
    CHECK(rota_heap_next_ns(&heap) == UINT64_MAX);
    CHECK(!rota_heap_pop_due(&heap, UINT64_MAX));
    rota_heap_remove(&heap, &timers[0]); /* harmless */
    rota_heap_free(&heap);
}

static void test_pops_only_what_is_due(void)
{
    reset();
    CHECK(rota_heap_insert(&heap, &timers[0], 20) == 0);
    CHECK(rota_heap_insert(&heap, &timers[1], 10) == 0);
    CHECK(rota_heap_next_ns(&heap) == 10);
    CHECK(!rota_heap_pop_due(&heap, 9));
    CHECK(rota_heap_pop_due(&heap, 10) == &timers[1]);
    CHECK(!rota_timer_armed(&timers[1]) && rota_timer_armed(&timers[0]));
    CHECK(!rota_heap_pop_due(&heap, 19));
    CHECK(rota_heap_pop_due(&heap, 100) == &timers[0]);
    CHECK(heap.count == 0);
    rota_heap_free(&heap);
}

static void test_a_deadline_that_never_comes(void)
{
    reset();
    CHECK(rota_heap_insert(&heap, &timers[0], UINT64_MAX) == 0);
    CHECK(!rota_heap_pop_due(&heap, UINT64_MAX - 1));
    CHECK(rota_heap_pop_due(&heap, UINT64_MAX) == &timers[0]);
    rota_heap_free(&heap);
}

static void toggle(rota_timer_t *timer)
{
    if (rota_timer_armed(timer)) {
        rota_heap_remove(&heap, timer);
    } else {
        CHECK(rota_heap_insert(&heap, timer, (uint64_t)(rand() % 1000)) == 0);
    }
}

static void test_against_the_oracle(void)
{
    reset();
    srand(1);
    bool good = true;
    for (int round = 0; round < ROUNDS; round++) {
        toggle(&timers[rand() % TIMERS]);
        if (rand() % 8 == 0) {
            uint64_t now = (uint64_t)(rand() % 1000), first = earliest();
            rota_timer_t *timer = rota_heap_pop_due(&heap, now);
            good = good && (timer ? timer->deadline_ns == first && first <= now : first > now);
        }
        if (round % 16 == 0) good = good && consistent();
    }
    CHECK(good);
    uint64_t last = 0;
    for (rota_timer_t *timer; (timer = rota_heap_pop_due(&heap, UINT64_MAX));) {
        good = good && timer->deadline_ns >= last;
        last = timer->deadline_ns;
    }
    CHECK(good && heap.count == 0);
    rota_heap_free(&heap);
}

static void test_shrinks_when_mostly_empty(void)
{
    reset();
    for (int i = 0; i < TIMERS; i++) rota_heap_insert(&heap, &timers[i], (uint64_t)i);
    uint32_t full = heap.capacity;
    for (int i = 0; i < TIMERS - 3; i++) rota_heap_remove(&heap, &timers[i]);
    CHECK(heap.capacity < full / 4);
    CHECK(heap.count == 3 && consistent());
    rota_heap_free(&heap);
}

int main(void)
{
    RUN(test_empty);
    RUN(test_pops_only_what_is_due);
    RUN(test_a_deadline_that_never_comes);
    RUN(test_against_the_oracle);
    RUN(test_shrinks_when_mostly_empty);
    return check_end();
}
