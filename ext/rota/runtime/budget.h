/* How many tasks may be alive. Each has a stack of two memory maps, of which the process has a
 * limited number, and CRuby does not survive running out of them. So all loops share one budget; a
 * loop takes a portion of it at a time, and counts its own tasks without a look at the others'. */
#ifndef ROTA_BUDGET_H
#define ROTA_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

/* Small, because a loop of one task takes one, too. */
enum { ROTA_BUDGET_PORTION = 32 };

typedef struct rota_budget {
    uint32_t room; /* this loop's share: so many tasks it may have */
} rota_budget_t;

/* Asks the system how much there is; whenever a loop is made. */
void rota_budget_refresh(void);

/* Another portion; false: there is none left. */
bool rota_budget_extend(rota_budget_t *budget);

void rota_budget_give_back(rota_budget_t *budget);

/* Gives back what so many fibers do not need, but for some portions: a loop whose number of tasks
 * goes up and down shall not ask each time. */
static inline void rota_budget_trim(rota_budget_t *budget, uint32_t fibers)
{
    while (budget->room > fibers + 4 * ROTA_BUDGET_PORTION) rota_budget_give_back(budget);
}

/* Gives back everything. Async-signal-safe. */
void rota_budget_release(rota_budget_t *budget);

#endif
