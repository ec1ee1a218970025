#include "sync/interval.h"

uint64_t rota_interval_end_ns(uint64_t start_ns, VALUE seconds)
{
    if (NIL_P(seconds)) return UINT64_MAX;
    seconds = rota_seconds_number(seconds);
    uint64_t span_ns = rota_seconds_to_ns(seconds);
    if (span_ns == 0 && NUM2DBL(seconds) < 0)
        rb_raise(rb_eArgError, "time interval must not be negative");
    return start_ns + span_ns;
}

VALUE rota_interval_since(uint64_t start_ns)
{
    uint64_t half_ns = (uint64_t)ROTA_NS_PER_S / 2;
    return ULL2NUM((rota_now_ns() - start_ns + half_ns) / (uint64_t)ROTA_NS_PER_S);
}
