/*
 * How a bulk run is waited for, cancelled and freed: by a progress function, by another thread, before its end. Each
 * change says whether its request was under way then. Requests really hang, so a run that does not end is killed with
 * the program.
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

#define SLOW "{\"kind\": \"delay\", \"delay_ms\": 1000}"

static im_status push(im_bulk *bulk, uint64_t id) {
    char account[24];
    snprintf(account, sizeof account, "u%d", (int)id);
    return im_bulk_add_tag(bulk, id, im_str_from(account), &TAG, 1, NULL);
}

static void a_poll_waits_no_longer_than_its_timeout(void) {
    im_bulk *bulk = new_bulk();
    im_completions *completions = (im_completions *)&completions;
    /* no change is under way, so there is nothing to wait for */
    EXPECT_OK(im_bulk_poll(bulk, UINT64_MAX, &completions, &error), &error);
    CHECK(completions == NULL && im_completions_count(completions) == 0);
    emulator_faults(&emulator, "im_add_tag", HANGS);
    CHECK(push(bulk, 0) == IM_OK);
    EXPECT_OK(im_bulk_poll(bulk, 0, &completions, &error), &error);
    CHECK(completions == NULL);
    EXPECT_OK(im_bulk_poll(bulk, 10, &completions, &error), &error);
    CHECK(completions == NULL);
    im_bulk_free(bulk); /* it does not wait for the change that has no outcome */
}

struct progress {
    im_bulk *bulk;
    pthread_t thread;
    int asked, cancels_from;
    bool elsewhere, other;
    uint64_t taken;
};

static int32_t on_progress(const im_bulk *bulk, void *context) {
    struct progress *progress = context;
    progress->other |= bulk != progress->bulk;
    progress->elsewhere |= !pthread_equal(progress->thread, pthread_self());
    progress->taken = im_bulk_count(bulk, IM_COUNT_TAKEN);
    return ++progress->asked >= progress->cancels_from;
}

enum { NEVER = 1 << 30 };

static struct progress progress_of(im_bulk *bulk) {
    return (struct progress){bulk, pthread_self(), 0, NEVER, false, false, 0};
}

/* Requests under way complete; changes that were not sent fail as cancelled. */
static void a_progress_function_cancels(void) {
    static struct outcomes outcomes;
    im_bulk *bulk = new_bulk();
    struct progress progress = progress_of(bulk);
    CHECK(im_bulk_set_progress(bulk, on_progress, &progress) == IM_OK);
    CHECK(im_bulk_set_linger_ms(bulk, UINT64_MAX) == IM_OK); /* so the last 50 are not sent */
    emulator_faults(&emulator, "im_add_tag", SLOW);
    for (uint64_t id = 0; id < 150; id++)
        CHECK(push(bulk, id) == IM_OK);
    until_request_in_flight();
    progress.cancels_from = progress.asked + 1;
    while (progress.asked < progress.cancels_from) {
        im_completions *completions;
        EXPECT_OK(im_bulk_poll(bulk, 1, &completions, &error), &error);
        outcomes_add(&outcomes, completions);
    }
    progress.cancels_from = NEVER; /* the second number other than 0 would end requests under way */
    CHECK(im_bulk_finish(bulk, &error) == IM_CANCELLED);
    CHECK(strstr(im_error_message(error), "ended early: cancelled") && im_error_retryable(error));
    im_error_free(error);
    outcomes_of_bulk(&outcomes, bulk);
    CHECK(outcomes.count == 150 && outcomes.failed == 50);
    CHECK(outcomes.status[0] == IM_OK && outcomes.status[149] == IM_CANCELLED);
    CHECK(progress.asked > 1 && progress.taken == 150 && !progress.elsewhere && !progress.other);
    CHECK(push(bulk, 0) == IM_CANCELLED);
    im_bulk_free(bulk);
}

static void cancelling_twice_ends_requests_in_flight(void) {
    im_bulk *bulk = new_bulk();
    struct progress progress = progress_of(bulk);
    CHECK(im_bulk_set_progress(bulk, on_progress, &progress) == IM_OK);
    CHECK(im_bulk_set_attempt_timeout_ms(bulk, 60000) == IM_OK);
    emulator_faults(&emulator, "im_add_tag", HANGS);
    CHECK(push(bulk, 0) == IM_OK && im_bulk_end_of_input(bulk, NULL) == IM_OK);
    until_request_in_flight();
    progress.cancels_from = 1;
    CHECK(im_bulk_finish(bulk, NULL) == IM_CANCELLED);
    CHECK(progress.asked >= 2);
    im_completions *completions;
    EXPECT_OK(im_bulk_poll(bulk, 0, &completions, &error), &error);
    const im_error *why = im_completions_error(completions, 0);
    CHECK(im_error_status(why) == IM_CANCELLED && im_error_effect(why) == IM_POSSIBLY_APPLIED);
    CHECK(im_error_failure_count(why) == 1 && im_error_attempts_sent(why) == 1);
    im_completions_free(completions);
    im_bulk_free(bulk);
}

