/*
 * The options of a call: one call at a time, a deadline, a time for each attempt, and an interrupt, which runs on the
 * calling thread.
 */

#include "support/background.h"
#include "support/check.h"
#include "support/servers.h"
#include "support/service.h"

#include <string.h>
#include <unistd.h>

static im_error *error;
static const im_str TAG = IM_STR_INIT("a");
static const im_user_tags USER = {IM_STR_INIT("xiaojun012"), &TAG, 1};

static int32_t go_on(void *context) {
    (void)context;
    return 0;
}

static void one_call_at_a_time(void) {
    struct background it;
    im_call *call = im_call_new();
    im_result *result;
    emulator_faults(&emulator, "im_add_tag", HANGS);
    background_add(&it, client, &USER, call);
    background_until_it_waits(&it);
    EXPECT_MISUSE(im_add_tag(client, &USER, 1, call, &result, &error), &error,
                  "call is in use by another call: make an im_call for each");
    CHECK(result == NULL);
    EXPECT_MISUSE(im_get_tag(client, &USER.account, 1, call, NULL, &error), &error,
                  "call is in use by another call: make an im_call for each");
    CHECK(im_call_set_timeout_ms(call, 1) == IM_MISUSE);
    CHECK(im_call_set_attempt_timeout_ms(call, 1) == IM_MISUSE);
    CHECK(im_call_set_interrupt(call, go_on, NULL) == IM_MISUSE);
    im_call_cancel(call);
    background_join(&it);
    EXPECT(it.status, IM_CANCELLED, &it.error,
           "add: cancelled while waiting for the answer (possibly applied; call again if it is still wanted)");

    /* once cancelled it stays so, also for what is set later */
    CHECK(im_call_set_timeout_ms(call, 60000) == IM_OK);
    EXPECT(im_add_tag(client, &USER, 1, call, &result, &error), IM_CANCELLED, &error, NULL);
    CHECK(result == NULL);
    im_call_free(call);
}

static void one_after_the_other(void) {
    im_call *call = im_call_new();
    CHECK(im_call_set_timeout_ms(call, UINT64_MAX) == IM_OK);
    CHECK(im_call_set_attempt_timeout_ms(call, UINT64_MAX) == IM_OK);
    for (int i = 0; i < 3; i++)
        EXPECT_OK(im_add_tag(client, &USER, 1, call, NULL, &error), &error);
    /* an invalid request does not use it up */
    CHECK(im_add_tag(client, &USER, 0, call, NULL, NULL) == IM_INVALID);
    EXPECT_OK(im_clear_tags(client, &USER.account, 1, call, NULL, &error), &error);
    im_call_free(call);
}

static void deadlines(void) {
    im_call *call = im_call_new();
    CHECK(im_call_set_timeout_ms(call, 0) == IM_OK);
    EXPECT(im_add_tag(client, &USER, 1, call, NULL, &error), IM_TIMEOUT, &error,
           "add: time is up before it began (not applied; try again, or allow more time)");
    CHECK(im_call_set_timeout_ms(call, 200) == IM_OK);
    CHECK(im_call_set_attempt_timeout_ms(call, 200) == IM_OK); /* else it is tried again after half of it */
    emulator_faults(&emulator, "im_add_tag", HANGS);
    long start = now_ms();
    EXPECT(im_add_tag(client, &USER, 1, call, NULL, &error), IM_TIMEOUT, &error,
           "add: time is up while waiting for the answer (possibly applied; try again, or allow more time)");
    CHECK(now_ms() - start >= 199);

    /* an attempt that takes too long is abandoned, and the next one is answered */
    im_result *result;
    CHECK(im_call_set_timeout_ms(call, 60000) == IM_OK);
    CHECK(im_call_set_attempt_timeout_ms(call, 2000) == IM_OK);
    emulator_faults(&emulator, "im_add_tag", HANGS);
    EXPECT_OK(im_add_tag(client, &USER, 1, call, &result, &error), &error);
    CHECK(im_result_attempts(result) == 2 && im_result_attempts_sent(result) == 2);
    im_result_free(result);
    im_call_free(call);
}

struct asked {
    pthread_t by;
    int times, until;
    bool elsewhere;
};

static int32_t count_asks(void *context) {
    struct asked *asked = context;
    asked->elsewhere = asked->elsewhere || !pthread_equal(asked->by, pthread_self());
    return ++asked->times >= asked->until ? -1 : 0;
}

static void an_interrupt(void) {
    im_call *call = im_call_new();
    struct asked asked = {.by = pthread_self(), .until = 3};
    CHECK(im_call_set_interrupt(call, go_on, NULL) == IM_OK);
    CHECK(im_call_set_interrupt(call, count_asks, &asked) == IM_OK);
    emulator_faults(&emulator, "im_add_tag", HANGS);
    EXPECT(im_add_tag(client, &USER, 1, call, NULL, &error), IM_CANCELLED, &error,
           "add: cancelled while waiting for the answer (possibly applied; call again if it is still wanted)");
    CHECK(asked.times == 3 && !asked.elsewhere);

    /* the answer was for that call; the options are not cancelled by it */
    asked.until = 1000;
    emulator_faults(&emulator, "im_add_tag", "{\"kind\": \"delay\", \"delay_ms\": 500}");
    EXPECT_OK(im_add_tag(client, &USER, 1, call, NULL, &error), &error);
    CHECK(asked.times > 3 && asked.times < 20 && !asked.elsewhere);

    /* where nothing answers, not even the system */
    int port, listener = server_listen(0, &port);
    server_fill(listener, port);
    im_client *stuck = client_at("http", port);
    asked.until = asked.times + 1;
    EXPECT(im_add_tag(stuck, &USER, 1, call, NULL, &error), IM_CANCELLED, &error,
           "add: cancelled while connecting (not applied; call again if it is still wanted)");
    im_client_free(stuck);
    close(listener);
    im_call_free(call);
}

int main(void) {
    service_begin("calls", 120);
    one_call_at_a_time();
    one_after_the_other();
    deadlines();
    an_interrupt();
    return service_end();
}
