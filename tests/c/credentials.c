/*
 * A callback that supplies the UserSig: it sets one, refuses, does neither or both. Its context is freed exactly once,
 * when it is no longer needed, also if setting it failed.
 */

#define _GNU_SOURCE

#include "support/check.h"
#include "support/service.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

static const char *usersig;
static im_error *error;
static const im_str TAG = IM_STR_INIT("a");
static const im_user_tags USER = {IM_STR_INIT("xiaojun012"), &TAG, 1};

struct vault {
    void (*answer)(im_credential *credential);
    int calls, frees;
    pthread_t by;
};

static void supply(void *context, im_credential *credential) {
    struct vault *vault = context;
    vault->calls++;
    vault->by = pthread_self();
    vault->answer(credential);
}

static void close_vault(void *context) {
    struct vault *vault = context;
    vault->frees++;
}

static im_client *client_with(struct vault *vault) {
    im_config *config = emulator_config(&emulator);
    CHECK(im_config_set_credential_callback(config, supply, vault, close_vault) == IM_OK);
    return client_of(config);
}

static void sets(im_credential *credential) {
    im_error *none;
    EXPECT_OK(im_credential_set(credential, im_str_from(usersig), 0, &none), &none);
}

static void sets_for_a_day(im_credential *credential) {
    CHECK(im_credential_set(credential, im_str_from(usersig), 86400000, NULL) == IM_OK);
}

static void refuses(im_credential *credential) {
    CHECK(im_credential_refuse(credential, IM_STR("the vault is shut")) == IM_OK);
}

static void refuses_in_bytes(im_credential *credential) {
    CHECK(im_credential_refuse(credential, IM_STR("shut \xff")) == IM_OK);
}

static void does_neither(im_credential *credential) {
    (void)credential;
}

static void sets_then_refuses(im_credential *credential) {
    sets(credential);
    refuses(credential);
}

static void refuses_then_sets(im_credential *credential) {
    refuses(credential);
    sets(credential);
}

static void sets_a_text_that_is_no_usersig(im_credential *credential) {
    im_error *why;
    EXPECT(im_credential_set(credential, IM_STR("eJx&identifier=root"), 0, &why), IM_SETTINGS, &why,
           "the UserSig holds a character that none has: letters, digits, * - _ only");
}

static void sets_nothing(im_credential *credential) {
    im_error *why;
    EXPECT(im_credential_set(credential, IM_STR(""), 0, &why), IM_SETTINGS, &why, "the UserSig is empty");
}

static void sets_bad_bytes(im_credential *credential) {
    im_error *why;
    EXPECT_MISUSE(im_credential_set(credential, IM_STR("eJ\xff"), 0, &why), &why,
                  "usersig: not UTF-8 from byte 2 on: convert it to UTF-8");
}

static void sets_by_a_null(im_credential *credential) {
    im_error *why;
    EXPECT_MISUSE(im_credential_set(credential, (im_str){NULL, 3}, 0, &why), &why,
                  "usersig: a NULL pointer with a length of 3: give both or neither");
}

static void refuses_by_a_null(im_credential *credential) {
    CHECK(im_credential_refuse(credential, (im_str){NULL, 3}) == IM_MISUSE);
}

/* The library may be called from a callback, with another client. */
static void asks_the_library(im_credential *credential) {
    im_error *inner;
    EXPECT_OK(im_add_tag(client, &USER, 1, NULL, NULL, &inner), &inner);
    CHECK(im_add_tag(NULL, &USER, 1, NULL, NULL, NULL) == IM_MISUSE);
    sets(credential);
}

/* Two calls of a client: the callback runs that many times, on the calling thread. */
static void succeeds(void (*answer)(im_credential *), int calls) {
    struct vault vault = {.answer = answer};
    im_client *its = client_with(&vault);
    CHECK(vault.calls == 0);
    EXPECT_OK(im_add_tag(its, &USER, 1, NULL, NULL, &error), &error);
    CHECK(pthread_equal(vault.by, pthread_self()));
    EXPECT_OK(im_get_tag(its, &USER.account, 1, NULL, NULL, &error), &error);
    CHECK(vault.calls == calls && vault.frees == 0);
    im_client_free(its);
    CHECK(vault.frees == 1);
}

