/*
 * Bulk runs: each change has one outcome, and the end returns the result of the run. A change that the limits or the
 * service refuse affects no other. runs.c tests how a run is cancelled, and which threads may use it.
 */

#define _GNU_SOURCE
#include "support/check.h"
#include "support/outcomes.h"
#include "support/service.h"

#include <stdio.h>
#include <string.h>

static im_error *error;

/* Whether a user has that many tags at the service, which sorts them. */
static bool has_tags(const char *account, size_t count, const char *first) {
    const im_str accounts = im_str_from(account);
    im_result *result;
    size_t users = 0;
    EXPECT_OK(im_get_tag(client, &accounts, 1, NULL, &result, &error), &error);
    const im_user_tags *user = im_result_users(result, &users);
    size_t found = users == 1 ? user->tag_count : 0;
    bool is = found == count && (count == 0 || same(user->tags[0], first));
    im_result_free(result);
    return is;
}

/* Requests are exact, however slow the machine is: none is sent before it is full, or repeated because it takes long. */
static im_bulk *new_bulk_of_exact_requests(void) {
    im_bulk *bulk = new_bulk();
    CHECK(im_bulk_set_linger_ms(bulk, UINT64_MAX) == IM_OK);
    CHECK(im_bulk_set_timeout_ms(bulk, 1000000) == IM_OK && im_bulk_set_attempt_timeout_ms(bulk, 1000000) == IM_OK);
    return bulk;
}

static void many_users_in_few_requests(void) {
    enum { USERS = 250 };
    static struct outcomes outcomes;
    im_bulk *bulk = new_bulk_of_exact_requests();
    const im_str tags[] = {IM_STR("vip"), IM_STR("beijing")};
    CHECK(im_bulk_count(bulk, IM_COUNT_TAKEN) == 0 && im_bulk_count(bulk, IM_COUNT_ELAPSED_MS) == 0);
    for (uint64_t id = 0; id < USERS; id++) {
        char account[16];
        snprintf(account, sizeof account, "many%d", (int)id);
        EXPECT_OK(im_bulk_add_tag(bulk, id, im_str_from(account), tags, 2, &error), &error);
    }
    EXPECT_OK(im_bulk_end_of_input(bulk, &error), &error);
    outcomes_of_bulk(&outcomes, bulk);
    CHECK(outcomes_are(&outcomes, USERS, IM_OK) && outcomes.failed == 0);
    EXPECT_OK(im_bulk_finish(bulk, &error), &error);
    EXPECT_OK(im_bulk_finish(bulk, &error), &error);
    CHECK(im_bulk_count(bulk, IM_COUNT_TAKEN) == USERS && im_bulk_count(bulk, IM_COUNT_DONE) == USERS);
    CHECK(im_bulk_count(bulk, IM_COUNT_FAILED) == 0 && im_bulk_count(bulk, IM_COUNT_SPLITS) == 0);
    CHECK(im_bulk_count(bulk, IM_COUNT_REQUESTS) == 3 && im_bulk_count(bulk, IM_COUNT_ATTEMPTS) == 3);
    CHECK(im_bulk_count(bulk, IM_COUNT_ATTEMPTS_SENT) == 3 && im_bulk_count(bulk, IM_COUNT_TIMPUSH_WOULD_SAVE) == 0);
    CHECK(im_bulk_count(bulk, 0) == 0 && im_bulk_count(bulk, -1) == 0 && im_bulk_count(bulk, 99) == 0);
    CHECK(has_tags("many0", 2, "beijing") && has_tags("many249", 2, "beijing"));
    im_bulk_free(bulk);
}

/* The one completion that there is. */
static im_completions *only_completion(im_bulk *bulk, uint64_t id) {
    im_completions *completions;
    EXPECT_OK(im_bulk_poll(bulk, UINT64_MAX, &completions, &error), &error);
    CHECK(im_completions_count(completions) == 1 && im_completions_id(completions, 0) == id);
    return completions;
}

