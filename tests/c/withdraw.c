/*
 * A binding that waits outside of the library: it submits, one thread polls outcomes and capacity, and a caller that no
 * longer waits withdraws its change.
 */

#define _GNU_SOURCE
#include "support/check.h"
#include "support/outcomes.h"
#include "support/service.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

static im_error *error;
static const im_str TAG = IM_STR_INIT("a");

/* The next outcome, which is an error. */
#define EXPECT_OUTCOME(batcher, id, wanted, message)                                                                   \
    do {                                                                                                               \
        im_completions *its;                                                                                           \
        EXPECT_OK(im_batcher_poll(batcher, UINT64_MAX, &its, &error), &error);                                         \
        CHECK(im_completions_count(its) == 1 && im_completions_id(its, 0) == (id));                                    \
        const im_error *why = im_completions_error(its, 0);                                                            \
        CHECK(im_error_status(why) == (wanted));                                                                       \
        CHECK_TEXT(im_error_message(why), message);                                                                    \
        im_completions_free(its);                                                                                      \
    } while (0)

static bool nothing_is_polled(im_batcher *batcher) {
    im_completions *completions;
    EXPECT_OK(im_batcher_poll(batcher, 0, &completions, &error), &error);
    return completions == NULL;
}

static void a_change_that_is_in_no_request_is_withdrawn(void) {
    im_batcher *batcher = new_batcher(UINT64_MAX);
    EXPECT_OK(im_batcher_submit_add_tag(batcher, 1, IM_STR("anna"), &TAG, 1, &error), &error);
    EXPECT_OK(im_batcher_submit_remove_tag(batcher, 2, IM_STR("anna"), &TAG, 1, &error), &error);
    EXPECT_OK(im_batcher_withdraw(batcher, 1, IM_TIMEOUT, &error), &error);
    EXPECT_OUTCOME(batcher, 1, IM_TIMEOUT,
                   "add \"anna\": not sent: its time was up (not applied; allow more time, or try again)");
    EXPECT_OK(im_batcher_withdraw(batcher, 2, IM_CANCELLED, &error), &error);
    EXPECT_OUTCOME(batcher, 2, IM_CANCELLED,
                   "remove \"anna\": cancelled by its caller (not applied; send it again if it is still wanted)");
    EXPECT_OK(im_batcher_withdraw(batcher, 2, IM_CANCELLED, &error), &error);
    EXPECT_MISUSE(im_batcher_withdraw(batcher, 2, IM_OK, &error), &error,
                  "why: 0 is no reason: IM_CANCELLED or IM_TIMEOUT");
    CHECK(nothing_is_polled(batcher) && im_batcher_unsettled(batcher) == 0 && im_batcher_free(batcher) == 0);
}

static void a_change_that_is_in_flight_is_possibly_applied(void) {
    im_batcher *batcher = new_batcher(0);
    emulator_faults(&emulator, "im_add_tag", HANGS);
    EXPECT_OK(im_batcher_submit_add_tag(batcher, 1, IM_STR("anna"), &TAG, 1, &error), &error);
    until_request_in_flight();
    EXPECT_OK(im_batcher_withdraw(batcher, 1, IM_CANCELLED, &error), &error);
    EXPECT_OUTCOME(batcher, 1, IM_CANCELLED,
                   "add \"anna\": cancelled by its caller (possibly applied; send it again if it is still wanted)");
    CHECK(im_batcher_unsettled(batcher) == 0 && im_batcher_free(batcher) == 0);

    batcher = new_batcher(0);
    emulator_faults(&emulator, "im_add_tag", HANGS);
    EXPECT_OK(im_batcher_submit_add_tag(batcher, 1, IM_STR("anna"), &TAG, 1, &error), &error);
    until_request_in_flight();
    EXPECT_OK(im_batcher_withdraw(batcher, 1, IM_TIMEOUT, &error), &error);
    EXPECT_OUTCOME(batcher, 1, IM_TIMEOUT,
                   "add \"anna\": its time was up before it was answered"
                   " (possibly applied; allow more time, or try again)");
    CHECK(nothing_is_polled(batcher) && im_batcher_free(batcher) == 0);
}

