/*
 * The batcher: changes of many threads share requests, and each has its own outcome, waited for or polled. What it does
 * when it is full, flushed, closed, or freed with changes in it.
 */

#define _GNU_SOURCE
#include "support/check.h"
#include "support/outcomes.h"
#include "support/service.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static im_error *error;
static const im_str TAG = IM_STR_INIT("a");

#define NOT_SENT "add \"anna\": not sent: "

static im_call *call_of(uint64_t timeout_ms) {
    im_call *call = im_call_new();
    CHECK(im_call_set_timeout_ms(call, timeout_ms) == IM_OK);
    return call;
}

enum { THREADS = 20 };
static const char *const GHOST = "thread7";

struct caller {
    im_batcher *batcher;
    char account[16];
    pthread_t thread;
};

static void *tag_one(void *given) {
    struct caller *caller = given;
    im_error *why;
    im_status status = im_batcher_add_tag(caller->batcher, im_str_from(caller->account), &TAG, 1, NULL, &why);
    if (strcmp(caller->account, GHOST) != 0) {
        EXPECT_OK(status, &why);
        return NULL;
    }
    CHECK(status == IM_SERVICE && im_error_code(why) == 70107 && im_error_effect(why) == IM_NOT_APPLIED);
    CHECK(im_error_failure_count(why) == 1 && same(im_error_failure_account(why, 0), GHOST));
    CHECK(im_error_undone_count(why) == 1 && same(im_error_undone(why, 0), "a"));
    im_error_free(why);
    return NULL;
}

/* All of them linger until the flush. */
static void callers_of_many_threads_share_a_request(void) {
    static struct caller callers[THREADS];
    im_batcher *batcher = new_batcher(UINT64_MAX);
    emulator_ask(&emulator, "POST", "/emulator/reset", "");
    emulator_faults(&emulator, "im_add_tag", "{\"kind\": \"leave_out\", \"accounts\": [\"thread7\"], \"code\": 70107}");
    for (int i = 0; i < THREADS; i++) {
        callers[i].batcher = batcher;
        snprintf(callers[i].account, sizeof callers[i].account, "thread%d", i);
        pthread_create(&callers[i].thread, NULL, tag_one, &callers[i]);
    }
    while (im_batcher_unsettled(batcher) < THREADS)
        usleep(1000);
    EXPECT_OK(im_batcher_flush(batcher, NULL, &error), &error);
    for (int i = 0; i < THREADS; i++)
        pthread_join(callers[i].thread, NULL);
    CHECK(strstr(emulator_ask(&emulator, "GET", "/emulator/stats", ""), "\"arrivals\":1"));
    CHECK(im_batcher_unsettled(batcher) == 0 && im_batcher_free(batcher) == 0);
}

static void a_submitted_change_is_polled(void) {
    static struct outcomes outcomes;
    im_batcher *batcher = new_batcher(1);
    im_completions *completions = (im_completions *)&completions;
    const im_str bad[] = {IM_STR("vip"), IM_STR("\xff")};
    EXPECT_OK(im_batcher_poll(batcher, 0, &completions, &error), &error);
    CHECK(completions == NULL);
    EXPECT_OK(im_batcher_submit_add_tag(batcher, 0, IM_STR("anna"), &TAG, 1, &error), &error);
    EXPECT_OK(im_batcher_submit_remove_tag(batcher, 1, IM_STR("anna"), &TAG, 1, &error), &error);
    EXPECT_OK(im_batcher_submit_clear_tags(batcher, 2, IM_STR("bob"), &error), &error);
    EXPECT_OK(im_batcher_submit_add_tag(batcher, 3, IM_STR("bob"), bad, 2, &error), &error);
    while (outcomes.count < 4) {
        EXPECT_OK(im_batcher_poll(batcher, UINT64_MAX, &completions, &error), &error);
        CHECK(completions != NULL);
        outcomes_add(&outcomes, completions);
    }
    CHECK(outcomes.status[0] == IM_OK && outcomes.status[1] == IM_OK && outcomes.status[2] == IM_OK);
    CHECK(outcomes.status[3] == IM_INVALID && outcomes.failed == 1);
    EXPECT_OK(im_batcher_close(batcher, NULL, &error), &error);
    /* there are no more outcomes */
    EXPECT_OK(im_batcher_poll(batcher, UINT64_MAX, &completions, &error), &error);
    CHECK(completions == NULL && im_batcher_free(batcher) == 0);
}

