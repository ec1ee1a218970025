#include "scheduler/caller.h"

#include "core/base.h"

#include <ruby/debug.h>
#include <string.h>

/* The method that called the hook; or Qfalse. */
static VALUE caller(void)
{
    VALUE frames[2]; /* the hook's own, and who called it */
    return rb_profile_frames(0, 2, frames, NULL) < 2 ? Qfalse : frames[1];
}

static const char *name_of(VALUE method)
{
    VALUE name = method ? rb_profile_frame_method_name(method) : Qnil;
    return RB_TYPE_P(name, T_STRING) ? RSTRING_PTR(name) : "";
}

const char *rota_caller_name(void)
{
    return name_of(caller());
}

/* The last one that was found to: kept, so that no other is ever at its address. */
static VALUE waits_for_bytes = Qfalse;

bool rota_caller_waits_for_bytes(void)
{
    /* Those that are called most come first. Whoever is not here waits by io_wait. */
    static const char *const names[] = {
        "readpartial", "gets",      "read",           "sysread",  "readline",  "each_line",
        "each",        "getc",      "getbyte",        "readbyte", "each_byte", "each_char",
        "readchar",    "readlines", "each_codepoint", "eof?",     "eof",
    };
    VALUE method = caller();
    if (ROTA_LIKELY(method && method == waits_for_bytes)) return true;
    const char *name = name_of(method);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(name, names[i])) continue;
        waits_for_bytes = method;
        return true;
    }
    return false;
}

void rota_init_caller(void)
{
    rb_gc_register_address(&waits_for_bytes);
}
