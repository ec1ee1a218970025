/* Bytes in their order: appended at the end, taken at the front, pushed back in front. Holds no
 * memory while it is empty. */
#ifndef ROTA_FIFO_H
#define ROTA_FIFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct rota_fifo rota_fifo_t; /* NULL: empty */

struct rota_fifo {
    size_t start, end; /* bytes start...end of `bytes` are there */
    size_t capacity;
    uint8_t bytes[];
};

static inline size_t rota_fifo_length(const rota_fifo_t *fifo)
{
    return fifo ? fifo->end - fifo->start : 0;
}

static inline const uint8_t *rota_fifo_bytes(const rota_fifo_t *fifo)
{
    return fifo ? fifo->bytes + fifo->start : NULL;
}

static inline size_t rota_fifo_memsize(const rota_fifo_t *fifo)
{
    return fifo ? sizeof *fifo + fifo->capacity : 0;
}

/* Room for so many more bytes, for who writes them there and says how many it was; NULL when memory
 * is out. malloc, for the turn calls this, and nothing may raise or collect there. */
uint8_t *rota_fifo_reserve(rota_fifo_t **fifo, size_t more);
void rota_fifo_written(rota_fifo_t **fifo, size_t length);

/* False when memory is out. */
bool rota_fifo_append(rota_fifo_t **fifo, const uint8_t *bytes, size_t length);
bool rota_fifo_push_back(rota_fifo_t **fifo, const uint8_t *bytes, size_t length);

/* Takes at most `length` bytes off the front, to `memory` unless that is NULL; how many. */
size_t rota_fifo_take(rota_fifo_t **fifo, uint8_t *memory, size_t length);

void rota_fifo_clear(rota_fifo_t **fifo);

#endif