static void fails(void (*answer)(im_credential *), const char *reason) {
    struct vault vault = {.answer = answer};
    char message[300];
    snprintf(message, sizeof message, "add: no UserSig: %s (not applied; fix what supplies the UserSig)", reason);
    im_client *its = client_with(&vault);
    for (int i = 1; i < 3; i++) {
        EXPECT(im_add_tag(its, &USER, 1, NULL, NULL, &error), IM_CREDENTIALS, &error, message);
        CHECK(vault.calls == i);
    }
    im_client_free(its);
    CHECK(vault.frees == 1);
}

static void answers(void) {
    succeeds(sets, 1);
    succeeds(sets_for_a_day, 1);
    succeeds(refuses_then_sets, 1);
    succeeds(asks_the_library, 1);
    fails(refuses, "the vault is shut");
    fails(refuses_in_bytes, "shut \xef\xbf\xbd");
    fails(does_neither, "the credential callback supplied none");
    fails(sets_then_refuses, "the vault is shut");
    fails(sets_a_text_that_is_no_usersig, "the UserSig holds a character that none has: letters, digits, * - _ only");
    fails(sets_nothing, "the UserSig is empty");
    fails(sets_bad_bytes, "usersig: not UTF-8 from byte 2 on: convert it to UTF-8");
    fails(sets_by_a_null, "usersig: a NULL pointer with a length of 3: give both or neither");
    fails(refuses_by_a_null, "the credential callback supplied none");
}

/* The last client or config that has it frees it. */
static void freed_once(void) {
    struct vault vault = {.answer = sets}, later = {.answer = sets};
    im_config *config = emulator_config(&emulator);
    im_config_set_credential_callback(config, supply, &vault, close_vault);
    im_client *first, *second;
    EXPECT_OK(im_client_new(config, &first, &error), &error);
    EXPECT_OK(im_client_new(config, &second, &error), &error);
    im_config_set_credential_callback(config, supply, &later, close_vault);
    CHECK(vault.frees == 0 && later.frees == 0);
    im_config_set_secret_key(config, im_str_from(emulator.key));
    CHECK(vault.frees == 0 && later.frees == 1);
    im_config_free(config);
    im_client_free(second);
    CHECK(vault.frees == 0);
    EXPECT_OK(im_add_tag(first, &USER, 1, NULL, NULL, &error), &error);
    im_client_free(first);
    CHECK(vault.frees == 1 && vault.calls == 1 && later.calls == 0);

    struct vault unused = {.answer = sets};
    config = im_config_new();
    im_config_set_credential_callback(config, supply, &unused, close_vault);
    im_config_free(config);
    CHECK(unused.frees == 1);

    /* a config that no client can be made of still holds it */
    struct vault failed = {.answer = sets};
    config = im_config_new();
    im_config_set_credential_callback(config, supply, &failed, close_vault);
    CHECK(im_client_new(config, &first, NULL) == IM_SETTINGS);
    CHECK(failed.frees == 0);
    im_config_free(config);
    CHECK(failed.frees == 1);
}

/* It is in no message, also if the service repeats it. */
static void no_secret_in_a_message(void) {
    struct vault vault = {.answer = sets};
    char fault[1500];
    im_client *its = client_with(&vault);
    snprintf(fault, sizeof fault, "{\"kind\": \"code\", \"code\": 90001, \"text\": \"bad usersig %s\"}", usersig);
    emulator_faults(&emulator, "im_add_tag", fault);
    CHECK(im_add_tag(its, &USER, 1, NULL, NULL, &error) == IM_SERVICE);
    CHECK(strstr(im_error_message(error), usersig) == NULL);
    im_str text = im_error_text(error);
    CHECK(text.len > 0 && memmem(text.data, text.len, usersig, 20) == NULL);
    im_error_free(error);
    im_client_free(its);
}

int main(void) {
    service_begin("credentials", 120);
    usersig = emulator_usersig(&emulator);
    answers();
    freed_once();
    no_secret_in_a_message();
    return service_end();
}