static void a_user_that_the_service_leaves_out(void) {
    im_bulk *bulk = new_bulk_of_exact_requests();
    const im_str tags[] = {IM_STR("a"), IM_STR("b"), IM_STR("a")};
    emulator_faults(&emulator, "im_add_tag", "{\"kind\": \"leave_out\", \"accounts\": [\"ghost\"], \"code\": 70107}");
    EXPECT_OK(im_bulk_add_tag(bulk, 7, IM_STR("ghost"), tags, 3, &error), &error);
    EXPECT_OK(im_bulk_add_tag(bulk, 8, IM_STR("anna"), tags, 3, &error), &error);
    EXPECT(im_bulk_finish(bulk, &error), IM_PARTIAL, &error, "2 changes: 1 done, 1 failed; 1 request, 0 retries");

    im_completions *completions;
    EXPECT_OK(im_bulk_poll(bulk, 0, &completions, &error), &error);
    CHECK(im_completions_count(completions) == 2);
    size_t count;
    const size_t *failed = im_completions_failed(completions, &count);
    CHECK(count == 1 && im_completions_id(completions, *failed) == 7);
    CHECK(im_completions_error(completions, 1 - *failed) == NULL);
    const im_error *why = im_completions_error(completions, *failed);
    CHECK(im_error_status(why) == IM_SERVICE && im_error_code(why) == 70107);
    CHECK(im_error_effect(why) == IM_NOT_APPLIED && !im_error_retryable(why));
    CHECK(im_error_failure_count(why) == 1 && same(im_error_failure_account(why, 0), "ghost"));
    CHECK(im_error_failure_code(why, 0) == 70107 && im_error_failure_effect(why, 0) == IM_NOT_APPLIED);
    CHECK_TEXT(im_error_failure_remedy(why, 0), im_error_remedy(why));
    CHECK(im_error_undone_count(why) == 2 && same(im_error_undone(why, 0), "a") && same(im_error_undone(why, 1), "b"));
    CHECK(im_error_undone(why, 2).len == 0 && im_error_violation_count(why) == 0);
    CHECK(strstr(im_error_message(why), "add \"ghost\": the service left it out: 70107"));
    /* completions outlive their run */
    im_bulk_free(bulk);
    CHECK(same(im_error_failure_account(why, 0), "ghost"));
    im_completions_free(completions);
    CHECK(has_tags("anna", 2, "a"));
}

static void a_change_that_breaks_the_limits_affects_no_other(void) {
    static struct outcomes outcomes;
    im_bulk *bulk = new_bulk_of_exact_requests();
    const im_str tags[] = {IM_STR("vip"), IM_STR("\xff"), IM_STR("")};
    EXPECT_OK(im_bulk_add_tag(bulk, 1, IM_STR("u\xff"), tags, 3, &error), &error);
    im_completions *completions = only_completion(bulk, 1);
    const im_error *why = im_completions_error(completions, 0);
    CHECK(im_error_status(why) == IM_INVALID && im_error_violation_count(why) == 3);
    CHECK_TEXT(im_error_violation_place(why, 0), "account");
    CHECK_TEXT(im_error_violation_problem(why, 0), "not UTF-8 from byte 1 on");
    CHECK_TEXT(im_error_violation_place(why, 1), "tags[1]");
    CHECK_TEXT(im_error_violation_place(why, 2), "tags[2]");
    CHECK_TEXT(im_error_violation_problem(why, 2), "empty, at least 1 byte");
    CHECK(im_error_effect(why) == IM_NOT_APPLIED && im_error_attempts(why) == 0);
    CHECK(same(im_error_failure_account(why, 0), "u\xef\xbf\xbd") && im_error_undone_count(why) == 3);
    im_completions_free(completions);

    EXPECT_OK(im_bulk_remove_tag(bulk, 2, IM_STR("bob"), NULL, 0, &error), &error);
    completions = only_completion(bulk, 2);
    CHECK_TEXT(im_error_violation_place(im_completions_error(completions, 0), 0), "tags");
    im_completions_free(completions);
    EXPECT_OK(im_bulk_clear_tags(bulk, 3, IM_STR(""), &error), &error);
    EXPECT_OK(im_bulk_clear_tags(bulk, 0, IM_STR("bob"), &error), &error);
    EXPECT(im_bulk_finish(bulk, &error), IM_PARTIAL, &error, "4 changes: 1 done, 3 failed; 1 request, 0 retries");
    outcomes_of_bulk(&outcomes, bulk);
    CHECK(outcomes.status[0] == IM_OK && outcomes.status[3] == IM_INVALID && outcomes.count == 2);
    im_bulk_free(bulk);
}

/* The flat form of five changes; those of an account are made in order. */
static const int32_t OPERATIONS[] = {IM_ADD, IM_REMOVE, IM_ADD, IM_CLEAR, IM_ADD};
static const char TEXT[] = "flatvipnewflatnewbobabobx";
static const size_t LENGTHS[] = {4, 3, 3, 4, 3, 3, 1, 3, 1};
static const size_t TAG_COUNTS[] = {2, 1, 1, 0, 0};

static im_status push_flat(im_bulk *bulk, const int32_t *operations, const size_t *tag_counts, size_t *taken) {
    return im_bulk_push_flat(bulk, operations, 100, TEXT, sizeof TEXT - 1, LENGTHS, 9, tag_counts, 5, taken, &error);
}

