/* Bytes in their order: appended at the end, taken at the front, pushed back in front. Holds no
 * memory while it is empty. */
#ifndef ROTA_FIFO_H
#define ROTA_FIFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct rota_fifo {
    uint8_t *memory; /* bytes start...end of it are there */
    size_t start, end, capacity;
} rota_fifo_t;

static inline size_t rota_fifo_length(const rota_fifo_t *fifo)
{
    return fifo->end - fifo->start;
}

static inline const uint8_t *rota_fifo_bytes(const rota_fifo_t *fifo)
{
    return fifo->memory + fifo->start;
}

/* Room for so many more bytes at the end. malloc, and false when memory is out: the turn calls
 * this, and nothing may raise or collect there. */
bool rota_fifo_reserve(rota_fifo_t *fifo, size_t more);
bool rota_fifo_append(rota_fifo_t *fifo, const uint8_t *bytes, size_t length);
bool rota_fifo_push_back(rota_fifo_t *fifo, const uint8_t *bytes, size_t length);

/* Takes at most `length` bytes off the front, to `memory` unless that is NULL; how many. */
size_t rota_fifo_take(rota_fifo_t *fifo, uint8_t *memory, size_t length);

void rota_fifo_clear(rota_fifo_t *fifo);

#endif
