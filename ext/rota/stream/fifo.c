#include "stream/fifo.h"

#include <stdlib.h>
#include <string.h>

#define CAPACITY_MIN 512

static void move_to(rota_fifo_t *fifo, size_t start)
{
    size_t length = rota_fifo_length(fifo);
    if (length) memmove(fifo->memory + start, fifo->memory + fifo->start, length);
    fifo->start = start;
    fifo->end = start + length;
}

static bool grow(rota_fifo_t *fifo, size_t needed)
{
    size_t capacity = fifo->capacity ? fifo->capacity : CAPACITY_MIN;
    while (capacity < needed) capacity *= 2;
    if (capacity == fifo->capacity) return true;
    uint8_t *memory = realloc(fifo->memory, capacity);
    if (!memory) return false;
    fifo->memory = memory;
    fifo->capacity = capacity;
    return true;
}

bool rota_fifo_reserve(rota_fifo_t *fifo, size_t more)
{
    if (fifo->capacity - fifo->end >= more) return true;
    if (fifo->start) move_to(fifo, 0);
    return grow(fifo, fifo->end + more);
}

bool rota_fifo_append(rota_fifo_t *fifo, const uint8_t *bytes, size_t length)
{
    if (!rota_fifo_reserve(fifo, length)) return false;
    if (length) memcpy(fifo->memory + fifo->end, bytes, length);
    fifo->end += length;
    return true;
}

/* What is there moves to the very end, so that the next bytes that are pushed back find room. */
bool rota_fifo_push_back(rota_fifo_t *fifo, const uint8_t *bytes, size_t length)
{
    if (fifo->start < length) {
        size_t there = rota_fifo_length(fifo);
        if (!grow(fifo, there + length)) return false;
        move_to(fifo, fifo->capacity - there);
    }
    fifo->start -= length;
    if (length) memcpy(fifo->memory + fifo->start, bytes, length);
    return true;
}

size_t rota_fifo_take(rota_fifo_t *fifo, uint8_t *memory, size_t length)
{
    size_t there = rota_fifo_length(fifo);
    if (there > length) there = length;
    if (memory && there) memcpy(memory, rota_fifo_bytes(fifo), there);
    fifo->start += there;
    if (fifo->memory && fifo->start == fifo->end) rota_fifo_clear(fifo);
    return there;
}

void rota_fifo_clear(rota_fifo_t *fifo)
{
    free(fifo->memory);
    *fifo = (rota_fifo_t){0};
}
