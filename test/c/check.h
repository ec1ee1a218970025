/* A test program is a list of RUN(test) between check_begin and check_end. CHECK reports and goes
 * on, so that one run shows every failure. Exit status: 0 passed, 1 failed, 77 skipped. */
#ifndef ROTA_CHECK_H
#define ROTA_CHECK_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int check_count, check_failures;
static const char *check_test = "?";

#define CHECK(condition) check_that((condition), #condition, __FILE__, __LINE__)

/* For what the rest of the test cannot do without. */
#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!CHECK(condition)) exit(1);                                                            \
    } while (0)

#define RUN(test)                                                                                  \
    do {                                                                                           \
        check_test = #test;                                                                        \
        test();                                                                                    \
    } while (0)

static inline bool check_that(bool holds, const char *condition, const char *file, int line)
{
    check_count++;
    if (!holds) {
        check_failures++;
        printf("%s:%d: %s: failed: %s\n", file, line, check_test, condition);
    }
    return holds;
}

static inline int check_end(void)
{
    printf("%d checks, %d failures\n", check_count, check_failures);
    return check_failures ? 1 : 0;
}

static inline _Noreturn void check_skip(const char *why)
{
    printf("skipped: %s\n", why);
    exit(77);
}

#endif
