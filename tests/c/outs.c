/*
 * Out-parameters: an old value is overwritten on entry and not freed, NULL may be given, and the place need not be
 * aligned. A success sets no error, a failure no result, a partial success both.
 */

#include "support/check.h"
#include "support/operations.h"
#include "support/service.h"

#include <stdio.h>
#include <string.h>

/* A client of the paths with partial successes. */
static im_client *newer;
static im_error *error;

static const im_str TAGS[] = {IM_STR_INIT("a"), IM_STR_INIT("b")};
static const im_user_tags USERS[] = {{IM_STR_INIT("xiaojun012"), TAGS, 2}, {IM_STR_INIT("xiaojun013"), TAGS, 2}};

/* An invalid pointer: a read or a free of it crashes. */
#define STALE(type) ((type *)(uintptr_t)0x10)

static void old_values(void) {
    for (int i = 0; i < OPERATION_COUNT; i++) {
        const struct operation *operation = &OPERATIONS[i];
        im_result *result = STALE(im_result);
        error = STALE(im_error);
        CHECK(operation->with(newer, USERS, 2, NULL, &result, &error) == IM_OK);
        CHECK(result != STALE(im_result) && result != NULL && error == NULL);
        CHECK(im_result_accounts(result) == 2 && im_result_attempts(result) == 1);
        CHECK(im_result_attempts_sent(result) == 1 && im_result_request_id(result).len > 0);
        im_result_free(result);

        result = STALE(im_result);
        error = STALE(im_error);
        CHECK(operation->with(newer, USERS, 0, NULL, &result, &error) == IM_INVALID);
        CHECK(result == NULL && error != STALE(im_error) && error != NULL);
        im_error_free(error);

        result = STALE(im_result);
        error = STALE(im_error);
        CHECK(operation->with(NULL, USERS, 2, NULL, &result, &error) == IM_MISUSE);
        CHECK(result == NULL && error != STALE(im_error) && error != NULL);
        im_error_free(error);
    }
    im_client *made = STALE(im_client);
    error = STALE(im_error);
    CHECK(im_client_new(NULL, &made, &error) == IM_MISUSE);
    CHECK(made == NULL && error != STALE(im_error));
    im_error_free(error);
    error = STALE(im_error);
    CHECK(im_credential_set(NULL, IM_STR(""), 0, &error) == IM_MISUSE);
    CHECK(error != STALE(im_error));
    im_error_free(error);
}

static void no_place_for_either(void) {
    for (int i = 0; i < OPERATION_COUNT; i++) {
        CHECK(OPERATIONS[i].with(newer, USERS, 2, NULL, NULL, NULL) == IM_OK);
        CHECK(OPERATIONS[i].with(newer, USERS, 0, NULL, NULL, NULL) == IM_INVALID);
    }
}

/* A place may lie anywhere, as in a packed struct. */
static void places_that_are_not_aligned(void) {
    struct __attribute__((packed)) {
        char before;
        im_result *result;
        im_error *error;
        im_client *client;
        size_t count;
        im_str meaning;
        im_retry retry;
    } packed;
    void *places[] = {(char *)&packed + 1, (char *)&packed + 9, (char *)&packed + 17, (char *)&packed + 25};
    CHECK(im_get_tag(client, &USERS[0].account, 1, NULL, places[0], places[1]) == IM_OK);
    CHECK(packed.error == NULL);
    im_result_users(packed.result, places[3]);
    CHECK(packed.count == 1);
    im_result_free(packed.result);
    CHECK(im_client_new(NULL, places[2], places[1]) == IM_MISUSE && packed.client == NULL);
    im_error_free(packed.error);
    CHECK(im_explain(60007, (void *)((char *)&packed + 33), NULL, (void *)((char *)&packed + 49), NULL));
    CHECK(packed.meaning.len > 0 && packed.retry == IM_RETRY_AFTER_WINDOW);
}

static void a_partial_success_leaves_both(void) {
    im_result *result;
    emulator_faults(&emulator, "get_tag", "{\"kind\": \"leave_out\", \"accounts\": [\"xiaojun013\"], \"code\": 70107, "
                                          "\"text\": \"never imported\"}");
    const im_str accounts[] = {IM_STR("xiaojun012"), IM_STR("xiaojun013")};
    CHECK(im_get_tag(newer, accounts, 2, NULL, &result, &error) == IM_PARTIAL);
    CHECK(im_result_accounts(result) == 1);
    size_t count = 7;
    const im_user_tags *users = im_result_users(result, &count);
    CHECK(count == 1 && same(users[0].account, "xiaojun012") && users[0].tag_count == 2);
    CHECK(same(users[0].tags[0], "a") && same(users[0].tags[1], "b"));
    CHECK(im_result_unanswered(result, &count) == NULL && count == 0);

    CHECK(im_error_status(error) == IM_PARTIAL && im_error_code(error) == 70107);
    CHECK(same(im_error_text(error), "never imported"));
    CHECK(im_error_failure_count(error) == 1 && im_error_violation_count(error) == 0);
    CHECK(same(im_error_failure_account(error, 0), "xiaojun013") && im_error_failure_code(error, 0) == 70107);
    CHECK(same(im_error_failure_text(error, 0), "never imported") && *im_error_failure_remedy(error, 0) != '\0');
    CHECK(im_error_failure_effect(error, 0) == IM_NOT_READ && !im_error_failure_retryable(error, 0));
    CHECK(im_error_failure_account(error, 1).len == 0 && im_error_failure_code(error, 1) == 0);
    CHECK_TEXT(im_error_failure_remedy(error, 1), "");
    CHECK(im_error_attempts(error) == 1 && im_error_attempts_sent(error) == 1 && im_error_request_id(error).len > 0);
    /* the two do not depend on each other */
    im_error_free(error);
    CHECK(im_result_accounts(result) == 1);
    im_result_free(result);

    emulator_faults(&emulator, "get_tag", "{\"kind\": \"leave_out\", \"accounts\": [\"xiaojun013\"], \"code\": 70107}");
    CHECK(im_get_tag(newer, accounts, 2, NULL, NULL, NULL) == IM_PARTIAL);
}

static void a_refusal_is_an_error_alone(void) {
    im_result *result = STALE(im_result);
    emulator_faults(&emulator, "im_add_tag", "{\"kind\": \"code\", \"code\": 90001, \"text\": \"not like this\"}");
    CHECK(im_add_tag(client, USERS, 2, NULL, &result, &error) == IM_SERVICE);
    CHECK(result == NULL && im_error_code(error) == 90001 && same(im_error_text(error), "not like this"));
    CHECK(im_error_failure_count(error) == 0 && im_error_attempts_sent(error) == 1);
    CHECK_TEXT(im_error_violation_place(error, 0), "");
    CHECK(strncmp(im_error_message(error), "add: the service refused the request: 90001 ", 44) == 0);
    im_error_free(error);
}

int main(void) {
    service_begin("outs", 120);
    im_config *config = emulator_config(&emulator);
    im_config_set_generation(config, IM_STR("timpush"));
    newer = client_of(config);
    old_values();
    no_place_for_either();
    places_that_are_not_aligned();
    /* what no_place_for_either cleared */
    EXPECT_OK(im_add_tag(newer, USERS, 2, NULL, NULL, &error), &error);
    a_partial_success_leaves_both();
    a_refusal_is_an_error_alone();
    im_client_free(newer);
    return service_end();
}
