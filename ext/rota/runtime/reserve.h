/* Records of one size for what may not fail: some are kept for when there is no memory. */
#ifndef ROTA_RESERVE_H
#define ROTA_RESERVE_H

#include <stddef.h>
#include <stdint.h>

typedef struct rota_reserve {
    size_t size; /* of a record */
    void *kept;  /* each begins with the address of the next */
    uint32_t count;
} rota_reserve_t;

/* NoMemoryError when nothing can be kept. */
void rota_reserve_open(rota_reserve_t *reserve, size_t size);
void rota_reserve_free(rota_reserve_t *reserve);

/* A record, zeroed. NULL: there is no memory, and what was kept is in use. */
void *rota_reserve_take(rota_reserve_t *reserve);
/* Any record of the size that a reserve gave; NULL, the loop is gone: it is only freed. */
void rota_reserve_give(rota_reserve_t *reserve, void *record);

#endif
