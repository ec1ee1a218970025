#include "buftab.h"

#include <liburing.h>

static int update(rota_buftab_t *table, int place, const void *memory, size_t size)
{
    struct iovec part = {.iov_base = (void *)(uintptr_t)memory, .iov_len = size};
    __u64 tag = 0;
    int status = io_uring_register_buffers_update_tag(table->ring, (unsigned)place, &part, &tag, 1);
    return status == 1 ? 0 : status < 0 ? status : -EINVAL;
}

static int open_table(rota_buftab_t *table, struct io_uring *ring)
{
    if (table->ring) return 0;
    int status = io_uring_register_buffers_sparse(ring, ROTA_BUFTAB_SIZE);
    if (status == 0) table->ring = ring;
    return status;
}

int rota_buftab_hold(rota_buftab_t *table, struct io_uring *ring, const void *memory, size_t size)
{
    int place = 0, status = open_table(table, ring);
    if (status < 0) return status;
    while (place < ROTA_BUFTAB_SIZE && table->entries[place].memory) place++;
    if (place == ROTA_BUFTAB_SIZE) return -ENFILE;
    status = update(table, place, memory, size);
    if (status < 0) return status;
    table->entries[place].memory = memory;
    table->entries[place].size = size;
    table->used++;
    return place;
}

void rota_buftab_drop(rota_buftab_t *table, int place)
{
    assert(table->entries[place].memory);
    (void)update(table, place, NULL, 0);
    table->entries[place].memory = NULL;
    table->used--;
}

int rota_buftab_find(const rota_buftab_t *table, const void *memory, size_t length)
{
    const uint8_t *first = memory;
    uint32_t left = table->used;
    for (int place = 0; left; place++) {
        const uint8_t *start = table->entries[place].memory;
        size_t size = table->entries[place].size;
        if (!start) continue;
        left--;
        if (first >= start && first < start + size && length <= size - (size_t)(first - start))
            return place;
    }
    return -1;
}
