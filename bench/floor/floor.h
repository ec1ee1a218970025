/*
 * What the C floors share: clocks, the stint of a self-timed program, and its report.
 *
 * A floor speaks the line protocol of bench/support/child.rb on its standard streams: it prints
 * "ready {...}", waits for "go" (self-timed programs only), and prints "result {...}" at its end.
 * A floor has no error handling beyond saying what failed: a benchmark that limps is worthless.
 */
#ifndef ROTA_BENCH_FLOOR_H
#define ROTA_BENCH_FLOOR_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static inline void die(const char *what, int errnum)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errnum));
    exit(1);
}

/* For calls that answer -1 and errno. */
static inline long check(long result, const char *what)
{
    if (result < 0) die(what, errno);
    return result;
}

/* For liburing, whose calls answer -errno. */
static inline int check_uring(int result, const char *what)
{
    if (result < 0) die(what, -result);
    return result;
}

static inline void *allocate(size_t bytes)
{
    void *memory = calloc(1, bytes);
    if (!memory) die("calloc", ENOMEM);
    return memory;
}

static inline uint64_t clock_ns(clockid_t clock)
{
    struct timespec ts;
    clock_gettime(clock, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Resident memory of a process. */
static inline long rss_kb(int pid)
{
    long total = 0, resident = 0;
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/statm", pid);
    FILE *file = fopen(path, "r");
    if (!file || fscanf(file, "%ld %ld", &total, &resident) != 2) die("statm", EIO);
    fclose(file);
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

/* The counters of which a window is the difference. Enters and entries stay 0 without a ring. */
struct counters {
    uint64_t wall_ns, cpu_ns, ops, enters, entries;
};

/* Warm-up, then the measured window. */
struct stint {
    uint64_t ops, enters, entries; /* running totals, counted up by the program */
    uint64_t turns, warm_at_ns, over_at_ns, window_ns;
    bool warm;
    struct counters from, to;
};

static inline struct counters take_counters(const struct stint *stint)
{
    return (struct counters){
        .wall_ns = clock_ns(CLOCK_MONOTONIC),
        .cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID),
        .ops = stint->ops,
        .enters = stint->enters,
        .entries = stint->entries,
    };
}

/* Says that all is set up, and waits until the harness wants the work (it may attach a counter). */
static inline void await_go(void)
{
    char line[16];
    puts("ready {}");
    fflush(stdout);
    if (!fgets(line, sizeof(line), stdin)) exit(1);
}

static inline void stint_start(struct stint *stint, double warmup_s, double window_s)
{
    stint->window_ns = (uint64_t)(window_s * 1e9);
    stint->warm_at_ns = clock_ns(CLOCK_MONOTONIC) + (uint64_t)(warmup_s * 1e9);
}

/* As stint_goes_on, where a turn is long beside a reading of the clock. */
static inline bool stint_goes_on_slowly(struct stint *stint)
{
    uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
    if (!stint->warm) {
        if (now_ns < stint->warm_at_ns) return true;
        stint->warm = true;
        stint->from = take_counters(stint);
        stint->over_at_ns = stint->from.wall_ns + stint->window_ns;
        return true;
    }
    if (now_ns < stint->over_at_ns) return true;
    stint->to = take_counters(stint);
    return false;
}

/* To be called once per turn; false when the window is over. */
static inline bool stint_goes_on(struct stint *stint)
{
    /* The clock costs 25 ns: with one pair a turn is one operation, so look at every 64th only. */
    return ++stint->turns % 64 != 0 || stint_goes_on_slowly(stint);
}

static inline void stint_report(const struct stint *stint)
{
    const struct counters *from = &stint->from, *to = &stint->to;
    printf("result {\"ops\":%lu,\"total_ops\":%lu,\"wall_ns\":%lu,\"cpu_ns\":%lu,\"rss_kb\":%ld",
           to->ops - from->ops, stint->ops, to->wall_ns - from->wall_ns, to->cpu_ns - from->cpu_ns,
           rss_kb(getpid()));
    if (stint->enters) {
        printf(",\"enters\":%lu,\"entries\":%lu", to->enters - from->enters,
               to->entries - from->entries);
    }
    puts("}");
}

#endif