static void a_call_that_breaks_the_limits_fails_at_once(void) {
    im_batcher *batcher = new_batcher(UINT64_MAX);
    const im_str bad = IM_STR("\xff");
    CHECK(im_batcher_add_tag(batcher, IM_STR(""), &bad, 1, NULL, &error) == IM_INVALID);
    CHECK(im_error_violation_count(error) == 2 && im_error_failure_count(error) == 1);
    CHECK_TEXT(im_error_violation_place(error, 0), "account");
    CHECK_TEXT(im_error_violation_place(error, 1), "tags[0]");
    im_error_free(error);
    CHECK(im_batcher_remove_tag(batcher, IM_STR("anna"), NULL, 0, NULL, NULL) == IM_INVALID);
    CHECK(im_batcher_clear_tags(batcher, IM_STR(""), NULL, NULL) == IM_INVALID);
    CHECK(im_batcher_free(batcher) == 0);
}

static void a_full_batcher_fails_or_waits_as_set(void) {
    im_batcher *batcher = new_batcher(UINT64_MAX);
    CHECK(im_batcher_set_when_full(batcher, 4) == IM_MISUSE && im_batcher_set_when_full(batcher, IM_FAIL) == IM_OK);
    CHECK(im_batcher_set_capacity(batcher, 1) == IM_OK);
    emulator_faults(&emulator, "im_add_tag", HANGS);
    /* the first is sent at once, as the batcher is full, and the account's next change waits for it */
    EXPECT_OK(im_batcher_submit_add_tag(batcher, 0, IM_STR("anna"), &TAG, 1, &error), &error);
    until_request_in_flight();
    EXPECT_OK(im_batcher_submit_clear_tags(batcher, 1, IM_STR("anna"), &error), &error);
    EXPECT(im_batcher_submit_add_tag(batcher, 2, IM_STR("anna"), &TAG, 1, &error), IM_FULL, &error,
           NOT_SENT "the batcher is full (not applied; slow down, or let the batcher wait when it is full)");
    CHECK(im_batcher_add_tag(batcher, IM_STR("anna"), &TAG, 1, NULL, NULL) == IM_FULL);
    CHECK(im_batcher_set_when_full(batcher, IM_WAIT) == IM_MISUSE);
    CHECK(im_batcher_unsettled(batcher) == 2 && im_batcher_free(batcher) == 2);

    batcher = new_batcher(UINT64_MAX);
    CHECK(im_batcher_set_capacity(batcher, 1) == IM_OK && im_batcher_set_timeout_ms(batcher, 60000) == IM_OK);
    CHECK(im_batcher_set_attempt_timeout_ms(batcher, 50000) == IM_OK);
    CHECK(im_batcher_set_late_window_ms(batcher, 0) == IM_OK);
    emulator_faults(&emulator, "im_add_tag", HANGS);
    EXPECT_OK(im_batcher_submit_add_tag(batcher, 0, IM_STR("anna"), &TAG, 1, &error), &error);
    until_request_in_flight();
    EXPECT_OK(im_batcher_submit_clear_tags(batcher, 1, IM_STR("anna"), &error), &error);
    im_call *call = call_of(20);
    EXPECT(im_batcher_add_tag(batcher, IM_STR("anna"), &TAG, 1, call, &error), IM_TIMEOUT, &error,
           NOT_SENT "its time was up (not applied; allow more time, or try again)");
    im_call_free(call);
    CHECK(im_batcher_free(batcher) == 2);
}

static int32_t give_up_at_once(void *asked) {
    ++*(int *)asked;
    return 1;
}

static void *cancel_when_in_flight(void *call) {
    until_request_in_flight();
    im_call_cancel(call);
    return NULL;
}

