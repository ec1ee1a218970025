#include "stream/fifo.h"

#include <stdlib.h>
#include <string.h>

#define SIZE_MIN 512 /* with the header */

static void move_to(rota_fifo_t *fifo, size_t start)
{
    size_t length = rota_fifo_length(fifo);
    if (length) memmove(fifo->bytes + start, fifo->bytes + fifo->start, length);
    fifo->start = start;
    fifo->end = start + length;
}

static bool grow(rota_fifo_t **place, size_t needed)
{
    rota_fifo_t *fifo = *place;
    size_t size = fifo ? rota_fifo_memsize(fifo) : SIZE_MIN;
    if (fifo && fifo->capacity >= needed) return true;
    while (size - sizeof *fifo < needed) size *= 2;
    rota_fifo_t *grown = realloc(fifo, size);
    if (!grown) return false;
    if (!fifo) grown->start = grown->end = 0;
    grown->capacity = size - sizeof *grown;
    *place = grown;
    return true;
}

uint8_t *rota_fifo_reserve(rota_fifo_t **place, size_t more)
{
    if (*place && (*place)->capacity - (*place)->end < more) move_to(*place, 0);
    if (!grow(place, (*place ? (*place)->end : 0) + more)) return NULL;
    return (*place)->bytes + (*place)->end;
}

/* Memory that was reserved in vain is given back. */
void rota_fifo_written(rota_fifo_t **place, size_t length)
{
    (*place)->end += length;
    if (rota_fifo_length(*place) == 0) rota_fifo_clear(place);
}

bool rota_fifo_append(rota_fifo_t **place, const uint8_t *bytes, size_t length)
{
    if (!length) return true;
    uint8_t *room = rota_fifo_reserve(place, length);
    if (!room) return false;
    memcpy(room, bytes, length);
    (*place)->end += length;
    return true;
}

/* What is there moves to the very end, so that the next bytes that are pushed back find room. */
bool rota_fifo_push_back(rota_fifo_t **place, const uint8_t *bytes, size_t length)
{
    if (!length) return true;
    if (!*place || (*place)->start < length) {
        size_t there = rota_fifo_length(*place);
        if (!grow(place, there + length)) return false;
        move_to(*place, (*place)->capacity - there);
    }
    rota_fifo_t *fifo = *place;
    fifo->start -= length;
    memcpy(fifo->bytes + fifo->start, bytes, length);
    return true;
}

size_t rota_fifo_take(rota_fifo_t **place, uint8_t *memory, size_t length)
{
    rota_fifo_t *fifo = *place;
    size_t there = rota_fifo_length(fifo);
    if (!fifo) return 0;
    if (there > length) there = length;
    if (memory && there) memcpy(memory, rota_fifo_bytes(fifo), there);
    fifo->start += there;
    if (fifo->start == fifo->end) rota_fifo_clear(place);
    return there;
}

void rota_fifo_clear(rota_fifo_t **place)
{
    free(*place);
    *place = NULL;
}
