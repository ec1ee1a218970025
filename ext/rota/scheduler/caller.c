#include "scheduler/caller.h"

#include <ruby/debug.h>
#include <string.h>

const char *rota_caller_name(void)
{
    VALUE frames[2]; /* the hook's own, and who called it */
    if (rb_profile_frames(0, 2, frames, NULL) < 2) return "";
    VALUE name = rb_profile_frame_method_name(frames[1]);
    return RB_TYPE_P(name, T_STRING) ? RSTRING_PTR(name) : "";
}

bool rota_caller_waits_for_bytes(void)
{
    /* Those that are called most come first. Whoever is not here waits by io_wait. */
    static const char *const names[] = {
        "readpartial", "gets",      "read",           "sysread",  "readline",  "each_line",
        "each",        "getc",      "getbyte",        "readbyte", "each_byte", "each_char",
        "readchar",    "readlines", "each_codepoint", "eof?",     "eof",
    };
    const char *name = rota_caller_name();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0) return true;
    return false;
}