static void a_flat_change_is_as_any_other(void) {
    static struct outcomes outcomes;
    static const size_t lengths[] = {4, 3, 6}, bad[] = {4, 1};
    im_batcher *batcher = new_batcher(1);
    im_completions *completions;
    emulator_ask(&emulator, "POST", "/emulator/reset", "");
    EXPECT_OK(im_batcher_submit_flat(batcher, IM_ADD, 0, "annavip北京", 13, lengths, 3, UINT64_MAX, &error), &error);
    EXPECT_OK(im_batcher_submit_flat(batcher, IM_REMOVE, 1, "annavip", 7, lengths, 2, 60000, &error), &error);
    EXPECT_OK(im_batcher_submit_flat(batcher, IM_CLEAR, 2, "bobi", 4, lengths, 1, 60000, &error), &error);
    EXPECT_OK(im_batcher_submit_flat(batcher, IM_ADD, 3, "anna\xff", 5, bad, 2, 60000, &error), &error);
    EXPECT(im_batcher_submit_flat(batcher, IM_ADD, 4, "annavip", 7, lengths, 2, 0, &error), IM_TIMEOUT, &error,
           "add \"anna\": not sent: its time was up (not applied; allow more time, or try again)");
    EXPECT_MISUSE(im_batcher_submit_flat(batcher, IM_CLEAR, 4, "annavip", 7, lengths, 2, 0, &error), &error,
                  "operation: 3 with 1 tags is none: IM_ADD, IM_REMOVE, IM_REPLACE, or IM_CLEAR without tags");
    EXPECT_MISUSE(im_batcher_submit_flat(batcher, 5, 4, "anna", 4, lengths, 1, 0, &error), &error,
                  "operation: 5 with 0 tags is none: IM_ADD, IM_REMOVE, IM_REPLACE, or IM_CLEAR without tags");
    EXPECT_MISUSE(im_batcher_submit_flat(batcher, IM_ADD, 4, "anna", 5, lengths, 1, 0, &error), &error,
                  "lengths: they do not add up to the 5 bytes of text");
    EXPECT_OK(im_batcher_close(batcher, NULL, &error), &error);
    while (outcomes.count < 4) {
        EXPECT_OK(im_batcher_poll(batcher, UINT64_MAX, &completions, &error), &error);
        outcomes_add(&outcomes, completions);
    }
    CHECK(outcomes.status[0] == IM_OK && outcomes.status[1] == IM_OK && outcomes.status[2] == IM_OK);
    CHECK(outcomes.status[3] == IM_INVALID && outcomes.failed == 1);
    CHECK(strstr(emulator_ask(&emulator, "GET", "/emulator/users", ""), "北京"));
    EXPECT(im_batcher_submit_flat(batcher, IM_CLEAR, 4, "anna", 4, lengths, 1, 60000, &error), IM_CLOSED, &error,
           "clear \"anna\": not sent: it is closed (not applied; use it before it is closed, or make another)");
    CHECK(im_batcher_free(batcher) == 0);
}

