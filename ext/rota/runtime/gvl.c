#include "runtime/gvl.h"

#include "runtime/shim.h"

#include <unistd.h>

struct wait {
    rota_engine_t *engine;
    int64_t timeout_ns;
    int result;
    bool ran;
};

static void *wait_without_gvl(void *data)
{
    struct wait *wait = data;
    wait->ran = true;
    wait->result = wait->engine->api->wait(wait->engine, wait->timeout_ns);
    return NULL;
}

int rota_gvl_wait(rota_engine_t *engine, int64_t timeout_ns, bool *ran)
{
    struct wait wait = {.engine = engine, .timeout_ns = timeout_ns};
    /* RUBY_UBF_IO always: any other unblocking function starts a thread per call (66 us) on a
     * process that Ruby 3.1 believes single-threaded. INTR_FAIL: the check is the root task's. */
    rb_nogvl(wait_without_gvl, &wait, RUBY_UBF_IO, NULL, RB_NOGVL_INTR_FAIL);
    *ran = wait.ran;
    return wait.result;
}

bool rota_turn_may_spin(void)
{
    static long processors;
    if (!processors) processors = sysconf(_SC_NPROCESSORS_ONLN);
    return processors > 1;
}
