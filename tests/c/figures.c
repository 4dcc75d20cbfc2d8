/*
 * Figures: what a client, a bulk run and a batcher have done, by names and labels that stay.
 */

#include "support/check.h"
#include "support/service.h"

#include <string.h>

static im_error *error;
static const im_str TAG = IM_STR_INIT("a"), NONE = IM_STR_INIT("");
static const im_user_tags USER = {IM_STR_INIT("xiaojun012"), &TAG, 1};

static im_stats *of_client(void) {
    im_stats *stats;
    EXPECT_OK(im_client_stats(client, &stats, &error), &error);
    return stats;
}

static double get(const im_stats *stats, const char *name, const char *labels) {
    return im_stats_get(stats, im_str_from(name), im_str_from(labels));
}

static void calls_count_by_operation_and_outcome(void) {
    im_stats *before = of_client();
    EXPECT_OK(im_add_tag(client, &USER, 1, NULL, NULL, &error), &error);
    emulator_faults(&emulator, "im_add_tag", "{\"kind\": \"code\", \"code\": 90001}");
    CHECK(im_add_tag(client, &USER, 1, NULL, NULL, NULL) == IM_SERVICE);
    im_stats *stats = of_client();
    const char *calls = "imtag_calls_total";
    CHECK(get(before, calls, "") == 0 && get(stats, calls, "") == 2);
    CHECK(get(stats, calls, "operation=\"add\",outcome=\"done\"") == 1);
    CHECK(get(stats, calls, "operation=\"add\",outcome=\"service\"") == 1);
    CHECK(get(stats, calls, "operation=\"get\",outcome=\"done\"") == 0);
    CHECK(get(stats, "imtag_attempts_sent_total", "operation=\"add\"") == 2);
    CHECK(get(stats, "imtag_calls_in_flight", "") == 0);
    CHECK(get(stats, "imtag_connections_opened_total", "") == 1);
    CHECK(get(stats, "imtag_connections_reused_total", "") == 1);
    double none = get(stats, "imtag_call_total", ""), no_label = get(stats, calls, "operation=\"add\"");
    CHECK(none != none && no_label != no_label); /* no number */
    im_stats_free(before);
    im_stats_free(stats);
}

static void each_figure_has_a_name_labels_a_help_and_a_number(void) {
    im_stats *stats = of_client();
    size_t count = im_stats_count(stats), found = 0;
    for (size_t i = 0; i < count; i++) {
        CHECK(strncmp(im_stats_name(stats, i), "imtag_", 6) == 0 && im_stats_help(stats, i)[0] != '\0');
        if (strcmp(im_stats_name(stats, i), "imtag_calls_total") == 0 && found++ == 0) {
            CHECK_TEXT(im_stats_labels(stats, i), "operation=\"add\",outcome=\"done\"");
            CHECK_TEXT(im_stats_help(stats, i), "Calls that have ended.");
            CHECK(im_stats_is_counter(stats, i) && im_stats_value(stats, i) == 1);
        }
        if (strcmp(im_stats_name(stats, i), "imtag_in_outage") == 0) {
            found++;
            CHECK_TEXT(im_stats_labels(stats, i), "");
            CHECK(!im_stats_is_counter(stats, i) && im_stats_value(stats, i) == 0);
        }
    }
    CHECK(count > 60 && found == 45);
    CHECK_TEXT(im_stats_name(stats, count), "");
    const char *text = im_stats_text(stats);
    CHECK(strstr(text, "# TYPE imtag_calls_total counter\n"
                       "imtag_calls_total{operation=\"add\",outcome=\"done\"} 1\n") != NULL);
    CHECK(strstr(text, "# TYPE imtag_in_outage gauge\nimtag_in_outage 0\n") != NULL);
    CHECK(im_stats_text(stats) == text);
    im_stats_free(stats);
}

