#include "runtime/reserve.h"

#include "core/base.h"
#include "runtime/shim.h"

#include <stdlib.h>
#include <string.h>

enum { KEPT = 64 };

void rota_reserve_open(rota_reserve_t *reserve, size_t size)
{
    *reserve = (rota_reserve_t){.size = size};
    while (reserve->count < KEPT) {
        void *record = calloc(1, size);
        if (!record) rb_memerror(); /* the loop frees what there is */
        rota_reserve_give(reserve, record);
    }
}

void rota_reserve_free(rota_reserve_t *reserve)
{
    while (reserve->kept) {
        void *record = reserve->kept;
        reserve->kept = *(void **)record;
        free(record);
    }
}

void *rota_reserve_take(rota_reserve_t *reserve)
{
    void *record = calloc(1, reserve->size);
    if (record || !reserve->kept) return record;
    record = reserve->kept;
    reserve->kept = *(void **)record;
    reserve->count--;
    return memset(record, 0, reserve->size);
}

ROTA_APART void rota_reserve_give(rota_reserve_t *reserve, void *record)
{
    if (!reserve || reserve->count >= KEPT) {
        free(record);
        return;
    }
    *(void **)record = reserve->kept;
    reserve->kept = record;
    reserve->count++;
}