/* The error is the one that the batcher would return. */
static void a_change_that_is_not_submitted_has_its_reason(void) {
    static const size_t lengths[] = {4, 3};
    EXPECT(im_batcher_refuse_flat(NULL, IM_CLOSED, IM_CLEAR, "anna", 4, lengths, 1, &error), IM_CLOSED, &error,
           "clear \"anna\": not sent: it is closed (not applied; use it before it is closed, or make another)");
    EXPECT(im_batcher_refuse_flat(NULL, IM_TIMEOUT, IM_ADD, "annavip", 7, lengths, 2, &error), IM_TIMEOUT, &error,
           "add \"anna\": not sent: its time was up (not applied; allow more time, or try again)");
    im_batcher *batcher = new_batcher(0);
    CHECK(im_batcher_refuse_flat(batcher, IM_CANCELLED, IM_REMOVE, "annavip", 7, lengths, 2, &error) == IM_CANCELLED);
    CHECK_TEXT(im_error_message(error),
               "remove \"anna\": cancelled by its caller (not applied; send it again if it is still wanted)");
    CHECK(im_error_effect(error) == IM_NOT_APPLIED && im_error_undone_count(error) == 1);
    im_error_free(error);
    EXPECT(im_batcher_refuse_flat(batcher, IM_CANCELLED, IM_REMOVE, "anna\xff\xff\xff", 7, lengths, 2, &error), IM_INVALID,
           &error, "invalid request, nothing was sent: tags[0]: not UTF-8 from byte 0 on (convert it to UTF-8)");
    CHECK(im_batcher_free(batcher) == 0);
    EXPECT_MISUSE(im_batcher_refuse_flat(NULL, IM_OK, IM_ADD, "annavip", 7, lengths, 2, &error), &error,
                  "why: 0 is no reason: IM_TIMEOUT, IM_CANCELLED or IM_CLOSED");
    EXPECT_MISUSE(im_batcher_refuse_flat(NULL, IM_CLOSED, IM_CLEAR, "annavip", 7, lengths, 2, &error), &error,
                  "operation: 3 with 1 tags is none: IM_ADD, IM_REMOVE, IM_REPLACE, or IM_CLEAR without tags");
}

static void *poll_once(void *batcher) {
    im_completions *completions;
    EXPECT_OK(im_batcher_poll(batcher, UINT64_MAX, &completions, &error), &error);
    return completions;
}

static void a_poll_returns_when_there_is_capacity(void) {
    pthread_t thread;
    void *completions = &thread;
    im_call *soon = im_call_new();
    im_batcher *batcher = new_batcher(UINT64_MAX);
    CHECK(im_call_set_timeout_ms(soon, 1) == IM_OK);
    CHECK(im_batcher_set_when_full(batcher, IM_SIGNAL) == IM_OK && im_batcher_set_capacity(batcher, 1) == IM_OK);
    emulator_faults(&emulator, "im_add_tag", HANGS);
    EXPECT_OK(im_batcher_submit_add_tag(batcher, 0, IM_STR("anna"), &TAG, 1, &error), &error);
    until_request_in_flight();
    emulator_faults(&emulator, "im_add_tag", HANGS);
    EXPECT_OK(im_batcher_submit_add_tag(batcher, 1, IM_STR("bob"), &TAG, 1, &error), &error);
    EXPECT(im_batcher_submit_add_tag(batcher, 2, IM_STR("eve"), &TAG, 1, &error), IM_FULL, &error,
           "add \"eve\": not sent: the batcher is full (not applied; slow down, or let the batcher wait when it is full)");
    pthread_create(&thread, NULL, poll_once, batcher);
    /* makes a request of the changes that linger, also after its time: there is capacity, and no outcome */
    CHECK(im_batcher_flush(batcher, soon, NULL) == IM_TIMEOUT);
    pthread_join(thread, &completions);
    CHECK(completions == NULL);
    EXPECT_OK(im_batcher_submit_add_tag(batcher, 2, IM_STR("eve"), &TAG, 1, &error), &error);
    im_call_free(soon);
    CHECK(im_batcher_free(batcher) == 3);
}

int main(void) {
    service_begin("withdraw", 120);
    a_change_that_is_in_no_request_is_withdrawn();
    a_change_that_is_in_flight_is_possibly_applied();
    a_flat_change_is_as_any_other();
    a_change_that_is_not_submitted_has_its_reason();
    a_poll_returns_when_there_is_capacity();
    return service_end();
}