static void a_caller_that_no_longer_waits(void) {
    int asked = 0;
    pthread_t thread;
    im_batcher *batcher = new_batcher(UINT64_MAX);
    im_call *call = call_of(30000);
    CHECK(im_call_set_interrupt(call, give_up_at_once, &asked) == IM_OK);
    EXPECT(im_batcher_add_tag(batcher, IM_STR("anna"), &TAG, 1, call, &error), IM_CANCELLED, &error,
           "add \"anna\": cancelled by its caller (not applied; send it again if it is still wanted)");
    CHECK(asked == 1 && im_batcher_unsettled(batcher) == 0);
    im_call_free(call);
    CHECK(im_batcher_free(batcher) == 0);

    batcher = new_batcher(0);
    call = call_of(30000);
    emulator_faults(&emulator, "im_add_tag", HANGS);
    pthread_create(&thread, NULL, cancel_when_in_flight, call);
    EXPECT(im_batcher_add_tag(batcher, IM_STR("anna"), &TAG, 1, call, &error), IM_CANCELLED, &error,
           "add \"anna\": cancelled by its caller (possibly applied; send it again if it is still wanted)");
    pthread_join(thread, NULL);
    EXPECT(im_batcher_clear_tags(batcher, IM_STR("anna"), call, &error), IM_CANCELLED, &error, NULL);
    im_call_free(call);
    im_batcher_free(batcher);
}

/* Changes that a wait leaves under way stay there, and have their outcomes later. */
static void flush_and_close_lose_nothing(void) {
    static struct outcomes outcomes;
    im_batcher *batcher = new_batcher(UINT64_MAX);
    im_call *soon = call_of(20), *cancelled = im_call_new();
    im_completions *completions;
    im_call_cancel(cancelled);
    emulator_faults(&emulator, "im_add_tag", "{\"kind\": \"delay\", \"delay_ms\": 500}");
    EXPECT_OK(im_batcher_submit_add_tag(batcher, 0, IM_STR("anna"), &TAG, 1, &error), &error);
    EXPECT(im_batcher_flush(batcher, soon, &error), IM_TIMEOUT, &error,
           "1 change has no outcome yet: allow more time, and flush or close again");
    EXPECT(im_batcher_close(batcher, cancelled, &error), IM_CANCELLED, &error, NULL);
    EXPECT(im_batcher_submit_add_tag(batcher, 1, IM_STR("anna"), &TAG, 1, &error), IM_CLOSED, &error,
           NOT_SENT "it is closed (not applied; use it before it is closed, or make another)");
    EXPECT(im_batcher_add_tag(batcher, IM_STR("anna"), &TAG, 1, NULL, &error), IM_CLOSED, &error, NULL);
    const size_t lengths[] = {0, 1};
    EXPECT(im_batcher_add_tag(batcher, IM_STR(""), &TAG, 1, NULL, &error), IM_INVALID, &error, NULL);
    EXPECT(im_batcher_submit_add_tag(batcher, 1, IM_STR(""), &TAG, 1, &error), IM_INVALID, &error, NULL);
    EXPECT(im_batcher_submit_flat(batcher, IM_ADD, 1, "a", 1, lengths, 2, 0, &error), IM_INVALID, &error, NULL);
    EXPECT(im_batcher_refuse_flat(batcher, IM_CLOSED, IM_ADD, "a", 1, lengths, 2, &error), IM_INVALID, &error, NULL);
    EXPECT_OK(im_batcher_close(batcher, NULL, &error), &error);
    EXPECT_OK(im_batcher_close(batcher, NULL, &error), &error);
    EXPECT_OK(im_batcher_poll(batcher, 0, &completions, &error), &error);
    outcomes_add(&outcomes, completions);
    CHECK(outcomes_are(&outcomes, 1, IM_OK));
    CHECK(im_batcher_free(batcher) == 0);
    im_call_free(soon);
    im_call_free(cancelled);
}

static void it_outlives_its_client(void) {
    im_client *its = client_of(emulator_config(&emulator));
    im_batcher *batcher;
    EXPECT_OK(im_batcher_new(its, &batcher, &error), &error);
    im_client_free(its);
    EXPECT_OK(im_batcher_add_tag(batcher, IM_STR("anna"), &TAG, 1, NULL, &error), &error);
    EXPECT_OK(im_batcher_remove_tag(batcher, IM_STR("anna"), &TAG, 1, NULL, &error), &error);
    EXPECT_OK(im_batcher_clear_tags(batcher, IM_STR("anna"), NULL, &error), &error);
    CHECK(im_batcher_free(batcher) == 0);
}

int main(void) {
    service_begin("batcher", 120);
    callers_of_many_threads_share_a_request();
    a_submitted_change_is_polled();
    a_call_that_breaks_the_limits_fails_at_once();
    a_full_batcher_fails_or_waits_as_set();
    a_caller_that_no_longer_waits();
    flush_and_close_lose_nothing();
    it_outlives_its_client();
    return service_end();
}
