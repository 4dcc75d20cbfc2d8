/*
 * How a bulk run is waited for, cancelled and let go: by a progress function, by another thread, by its end in the
 * middle; what was under way then, and what was not, is said of each change. Requests are made to hang in earnest, so
 * what does not end is killed with the program.
 */

#define _GNU_SOURCE
#include "support/check.h"
#include "support/emulator.h"
#include "support/outcomes.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct emulator emulator;
static im_client *client;
static im_error *error;
static const im_str TAG = IM_STR_INIT("a");

#define HANGS "{\"kind\": \"delay\", \"delay_ms\": 60000}"
#define SLOW "{\"kind\": \"delay\", \"delay_ms\": 1000}"

static im_bulk *new_bulk(void) {
    im_bulk *bulk;
    EXPECT_OK(im_bulk_new(client, &bulk, &error), &error);
    return bulk;
}

static im_status push(im_bulk *bulk, uint64_t id) {
    char account[24];
    snprintf(account, sizeof account, "u%d", (int)id);
    return im_bulk_add_tag(bulk, id, im_str_from(account), &TAG, 1, NULL);
}

/* The request that takes the fault has arrived. */
static void until_it_is_under_way(void) {
    while (!strstr(emulator_ask(&emulator, "GET", "/emulator/stats", ""), "\"faults_waiting\":0"))
        usleep(1000);
}

static void a_poll_waits_no_longer_than_it_may(void) {
    im_bulk *bulk = new_bulk();
    im_completions *completions = (im_completions *)&completions;
    /* nothing is under way, so there is nothing to wait for */
    EXPECT_OK(im_bulk_poll(bulk, UINT64_MAX, &completions, &error), &error);
    CHECK(completions == NULL && im_completions_count(completions) == 0);
    emulator_faults(&emulator, "im_add_tag", HANGS);
    CHECK(push(bulk, 0) == IM_OK);
    EXPECT_OK(im_bulk_poll(bulk, 0, &completions, &error), &error);
    CHECK(completions == NULL);
    EXPECT_OK(im_bulk_poll(bulk, 10, &completions, &error), &error);
    CHECK(completions == NULL);
    im_bulk_free(bulk); /* with a change that has no outcome: it does not wait for it */
}

struct progress {
    im_bulk *bulk;
    pthread_t thread;
    int asked, yes_from;
    bool elsewhere, other;
    uint64_t taken;
};

static int32_t on_progress(const im_bulk *bulk, void *context) {
    struct progress *progress = context;
    progress->other |= bulk != progress->bulk;
    progress->elsewhere |= !pthread_equal(progress->thread, pthread_self());
    progress->taken = im_bulk_count(bulk, IM_COUNT_TAKEN);
    return ++progress->asked >= progress->yes_from;
}

enum { NEVER = 1 << 30 };

static struct progress progress_of(im_bulk *bulk) {
    return (struct progress){bulk, pthread_self(), 0, NEVER, false, false, 0};
}

/* What is under way is seen through; what was not sent is said to be that. */
static void a_progress_function_cancels(void) {
    static struct outcomes outcomes;
    im_bulk *bulk = new_bulk();
    struct progress progress = progress_of(bulk);
    CHECK(im_bulk_set_progress(bulk, on_progress, &progress) == IM_OK);
    CHECK(im_bulk_set_linger_ms(bulk, UINT64_MAX) == IM_OK); /* so that the last 50 are not sent */
    emulator_faults(&emulator, "im_add_tag", SLOW);
    for (uint64_t id = 0; id < 150; id++)
        CHECK(push(bulk, id) == IM_OK);
    until_it_is_under_way();
    progress.yes_from = progress.asked + 1;
    while (progress.asked < progress.yes_from) {
        im_completions *completions;
        EXPECT_OK(im_bulk_poll(bulk, 1, &completions, &error), &error);
        outcomes_add(&outcomes, completions);
    }
    progress.yes_from = NEVER; /* the second yes would end what is under way */
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

static void two_yeses_end_what_is_under_way(void) {
    im_bulk *bulk = new_bulk();
    struct progress progress = progress_of(bulk);
    CHECK(im_bulk_set_progress(bulk, on_progress, &progress) == IM_OK);
    CHECK(im_bulk_set_attempt_timeout_ms(bulk, 60000) == IM_OK);
    emulator_faults(&emulator, "im_add_tag", HANGS);
    CHECK(push(bulk, 0) == IM_OK && im_bulk_end_of_input(bulk, NULL) == IM_OK);
    until_it_is_under_way();
    progress.yes_from = 1;
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
    until_it_is_under_way();
    im_bulk_cancel(bulk);
    im_bulk_cancel(bulk);
    return NULL;
}

/* A push that waits for capacity ends, and says how many it took. */
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

static void cancelled_before_it_begins(void) {
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
    begin("runs", 120);
    emulator = emulator_start();
    client = client_of(emulator_config(&emulator));
    a_poll_waits_no_longer_than_it_may();
    a_progress_function_cancels();
    two_yeses_end_what_is_under_way();
    another_thread_cancels();
    cancelled_before_it_begins();
    many_threads_push_and_one_polls();
    it_outlives_its_client();
    im_client_free(client);
    emulator_stop(&emulator);
    return end();
}
