/* Rota.select: the first of many things that is ready; the others are left untouched.
 *
 * What can be selected registers how to try it and in which line to stand. A selecting task stands
 * in all lines at once; the first that offers decides, and the others are declined, so that what
 * they have goes to the next in their line. */
#ifndef ROTA_SELECT_H
#define ROTA_SELECT_H

#include "runtime/waiters.h"

typedef struct rota_selectable {
    const rb_data_type_t *type;
    /* Takes what is there: true and *value; false when there is nothing yet. May raise. */
    bool (*try_take)(VALUE object, VALUE *value);
    rota_waiters_t *(*line)(VALUE object);
    /* Gives back what was handed over to a fiber that unwinds. May be NULL. */
    void (*put_back)(VALUE object, VALUE value);
    /* What a line handed over to what select returns. May raise. NULL: as it is. */
    VALUE (*unwrap)(VALUE object, VALUE value);
} rota_selectable_t;

/* At Init. */
void rota_select_register(const rota_selectable_t *selectable);

void rota_init_select(VALUE module);

#endif
