/*
 * A call ends at once when another thread cancels it, in any phase. Each phase really hangs; the message says which it
 * was, and the effect what can be known: not applied before a byte is sent, possibly applied after that. The tests do
 * not check how soon a call ends; a call that does not end is killed with the program.
 */

#define _GNU_SOURCE
#include "support/background.h"
#include "support/check.h"
#include "support/servers.h"
#include "support/service.h"

#include <netdb.h>
#include <unistd.h>

static const im_str TAG = IM_STR_INIT("a");
static const im_user_tags USER = {IM_STR_INIT("xiaojun012"), &TAG, 1};

/* Cancels a call once it hangs, and checks how it ended. */
static void cancel_when_it_hangs(struct background *it, const char *message, im_effect effect) {
    background_until_it_waits(it);
    im_call_cancel(it->call);
    background_join(it);
    CHECK(im_error_effect(it->error) == effect && im_error_retryable(it->error));
    CHECK_TEXT(im_error_remedy(it->error), "call again if it is still wanted");
    EXPECT(it->status, IM_CANCELLED, &it->error, message);
}

static void one(const im_client *of, const im_user_tags *user, const char *message, im_effect effect) {
    struct background it;
    im_call *call = im_call_new();
    background_add(&it, of, user, call);
    cancel_when_it_hangs(&it, message, effect);
    im_call_free(call);
}

static void waiting_for_the_quota(void) {
    im_config *config = emulator_config(&emulator);
    im_config_set_calls_per_second(config, 1);
    im_config_set_timeout_ms(config, 60000);
    im_client *its = client_of(config);
    /* the first call has no answer yet, so the second has no turn, however long that takes */
    emulator_faults(&emulator, "im_add_tag", HANGS);
    struct background first;
    im_call *call = im_call_new();
    background_add(&first, its, &USER, call);
    background_until_it_waits(&first);
    one(its, &USER,
        "add: cancelled while waiting for the quota (not applied; call again if it is still wanted)", IM_NOT_APPLIED);
    cancel_when_it_hangs(&first,
                         "add: cancelled while waiting for the answer (possibly applied; call again if it is still "
                         "wanted)",
                         IM_POSSIBLY_APPLIED);
    im_call_free(call);
    im_client_free(its);
}

struct held_back {
    pthread_mutex_t lock;
    volatile bool entered;
};

static void supply_late(void *context, im_credential *credential) {
    struct held_back *held_back = context;
    held_back->entered = true;
    pthread_mutex_lock(&held_back->lock);
    pthread_mutex_unlock(&held_back->lock);
    im_credential_refuse(credential, IM_STR("the vault is shut"));
}

static void waiting_for_another_threads_usersig(void) {
    static struct held_back held_back = {.lock = PTHREAD_MUTEX_INITIALIZER};
    im_config *config = emulator_config(&emulator);
    im_config_set_credential_callback(config, supply_late, &held_back, NULL);
    im_client *its = client_of(config);
    pthread_mutex_lock(&held_back.lock);
    struct background first;
    background_add(&first, its, &USER, NULL);
    background_until_it_waits(&first);
    CHECK(held_back.entered);
    one(its, &USER, "add: cancelled while waiting for a UserSig (not applied; call again if it is still wanted)",
        IM_NOT_APPLIED);
    pthread_mutex_unlock(&held_back.lock);
    background_join(&first);
    EXPECT(first.status, IM_CREDENTIALS, &first.error,
           "add: no UserSig: the vault is shut (not applied; fix what supplies the UserSig)");
    im_client_free(its);
}

static pthread_mutex_t names = PTHREAD_MUTEX_INITIALIZER;
static volatile int looked_up;

/* Replaces the C library's for this whole program: a look-up that takes as long as the test wants. */
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
    (void)name, (void)service, (void)hints, (void)found;
    looked_up = 1;
    pthread_mutex_lock(&names);
    pthread_mutex_unlock(&names);
    looked_up = 2;
    return EAI_FAIL;
}

static void looking_up_the_host(void) {
    im_config *config = emulator_config(&emulator);
    im_config_set_endpoint(config, IM_STR("https://tags.example"));
    im_client *its = client_of(config);
    pthread_mutex_lock(&names);
    one(its, &USER, "add: cancelled while looking up the host (not applied; call again if it is still wanted)",
        IM_NOT_APPLIED);
    CHECK(looked_up == 1);
    im_client_free(its);
    /* the thread that looks up goes on without its call, and ends by itself */
    pthread_mutex_unlock(&names);
    while (looked_up != 2)
        usleep(1000);
}

static void connecting(void) {
    int port, listener = server_listen(0, &port);
    server_fill(listener, port);
    im_client *its = client_at("http", port);
    one(its, &USER, "add: cancelled while connecting (not applied; call again if it is still wanted)",
        IM_NOT_APPLIED);
    im_client_free(its);
    close(listener);
}

/* The system takes the connection; no program accepts it, and there is no answer. */
static void in_the_tls_handshake(void) {
    int port, listener = server_listen(8, &port);
    im_client *its = client_at("https", port);
    one(its, &USER, "add: cancelled while in the TLS handshake (not applied; call again if it is still wanted)",
        IM_NOT_APPLIED);
    im_client_free(its);
    close(listener);
}

static void writing(void) {
    int port, listener = server_listen(8, &port);
    im_client *its = client_at("http", port);
    const im_str tag = server_big_tag();
    const im_user_tags user = {IM_STR("xiaojun012"), &tag, 1};
    one(its, &user,
        "add: cancelled while writing the request (possibly applied; call again if it is still wanted)",
        IM_POSSIBLY_APPLIED);
    im_client_free(its);
    close(listener);
}

static void reading(void) {
    emulator_faults(&emulator, "im_add_tag", HANGS);
    one(client, &USER,
        "add: cancelled while waiting for the answer (possibly applied; call again if it is still wanted)",
        IM_POSSIBLY_APPLIED);
}

/* After "too frequent" the next try is a second away, long enough to cancel the wait. */
static void in_the_backoff(void) {
    emulator_faults(&emulator, "im_add_tag", "{\"kind\": \"code\", \"code\": 60007}");
    one(client, &USER, "add: cancelled while waiting to try again (not applied; call again if it is still wanted)",
        IM_NOT_APPLIED);
}

static void before_it_starts(void) {
    im_client *its = client_at("http", server_none());
    im_call *call = im_call_new();
    im_error *error;
    im_call_cancel(call);
    im_call_cancel(call);
    for (int i = 0; i < 2; i++)
        EXPECT(im_add_tag(its, &USER, 1, call, NULL, &error), IM_CANCELLED, &error,
               "add: cancelled before it began (not applied; call again if it is still wanted)");
    im_call_free(call);
    im_client_free(its);
}

int main(void) {
    service_begin("cancel", 120);
    waiting_for_the_quota();
    waiting_for_another_threads_usersig();
    looking_up_the_host();
    connecting();
    in_the_tls_handshake();
    writing();
    reading();
    in_the_backoff();
    before_it_starts();
    return service_end();
}