static void many_changes_as_one_buffer(void) {
    static struct outcomes outcomes;
    im_bulk *bulk = new_bulk();
    size_t taken = 9;
    const int32_t odd[] = {IM_ADD, IM_REMOVE, 5, IM_CLEAR, IM_ADD};
    const size_t tags_to_clear[] = {2, 1, 0, 1, 0};
    const size_t too_many[] = {2, 1, 1, 0, 1};
    EXPECT_MISUSE(push_flat(bulk, odd, TAG_COUNTS, &taken), &error,
                  "operations[2]: 5 is none: IM_ADD, IM_REMOVE, IM_CLEAR or IM_REPLACE");
    CHECK(taken == 0);
    EXPECT_MISUSE(push_flat(bulk, OPERATIONS, tags_to_clear, NULL), &error,
                  "tag_counts[3]: 1, where a change that clears has none");
    EXPECT_MISUSE(push_flat(bulk, OPERATIONS, too_many, NULL), &error,
                  "tag_counts: 5 users and their tags are not the 9 strings of lengths");
    CHECK(im_bulk_count(bulk, IM_COUNT_TAKEN) == 0);

    EXPECT_OK(push_flat(bulk, OPERATIONS, TAG_COUNTS, &taken), &error);
    CHECK(taken == 5);
    CHECK(im_bulk_finish(bulk, NULL) == IM_PARTIAL);
    outcomes_of_bulk(&outcomes, bulk);
    for (int id = 100; id < 104; id++)
        CHECK(outcomes.came[id] == 1 && outcomes.status[id] == IM_OK);
    /* the account x has no tags to add */
    CHECK(outcomes.came[104] == 1 && outcomes.status[104] == IM_INVALID && outcomes.count == 5);
    CHECK(has_tags("flat", 1, "vip") && has_tags("bob", 0, NULL));
    im_bulk_free(bulk);
}

static void setters_come_before_the_first_change(void) {
    im_bulk *bulk = new_bulk();
    const im_str tag = IM_STR("a");
    for (int started = 0; started < 2; started++) {
        im_status status = started ? IM_MISUSE : IM_OK;
        CHECK(im_bulk_set_timeout_ms(bulk, 20000) == status);
        CHECK(im_bulk_set_attempt_timeout_ms(bulk, 5000) == status);
        CHECK(im_bulk_set_late_window_ms(bulk, 0) == status);
        CHECK(im_bulk_set_linger_ms(bulk, UINT64_MAX) == status);
        CHECK(im_bulk_set_capacity(bulk, 10) == status);
        EXPECT_OK(im_bulk_add_tag(bulk, 0, IM_STR("anna"), &tag, 1, &error), &error);
    }
    EXPECT_OK(im_bulk_finish(bulk, &error), &error);
    im_bulk_free(bulk);
}

static void a_finished_run_takes_no_more(void) {
    static struct outcomes outcomes;
    im_bulk *bulk = new_bulk();
    const im_str tag = IM_STR("a");
    EXPECT_OK(im_bulk_add_tag(bulk, 0, IM_STR("anna"), &tag, 1, &error), &error);
    EXPECT_OK(im_bulk_finish(bulk, &error), &error);
    EXPECT(im_bulk_add_tag(bulk, 1, IM_STR("anna"), &tag, 1, &error), IM_CLOSED, &error,
           "add \"anna\": not sent: it is closed (not applied; use it before it is closed, or make another)");
    CHECK(im_bulk_add_tag(bulk, 1, IM_STR(""), &tag, 1, NULL) == IM_INVALID);
    outcomes_of_bulk(&outcomes, bulk);
    CHECK(outcomes_are(&outcomes, 1, IM_OK));
    im_bulk_free(bulk);
}

/* The effect at the end is no greater than that of the changes. */
static void a_run_that_sent_nothing_is_not_applied(void) {
    const im_str tag = IM_STR("a");
    im_bulk *bulk = new_bulk();
    EXPECT_OK(im_bulk_add_tag(bulk, 1, IM_STR(""), &tag, 1, &error), &error);
    CHECK(im_bulk_finish(bulk, &error) == IM_PARTIAL);
    CHECK(im_error_effect(error) == IM_NOT_APPLIED && !im_error_retryable(error));
    im_error_free(error);
    im_bulk_free(bulk);

    bulk = new_bulk();
    CHECK(im_bulk_set_linger_ms(bulk, UINT64_MAX) == IM_OK);
    EXPECT_OK(im_bulk_add_tag(bulk, 1, IM_STR("anna"), &tag, 1, &error), &error);
    im_bulk_cancel(bulk);
    CHECK(im_bulk_finish(bulk, &error) == IM_CANCELLED && im_bulk_count(bulk, IM_COUNT_REQUESTS) == 0);
    CHECK(im_error_effect(error) == IM_NOT_APPLIED && im_error_retryable(error));
    im_error_free(error);
    im_bulk_free(bulk);
}

int main(void) {
    service_begin("bulk", 120);
    many_users_in_few_requests();
    a_user_that_the_service_leaves_out();
    a_change_that_breaks_the_limits_affects_no_other();
    many_changes_as_one_buffer();
    setters_come_before_the_first_change();
    a_finished_run_takes_no_more();
    a_run_that_sent_nothing_is_not_applied();
    return service_end();
}
