/*
 * Threads that end: a thread that is cancelled during a call ends once it has left the library; a thread whose keys are
 * being destroyed makes no more calls, with an error and no effect. And an interrupt may make a call during another.
 */

#include "support/background.h"
#include "support/check.h"
#include "support/service.h"

static im_bulk *bulk;
static im_batcher *batcher;
static im_error *error;
static const im_str TAG = IM_STR_INIT("a"), ACCOUNT = IM_STR_INIT("xiaojun012");
static const im_user_tags USER = {IM_STR_INIT("xiaojun012"), &TAG, 1};

static const char *const ENDING =
    "this thread is ending, and has too little left for a call: make it before, or on another thread";

/* The cancellation is deferred until the call has ended and returned its status. */
static void a_thread_that_is_cancelled_in_a_call(void) {
    struct background slow;
    emulator_faults(&emulator, "im_add_tag", "{\"kind\": \"delay\", \"delay_ms\": 400}");
    background_add(&slow, client, &USER, NULL);
    background_until_it_waits(&slow);
    CHECK(pthread_cancel(slow.thread) == 0);
    CHECK(pthread_join(slow.thread, NULL) == 0);
    EXPECT_OK(slow.status, &slow.error);
}

static pthread_key_t key;

static void call_as_the_thread_ends(void *value) {
    (void)value;
    im_error *why;
    EXPECT_MISUSE(im_add_tag(client, &USER, 1, NULL, NULL, &why), &why, ENDING);
    EXPECT_MISUSE(im_bulk_add_tag(bulk, 1, ACCOUNT, &TAG, 1, &why), &why, ENDING);
    EXPECT_MISUSE(im_batcher_add_tag(batcher, ACCOUNT, &TAG, 1, NULL, &why), &why, ENDING);
}

static void *call_and_end(void *nothing) {
    im_error *why;
    EXPECT_OK(im_batcher_add_tag(batcher, ACCOUNT, &TAG, 1, NULL, &why), &why);
    pthread_setspecific(key, &key);
    return nothing;
}

static void a_thread_that_calls_as_it_ends(void) {
    pthread_t thread;
    EXPECT_OK(im_bulk_new(client, &bulk, &error), &error);
    EXPECT_OK(im_batcher_new(client, &batcher, &error), &error);
    CHECK(pthread_key_create(&key, call_as_the_thread_ends) == 0);
    CHECK(pthread_create(&thread, NULL, call_and_end, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    pthread_key_delete(key);
    im_bulk_free(bulk);
    CHECK(im_batcher_free(batcher) == 0);
}

static int asked;

static int32_t call_in_interrupt(void *context) {
    (void)context;
    im_error *why;
    asked++;
    EXPECT_OK(im_get_tag(client, &ACCOUNT, 1, NULL, NULL, &why), &why);
    return 0;
}

static void a_call_during_another(void) {
    im_call *call = im_call_new();
    im_result *result;
    EXPECT_OK(im_call_set_interrupt(call, call_in_interrupt, NULL), &error);
    emulator_faults(&emulator, "im_add_tag", "{\"kind\": \"delay\", \"delay_ms\": 400}");
    EXPECT_OK(im_add_tag(client, &USER, 1, call, &result, &error), &error);
    CHECK(asked > 0);
    CHECK(im_result_accounts(result) == 1 && im_result_attempts(result) == 1);
    im_result_free(result);
    im_call_free(call);
}

int main(void) {
    service_begin("ending", 60);
    a_thread_that_is_cancelled_in_a_call();
    a_thread_that_calls_as_it_ends();
    a_call_during_another();
    return service_end();
}
