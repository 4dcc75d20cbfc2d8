/*
 * Many threads use one client at once: each has its own call, the credential callback runs on one thread at a time, all
 * read one error. And signals that interrupt system calls affect no call.
 */

#define _GNU_SOURCE
#include "support/background.h"
#include "support/check.h"
#include "support/service.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { THREADS = 8, CALLS = 10 };

/* The client of all threads. */
static im_client *shared;
static im_error *error;

struct vault {
    const char *usersig;
    int inside, most, calls;
};

static void supply(void *context, im_credential *credential) {
    struct vault *vault = context;
    int inside = __atomic_add_fetch(&vault->inside, 1, __ATOMIC_SEQ_CST);
    vault->most = inside > vault->most ? inside : vault->most;
    vault->calls++;
    /* valid for 2 ms, so that all threads need new ones all the time */
    im_credential_set(credential, im_str_from(vault->usersig), 2, NULL);
    __atomic_sub_fetch(&vault->inside, 1, __ATOMIC_SEQ_CST);
}

/* Tags an account of its own, and reads it back. */
static void *tag_and_read(void *given) {
    char account[16], tag[16];
    for (int i = 0; i < CALLS; i++) {
        snprintf(account, sizeof account, "thread%d", (int)(intptr_t)given);
        snprintf(tag, sizeof tag, "tag%d-%d", (int)(intptr_t)given, i);
        const im_str tags = im_str_from(tag), accounts = im_str_from(account);
        const im_user_tags user = {accounts, &tags, 1};
        im_result *result;
        im_error *why;
        size_t count = 0;
        EXPECT_OK(im_clear_tags(shared, &accounts, 1, NULL, NULL, &why), &why);
        EXPECT_OK(im_add_tag(shared, &user, 1, NULL, NULL, &why), &why);
        EXPECT_OK(im_get_tag(shared, &accounts, 1, NULL, &result, &why), &why);
        const im_user_tags *read = im_result_users(result, &count);
        CHECK(count == 1 && read->tag_count == 1 && same(read->account, account) && same(read->tags[0], tag));
        im_result_free(result);
    }
    return NULL;
}

static void *read_error(void *given) {
    (void)given;
    for (int i = 0; i < 1000; i++)
        if (im_error_violation_count(error) != 2 || strcmp(im_error_violation_place(error, 1), "users[0].tags"))
            CHECK(!"an error reads the same on every thread");
    return NULL;
}

static void on_all(void *(*act)(void *)) {
    pthread_t threads[THREADS];
    for (intptr_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, act, (void *)i);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static void many_threads(void) {
    struct vault vault = {.usersig = emulator_usersig(&emulator)};
    im_config *config = emulator_config(&emulator);
    im_config_set_calls_per_second(config, 100000);
    im_config_set_credential_callback(config, supply, &vault, NULL);
    shared = client_of(config);
    on_all(tag_and_read);
    CHECK(vault.most == 1 && vault.calls > 1);

    const im_user_tags user = {IM_STR(""), NULL, 0};
    CHECK(im_add_tag(shared, &user, 1, NULL, NULL, &error) == IM_INVALID);
    on_all(read_error);
    im_error_free(error);
    im_client_free(shared);
}

static volatile sig_atomic_t signals;

static void count_signals(int signal) {
    (void)signal;
    signals++;
}

/* Without SA_RESTART: every blocking call is interrupted, again and again. */
static void signals_that_interrupt(void) {
    struct sigaction action = {.sa_handler = count_signals};
    sigaction(SIGUSR1, &action, NULL);
    const im_str tag = IM_STR("a");
    const im_user_tags user = {IM_STR("xiaojun012"), &tag, 1};
    const char *faults[] = {"{\"kind\": \"delay\", \"delay_ms\": 300}", "{\"kind\": \"drip\", \"interval_ms\": 1}",
                            "{\"kind\": \"code\", \"code\": 60007}"};
    im_config *config = emulator_config(&emulator);
    im_config_set_connect_timeout_ms(config, 30000);
    im_client *calls = client_of(config);
    for (int i = 0; i < 3; i++) {
        struct background it;
        int before = signals;
        emulator_faults(&emulator, "im_add_tag", faults[i]);
        background_add(&it, calls, &user, NULL);
        while (pthread_tryjoin_np(it.thread, NULL) != 0) {
            pthread_kill(it.thread, SIGUSR1);
            usleep(1000);
        }
        EXPECT_OK(it.status, &it.error);
        CHECK(signals > before + 10);
    }
    im_client_free(calls);
}

int main(void) {
    service_begin("threads", 120);
    many_threads();
    signals_that_interrupt();
    return service_end();
}
