#include "check.h"
#include "probe.h"

#define BIT(name) (1u << ROTA_FEATURE_##name)

static rota_features_t probe(uint32_t hidden)
{
    rota_features_t features;
    rota_probe(&features, hidden);
    return features;
}

static bool has(const rota_features_t *features, rota_feature_t feature)
{
    return rota_feature_granted(features, feature);
}

static void test_names(void)
{
    for (uint32_t i = 0; i < ROTA_FEATURE_COUNT; i++) {
        const char *name = rota_feature_name((rota_feature_t)i);
        CHECK(rota_feature_by_name(name, strlen(name)) == i);
        CHECK(strchr(rota_feature_since((rota_feature_t)i), '.') != NULL);
    }
    CHECK(rota_feature_by_name("futex_", 6) == ROTA_FEATURE_COUNT);
    CHECK(rota_feature_by_name("futex_", 5) == ROTA_FEATURE_futex);
    CHECK(rota_feature_by_name("", 0) == ROTA_FEATURE_COUNT);
}

static void test_a_refusal_has_a_reason_and_a_grant_none(void)
{
    rota_features_t features = probe(0);
    for (uint32_t i = 0; i < ROTA_FEATURE_COUNT; i++) {
        CHECK(has(&features, (rota_feature_t)i) == (features.refusal[i] == 0));
    }
}

static void test_the_answer_does_not_change(void)
{
    rota_features_t first = probe(0), again = probe(0);
    CHECK(!memcmp(&first, &again, sizeof first));
}

static void test_hidden_is_refused_with_enosys(void)
{
    rota_features_t features = probe(BIT(futex) | BIT(multishot_accept));
    CHECK(!has(&features, ROTA_FEATURE_futex));
    CHECK(features.refusal[ROTA_FEATURE_futex] == ENOSYS);
    CHECK(!has(&features, ROTA_FEATURE_multishot_accept));
}

static void test_what_needs_a_hidden_feature_goes_with_it(void)
{
    rota_features_t features = probe(BIT(provided_buffers));
    CHECK(!has(&features, ROTA_FEATURE_incremental_buffers));
    CHECK(!has(&features, ROTA_FEATURE_multishot_recv));
    features = probe(BIT(io_uring));
    CHECK(features.granted == 0 && features.refusal[ROTA_FEATURE_futex] == ENOSYS);
    features = probe(BIT(defer_taskrun) | BIT(coop_taskrun));
    CHECK(features.granted == 0 && features.refusal[ROTA_FEATURE_io_uring] == ENOSYS);
    CHECK(probe(BIT(defer_taskrun)).granted != 0 || probe(0).granted == 0);
}

int main(void)
{
    RUN(test_names);
    RUN(test_a_refusal_has_a_reason_and_a_grant_none);
    RUN(test_the_answer_does_not_change);
    RUN(test_hidden_is_refused_with_enosys);
    RUN(test_what_needs_a_hidden_feature_goes_with_it);
    return check_end();
}