static void *cancel_twice(void *bulk) {
    until_request_in_flight();
    im_bulk_cancel(bulk);
    im_bulk_cancel(bulk);
    return NULL;
}

/* A push that waits for capacity ends, and returns how many changes were taken. */
static void another_thread_cancels(void) {
    enum { CHANGES = 10 };
    static struct outcomes outcomes;
    const char text[] = "abcdefghij0123456789";
    int32_t operations[CHANGES];
    size_t lengths[2 * CHANGES], tag_counts[CHANGES], taken = 0;
    for (int i = 0; i < CHANGES; i++)
        operations[i] = IM_ADD, lengths[2 * i] = lengths[2 * i + 1] = tag_counts[i] = 1;
    im_bulk *bulk = new_bulk();
    pthread_t thread;
    CHECK(im_bulk_set_capacity(bulk, 2) == IM_OK && im_bulk_set_linger_ms(bulk, 0) == IM_OK);
    emulator_faults(&emulator, "im_add_tag", HANGS);
    pthread_create(&thread, NULL, cancel_twice, bulk);
    im_status status = im_bulk_push_flat(bulk, operations, 0, text, 2 * CHANGES, lengths, 2 * CHANGES, tag_counts,
                                         CHANGES, &taken, &error);
    EXPECT(status, IM_CANCELLED, &error, NULL);
    pthread_join(thread, NULL);
    CHECK(taken > 0 && taken < CHANGES);
    CHECK(im_bulk_finish(bulk, NULL) == IM_CANCELLED);
    outcomes_of_bulk(&outcomes, bulk);
    CHECK(outcomes_are(&outcomes, taken, IM_CANCELLED));
    im_bulk_free(bulk);
}

static void cancelled_before_it_starts(void) {
    im_bulk *bulk = new_bulk();
    im_bulk_cancel(bulk);
    EXPECT(im_bulk_add_tag(bulk, 0, IM_STR("anna"), &TAG, 1, &error), IM_CANCELLED, &error,
           "add \"anna\": not sent: cancelled (not applied; send it again if it is still wanted)");
    EXPECT(im_bulk_finish(bulk, &error), IM_CANCELLED, &error,
           "0 changes: 0 done, 0 failed; 0 requests, 0 retries; ended early: cancelled");
    im_bulk_free(bulk);
}

enum { THREADS = 8, CHANGES_OF_EACH = 100 };

struct pusher {
    im_bulk *bulk;
    int number;
    pthread_t thread;
};

static void *push_some(void *given) {
    struct pusher *pusher = given;
    for (int i = 0; i < CHANGES_OF_EACH; i++)
        CHECK(push(pusher->bulk, (uint64_t)(pusher->number * CHANGES_OF_EACH + i)) == IM_OK);
    return NULL;
}

static void many_threads_push_and_one_polls(void) {
    static struct outcomes outcomes;
    static struct pusher pushers[THREADS];
    im_bulk *bulk = new_bulk();
    CHECK(im_bulk_set_capacity(bulk, 50) == IM_OK);
    for (int i = 0; i < THREADS; i++) {
        pushers[i] = (struct pusher){bulk, i, 0};
        pthread_create(&pushers[i].thread, NULL, push_some, &pushers[i]);
    }
    while (outcomes.count < THREADS * CHANGES_OF_EACH / 2) {
        im_completions *completions;
        EXPECT_OK(im_bulk_poll(bulk, 100, &completions, &error), &error);
        outcomes_add(&outcomes, completions);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(pushers[i].thread, NULL);
    EXPECT_OK(im_bulk_finish(bulk, &error), &error);
    outcomes_of_bulk(&outcomes, bulk);
    CHECK(outcomes_are(&outcomes, THREADS * CHANGES_OF_EACH, IM_OK));
    im_bulk_free(bulk);
}

static void it_outlives_its_client(void) {
    static struct outcomes outcomes;
    im_client *its = client_of(emulator_config(&emulator));
    im_bulk *bulk;
    EXPECT_OK(im_bulk_new(its, &bulk, &error), &error);
    im_client_free(its);
    CHECK(push(bulk, 0) == IM_OK);
    EXPECT_OK(im_bulk_finish(bulk, &error), &error);
    outcomes_of_bulk(&outcomes, bulk);
    CHECK(outcomes_are(&outcomes, 1, IM_OK));
    im_bulk_free(bulk);
}

int main(void) {
    service_begin("runs", 120);
    a_poll_waits_no_longer_than_its_timeout();
    a_progress_function_cancels();
    cancelling_twice_ends_requests_in_flight();
    another_thread_cancels();
    cancelled_before_it_starts();
    many_threads_push_and_one_polls();
    it_outlives_its_client();
    return service_end();
}
