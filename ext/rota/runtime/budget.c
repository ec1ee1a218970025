#include "runtime/budget.h"

#include <stdatomic.h>
#include <stdio.h>

/* Two memory maps a fiber, and the rest of the process needs some too. */
#define MAPS_PER_MILLE        400
#define DEFAULT_MAX_MAP_COUNT 65530

static _Atomic uint32_t total, taken;

void rota_budget_refresh(void)
{
    unsigned long maps = DEFAULT_MAX_MAP_COUNT;
    FILE *file = fopen("/proc/sys/vm/max_map_count", "re");
    if (file) {
        if (fscanf(file, "%lu", &maps) != 1) maps = DEFAULT_MAX_MAP_COUNT;
        fclose(file);
    }
    maps = maps / 1000 * MAPS_PER_MILLE;
    atomic_store(&total, maps > INT32_MAX ? INT32_MAX : (uint32_t)maps);
}

bool rota_budget_extend(rota_budget_t *budget)
{
    uint32_t before = atomic_load(&taken);
    do {
        if (before + ROTA_BUDGET_PORTION > atomic_load(&total)) return false;
    } while (!atomic_compare_exchange_weak(&taken, &before, before + ROTA_BUDGET_PORTION));
    budget->room += ROTA_BUDGET_PORTION;
    return true;
}

void rota_budget_give_back(rota_budget_t *budget)
{
    budget->room -= ROTA_BUDGET_PORTION;
    atomic_fetch_sub(&taken, ROTA_BUDGET_PORTION);
}

void rota_budget_release(rota_budget_t *budget)
{
    atomic_fetch_sub(&taken, budget->room);
    budget->room = 0;
}