static void a_batcher_and_a_bulk_run(void) {
    im_batcher *batcher = new_batcher(60000);
    im_stats *stats;
    for (uint64_t id = 0; id < 2; id++)
        EXPECT_OK(im_batcher_submit_add_tag(batcher, id, id ? IM_STR("u1") : IM_STR("u0"), &TAG, 1, &error), &error);
    EXPECT_OK(im_batcher_stats(batcher, &stats, &error), &error);
    CHECK(get(stats, "imtag_batcher_queued", "") == 2 && get(stats, "imtag_batcher_oldest_seconds", "") > 0);
    im_stats_free(stats);
    EXPECT_OK(im_batcher_close(batcher, NULL, &error), &error);
    EXPECT_OK(im_batcher_stats(batcher, &stats, &error), &error);
    CHECK(im_batcher_free(batcher) == 0);
    CHECK(get(stats, "imtag_batcher_queued", "") == 0 && get(stats, "imtag_batcher_unsettled", "") == 0);
    CHECK(get(stats, "imtag_batcher_requests_total", "") == 1);
    CHECK(get(stats, "imtag_batcher_request_users_total", "") == 2);
    im_stats_free(stats);

    im_bulk *bulk = new_bulk();
    EXPECT_OK(im_bulk_add_tag(bulk, 1, USER.account, &TAG, 1, &error), &error);
    EXPECT_OK(im_bulk_finish(bulk, &error), &error);
    EXPECT_OK(im_bulk_stats(bulk, &stats, &error), &error);
    im_bulk_free(bulk);
    CHECK(get(stats, "imtag_bulk_changes_done_total", "") == 1);
    CHECK(im_stats_get(stats, IM_STR("imtag_bulk_splits_total"), NONE) == 0);
    im_stats_free(stats);
}

static void figures_of_many_are_told_apart_by_a_label(void) {
    im_stats *stats = of_client(), *joined = (im_stats *)&joined;
    const im_stats *each[] = {stats, stats};
    const im_str names[] = {IM_STR_INIT("one"), IM_STR_INIT("the \"other\", a\\b\n")};
    EXPECT_OK(im_stats_join(IM_STR("client"), names, each, 2, &joined, &error), &error);
    CHECK(im_stats_count(joined) == 2 * im_stats_count(stats));
    double calls = get(stats, "imtag_calls_total", "");
    CHECK(calls > 0 && get(joined, "imtag_calls_total", "") == 2 * calls);
    CHECK(get(joined, "imtag_in_outage", "client=\"one\"") == 0);
    CHECK(get(joined, "imtag_in_outage", "client=\"the \\\"other\\\", a\\\\b\\n\"") == 0);
    CHECK(strstr(im_stats_text(joined), "# TYPE imtag_in_outage gauge\n"
                                        "imtag_in_outage{client=\"one\"} 0\n"
                                        "imtag_in_outage{client=\"the \\\"other\\\", a\\\\b\\n\"} 0\n") != NULL);
    im_stats *again;
    const im_stats *both[] = {joined};
    EXPECT_MISUSE(im_stats_join(IM_STR("client"), names, both, 1, &again, &error), &error,
                  "label: the figures have a label \"client\" already");
    EXPECT_MISUSE(im_stats_join(IM_STR("operation"), names, each, 2, &again, &error), &error,
                  "label: the figures have a label \"operation\" already");
    EXPECT_MISUSE(im_stats_join(IM_STR("Client 1"), names, each, 2, &again, &error), &error,
                  "label: not a name of small letters and _");
    im_stats_free(stats); /* what was made of them stays */
    CHECK_TEXT(im_stats_name(joined, 0), "imtag_app_refused");
    CHECK_TEXT(im_stats_labels(joined, 0), "client=\"one\",operation=\"add\"");
    im_stats_free(joined);
}

int main(void) {
    service_begin("figures", 60);
    calls_count_by_operation_and_outcome();
    each_figure_has_a_name_labels_a_help_and_a_number();
    a_batcher_and_a_bulk_run();
    figures_of_many_are_told_apart_by_a_label();
    return service_end();
}
