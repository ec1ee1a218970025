/* Latencies in nanoseconds, counted in buckets of at most 1/64 relative width. */
#ifndef ROTA_BENCH_HISTOGRAM_H
#define ROTA_BENCH_HISTOGRAM_H

#include <stdint.h>

enum { SUB_BITS = 6, SUB_BUCKETS = 1 << SUB_BITS, BUCKETS = (65 - SUB_BITS) * SUB_BUCKETS };

struct histogram {
    uint64_t total;
    uint64_t count[BUCKETS];
};

/* Values below SUB_BUCKETS stand for themselves; above, an octave has SUB_BUCKETS buckets. */
static inline unsigned histogram_bucket(uint64_t value)
{
    if (value < SUB_BUCKETS) return (unsigned)value;
    unsigned octave = 63u - (unsigned)__builtin_clzll(value) - SUB_BITS;
    return (octave + 1) * SUB_BUCKETS + (unsigned)(value >> octave) - SUB_BUCKETS;
}

static inline uint64_t histogram_value(unsigned bucket)
{
    if (bucket < SUB_BUCKETS) return bucket;
    unsigned octave = bucket / SUB_BUCKETS - 1;
    return (uint64_t)(bucket % SUB_BUCKETS + SUB_BUCKETS) << octave;
}

static inline void histogram_add(struct histogram *histogram, uint64_t value)
{
    histogram->count[histogram_bucket(value)]++;
    histogram->total++;
}

static inline uint64_t histogram_quantile(const struct histogram *histogram, double quantile)
{
    uint64_t rank = (uint64_t)((double)histogram->total * quantile), seen = 0;
    for (unsigned bucket = 0; bucket < BUCKETS; bucket++) {
        seen += histogram->count[bucket];
        if (seen > rank) return histogram_value(bucket);
    }
    return 0;
}

#endif
