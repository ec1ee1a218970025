#include "scheduler/blocked.h"

#define BUCKETS_MIN 64

/* The low bits of an object's address are always the same. */
static rota_list_t *bucket_of(const rota_blocked_table_t *table, VALUE fiber)
{
    uint64_t hash = (uint64_t)(fiber >> 3) * UINT64_C(0x9E3779B97F4A7C15);
    return &table->buckets[(uint32_t)(hash >> 32) & table->mask];
}

static void move_all(rota_blocked_table_t *to, rota_blocked_table_t *from)
{
    for (uint32_t i = 0; i <= from->mask; i++) {
        rota_list_t *link;
        while ((link = rota_list_pop(&from->buckets[i]))) {
            rota_blocked_t *blocked = ROTA_LIST_ENTRY(link, rota_blocked_t, link);
            rota_list_push_back(bucket_of(to, blocked->fiber), link);
        }
    }
}

void rota_blocked_reserve(rota_blocked_table_t *table)
{
    uint32_t size = table->buckets ? table->mask + 1 : 0;
    if (ROTA_LIKELY(table->count < size)) return;
    uint32_t larger = size ? size * 2 : BUCKETS_MIN;
    rota_blocked_table_t next = {
        .buckets = ALLOC_N(rota_list_t, larger), .mask = larger - 1, .count = table->count};
    for (uint32_t i = 0; i < larger; i++) rota_list_init(&next.buckets[i]);
    if (table->buckets) move_all(&next, table);
    xfree(table->buckets);
    *table = next;
}

void rota_blocked_add(rota_blocked_table_t *table, rota_blocked_t *blocked)
{
    assert(table->buckets);
    rota_list_init(&blocked->link);
    rota_list_push_front(bucket_of(table, blocked->fiber), &blocked->link);
    table->count++;
}

void rota_blocked_remove(rota_blocked_table_t *table, rota_blocked_t *blocked)
{
    rota_list_remove(&blocked->link);
    table->count--;
}

rota_blocked_t *rota_blocked_find(const rota_blocked_table_t *table, VALUE fiber)
{
    if (table->count == 0) return NULL;
    ROTA_LIST_EACH(bucket_of(table, fiber), link) {
        rota_blocked_t *blocked = ROTA_LIST_ENTRY(link, rota_blocked_t, link);
        if (blocked->fiber == fiber) return blocked;
    }
    return NULL;
}

void rota_blocked_free(rota_blocked_table_t *table)
{
    xfree(table->buckets);
    *table = (rota_blocked_table_t){0};
}
