#include "bufring.h"

#include "compat.h"

#include <sys/mman.h>
#include <unistd.h>

enum { MAXIMUM_ENTRIES = 32768 };

static uint32_t round_up_to_power_of_two(uint32_t n)
{
    uint32_t power = 1;
    while (power < n) power *= 2;
    return power;
}

static uint32_t minimum(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static size_t entries_size(const rota_bufring_t *pool)
{
    return pool->capacity * sizeof(struct io_uring_buf);
}

static size_t memory_size(const rota_bufring_t *pool)
{
    return (size_t)pool->capacity * pool->buffer_size;
}

/* Anonymous memory that a forked child does not get: it costs nothing until it is touched, and the
 * child's copies would keep the parent's pages doubled. */
static void *map_private(size_t size)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (memory == MAP_FAILED) return NULL;
    (void)madvise(memory, size, MADV_DONTFORK);
    return memory;
}

static void unmap(void *memory, size_t size)
{
    if (memory) munmap(memory, size);
}

/* Puts the buffer, whole and empty, at the end of the kernel's queue. */
static void provide(rota_bufring_t *pool, uint32_t bid)
{
    rota_buffer_t *buffer = &pool->buffers[bid];
    assert(buffer->bytes && !buffer->provided && buffer->segments == 0);
    buffer->filled = 0;
    buffer->provided = true;
    pool->provided++;
    io_uring_buf_ring_add(pool->entries, buffer->bytes, pool->buffer_size, (unsigned short)bid,
                          io_uring_buf_ring_mask(pool->capacity), 0);
    io_uring_buf_ring_advance(pool->entries, 1);
}

static uint8_t *place_of(const rota_bufring_t *pool, uint32_t bid)
{
    return pool->memory + (size_t)bid * pool->buffer_size;
}

static void create(rota_bufring_t *pool, uint32_t bid)
{
    pool->buffers[bid].bytes = place_of(pool, bid);
    pool->count++;
    provide(pool, bid);
}

/* Only pages that lie in this buffer as a whole: its neighbours hold bytes in the others. */
static void release_pages(uint8_t *bytes, size_t size)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t start = ((uintptr_t)bytes + page - 1) & ~(page - 1);
    uintptr_t end = ((uintptr_t)bytes + size) & ~(page - 1);
    if (start < end) (void)madvise((void *)start, end - start, MADV_DONTNEED);
}

/* The pages go back to the system; the bid becomes spare. */
static void retire(rota_bufring_t *pool, uint32_t bid)
{
    rota_buffer_t *buffer = &pool->buffers[bid];
    assert(!buffer->provided && buffer->segments == 0);
    release_pages(buffer->bytes, pool->buffer_size);
    buffer->bytes = NULL;
    pool->count--;
}

/* Spare bids first (one exists below `fresh` exactly when fewer than `fresh` have memory). */
static void create_up_to_target(rota_bufring_t *pool)
{
    for (uint32_t bid = 0; pool->count < pool->target && pool->count < pool->fresh; bid++) {
        if (!pool->buffers[bid].bytes) create(pool, bid);
    }
    while (pool->count < pool->target) create(pool, pool->fresh++);
}

static int register_entries(rota_bufring_t *pool)
{
    struct io_uring_buf_reg registration = {
        .ring_addr = (uintptr_t)pool->entries,
        .ring_entries = pool->capacity,
        .bgid = (uint16_t)pool->bgid,
    };
    rota_buf_reg_set_flags(&registration, pool->incremental ? ROTA_PBUF_RING_INC : 0);
    int status = io_uring_register_buf_ring(pool->ring, &registration, 0);
    return status < 0 ? status : 0;
}

static int allocate(rota_bufring_t *pool)
{
    pool->buffers = calloc(pool->capacity, sizeof *pool->buffers);
    pool->entries = map_private(entries_size(pool));
    pool->memory = map_private(memory_size(pool));
    if (!pool->buffers || !pool->entries || !pool->memory) return -ENOMEM;
    io_uring_buf_ring_init(pool->entries);
    return 0;
}

static void deallocate(rota_bufring_t *pool)
{
    unmap(pool->memory, memory_size(pool));
    unmap(pool->entries, entries_size(pool));
    rota_bufring_forget(pool);
}

int rota_bufring_open(rota_bufring_t *pool, struct io_uring *ring, uint32_t bgid, uint32_t initial,
                      uint32_t maximum, uint32_t buffer_size, bool incremental)
{
    uint32_t capacity = round_up_to_power_of_two(minimum(maximum, MAXIMUM_ENTRIES));
    *pool = (rota_bufring_t){
        .ring = ring,
        .capacity = capacity,
        .buffer_size = buffer_size,
        .target = minimum(initial, capacity),
        .minimum = minimum(initial, capacity),
        .bgid = bgid,
        .incremental = incremental,
    };
    int status = allocate(pool);
    if (status == 0 && ring) status = register_entries(pool);
    if (status < 0) {
        deallocate(pool);
        return status;
    }
    create_up_to_target(pool);
    return 0;
}

void rota_bufring_close(rota_bufring_t *pool)
{
    if (pool->ring) io_uring_unregister_buf_ring(pool->ring, (int)pool->bgid);
    deallocate(pool);
}

void rota_bufring_forget(rota_bufring_t *pool)
{
    free(pool->buffers);
    *pool = (rota_bufring_t){0};
}

uint8_t *rota_bufring_front(const rota_bufring_t *pool, uint32_t *bid, uint32_t *room)
{
    assert(!pool->ring);
    if (pool->provided == 0) return NULL;
    *bid = pool->entries->bufs[pool->taken & (pool->capacity - 1)].bid;
    const rota_buffer_t *buffer = &pool->buffers[*bid];
    assert(buffer->provided && buffer->filled < pool->buffer_size);
    *room = pool->buffer_size - buffer->filled;
    return buffer->bytes + buffer->filled;
}

uint8_t *rota_bufring_take(rota_bufring_t *pool, uint32_t bid, uint32_t length, bool more)
{
    rota_buffer_t *buffer = &pool->buffers[bid];
    assert(bid < pool->capacity && buffer->provided);
    assert(length <= pool->buffer_size - buffer->filled);
    uint8_t *bytes = buffer->bytes + buffer->filled;
    buffer->filled += length;
    if (!(pool->incremental && more)) {
        buffer->provided = false;
        pool->provided--;
        pool->taken++;
    }
    if (buffer->segments++ == 0) pool->lent++;
    return bytes;
}

void rota_bufring_give_back(rota_bufring_t *pool, uint32_t bid)
{
    rota_buffer_t *buffer = &pool->buffers[bid];
    assert(bid < pool->capacity && buffer->segments > 0);
    if (--buffer->segments > 0) return;
    pool->lent--;
    if (buffer->provided) return;
    if (pool->count > pool->target) {
        retire(pool, bid);
    } else {
        provide(pool, bid);
    }
}

bool rota_bufring_grow(rota_bufring_t *pool)
{
    uint32_t before = pool->count;
    pool->target = minimum(pool->target * 2, pool->capacity);
    create_up_to_target(pool);
    return pool->count > before;
}

/* Only while more than half of the buffers wait for bytes is the pool larger than it need be. */
void rota_bufring_decay(rota_bufring_t *pool)
{
    if (pool->provided <= pool->count / 2 || pool->target <= pool->minimum) return;
    pool->target -= (pool->target - pool->minimum + 7) / 8;
}

bool rota_bufring_low(const rota_bufring_t *pool)
{
    return pool->provided * 8 < pool->count;
}
