#include "runtime/choice.h"

#include "runtime/descriptor.h"
#include "runtime/error.h"

#include <stdio.h>

enum wish { AUTO, IO_URING, EPOLL };

static enum wish wish_named(const char *name, const char *source)
{
    if (!strcmp(name, "auto")) return AUTO;
    if (!strcmp(name, "io_uring")) return IO_URING;
    if (!strcmp(name, "epoll")) return EPOLL;
    rb_raise(rb_eArgError, "%s must be auto, io_uring or epoll, not %s", source, name);
}

/* Whoever runs the program knows better than who wrote it. */
static enum wish find_wish(VALUE name, const char **source)
{
    const char *forced = getenv("ROTA_ENGINE");
    enum wish wish = AUTO;
    *source = "engine:";
    if (!NIL_P(name)) wish = wish_named(rb_id2name(SYM2ID(rb_to_symbol(name))), *source);
    if (!forced || !*forced) return wish;
    *source = "ROTA_ENGINE";
    return wish_named(forced, *source);
}

/* A ring that demands one issuer belongs to a native thread for good. */
static void pin_thread(uint32_t *hidden)
{
#ifdef ROTA_HAVE_NATIVE_THREAD_LOCK
    (void)hidden;
    rb_thread_lock_native_thread();
#elif RUBY_API_VERSION_CODE >= 30300
    /* Ruby 3.3 can move a thread between native ones, and cannot be told not to. */
    bool may_move = getenv("RUBY_MN_THREADS") && atoi(getenv("RUBY_MN_THREADS"));
    if (may_move || rb_funcall(rb_const_get(rb_cObject, rb_intern("Ractor")), rb_intern("count"),
                               0) != INT2FIX(1))
        *hidden |= 1u << ROTA_FEATURE_defer_taskrun | 1u << ROTA_FEATURE_registered_ring;
#else
    (void)hidden;
#endif
}

static int open_ring(rota_loop_t *loop, const rota_engine_options_t *options)
{
    rota_engine_options_t wanted = *options;
    pin_thread(&wanted.hidden);
    return rota_ring_open(&wanted, &loop->engine, loop->why_not_ring, sizeof loop->why_not_ring);
}

static void open_epoll(rota_loop_t *loop, const rota_engine_options_t *options)
{
    char why[64] = "";
    if (rota_poller_open(options, &loop->engine, why, sizeof why) < 0)
        rb_raise(rota_eError, "no engine can be made: %s; io_uring: %s", why, loop->why_not_ring);
}

/* With -d or $DEBUG = true. */
static void tell(const rota_loop_t *loop)
{
    if (!RTEST(ruby_debug)) return;
    const char *why = loop->why_not_ring;
    VALUE line = rb_sprintf("Rota: the loop runs on %s%s%s", loop->engine->api->name,
                            *why ? "; io_uring: " : "", why);
    rb_funcall(rb_stderr, rb_intern("puts"), 1, line);
}

void rota_choice_open(rota_loop_t *loop, rota_engine_options_t *options, VALUE name)
{
    const char *source;
    enum wish wish = find_wish(name, &source);
    int refusal = 0;
    if (wish == EPOLL) {
        snprintf(loop->why_not_ring, sizeof loop->why_not_ring,
                 "not tried, because %s asks for epoll", source);
    } else {
        refusal = open_ring(loop, options);
    }
    if (wish == IO_URING && refusal < 0)
        rb_raise(rota_eError,
                 "%s asks for io_uring, and it is refused: %s. engine: :auto runs on "
                 "epoll instead",
                 source, loop->why_not_ring);
    if (!loop->engine) open_epoll(loop, options);
    loop->engine->still_open = rota_op_is_open;
    tell(loop);
}

static VALUE refusal_of(const rota_features_t *features, rota_feature_t feature)
{
    int error = features->refusal[feature];
    const char *since = rota_feature_since(feature);
    if (!error) return rb_sprintf("not granted by this kernel; Linux %s has it", since);
    return rb_sprintf("refused with %s; Linux %s has it", strerror(error), since);
}

static VALUE answer_for(const rota_loop_t *loop, rota_feature_t feature)
{
    const rota_features_t *features = &loop->engine->features;
    if (*loop->why_not_ring && feature == ROTA_FEATURE_io_uring)
        return rb_str_new_cstr(loop->why_not_ring);
    if (*loop->why_not_ring) return rb_str_new_cstr("needs io_uring, which is not used here");
    return rota_feature_granted(features, feature) ? Qtrue : refusal_of(features, feature);
}

VALUE rota_choice_features(const rota_loop_t *loop)
{
    VALUE result = rb_hash_new();
    for (rota_feature_t feature = 0; feature < ROTA_FEATURE_COUNT; feature++)
        rb_hash_aset(result, ID2SYM(rb_intern(rota_feature_name(feature))),
                     answer_for(loop, feature));
    return result;
}
