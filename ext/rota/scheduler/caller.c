#include "scheduler/caller.h"

#include <ruby/debug.h>
#include <string.h>

/* 0: the hook's own, 1: who called it, and so on. */
static const char *name_of(int frame)
{
    VALUE frames[3];
    if (rb_profile_frames(0, frame + 1, frames, NULL) <= frame) return "";
    VALUE name = rb_profile_frame_method_name(frames[frame]);
    return RB_TYPE_P(name, T_STRING) ? RSTRING_PTR(name) : "";
}

const char *rota_caller_name(void)
{
    return name_of(1);
}

static bool is_one_of(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(name, names[i]) == 0) return true;
    return false;
}

bool rota_caller_writes_one(void)
{
    static const char *const names[] = {"write", "<<", "syswrite"};
    static const char *const callers[] = {"puts", "print"}; /* of IO#write */
    return is_one_of(rota_caller_name(), names, sizeof names / sizeof *names) &&
           !is_one_of(name_of(2), callers, sizeof callers / sizeof *callers);
}

bool rota_caller_waits_for_bytes(void)
{
    /* Those that are called most come first. Whoever is not here waits by io_wait. */
    static const char *const names[] = {
        "readpartial", "gets",      "read",           "sysread",  "readline",  "each_line",
        "each",        "getc",      "getbyte",        "readbyte", "each_byte", "each_char",
        "readchar",    "readlines", "each_codepoint", "eof?",     "eof",
    };
    return is_one_of(rota_caller_name(), names, sizeof names / sizeof *names);
}
