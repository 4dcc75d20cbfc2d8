/*
 * Settings that cannot be used: each with the status of its setter and the message of im_client_new, which names the
 * setting, its range and the remedy. No message holds a secret.
 */

#include "support/check.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static im_error *error;

/* A config from which a client can be made. */
static im_config *good(void) {
    im_config *config = im_config_new();
    CHECK(im_config_set_app(config, 1400000000, IM_STR("administrator")) == IM_OK);
    CHECK(im_config_set_secret_key(config, IM_STR("0123456789abcdef")) == IM_OK);
    CHECK(im_config_set_endpoint(config, IM_STR("https://127.0.0.1:9")) == IM_OK);
    return config;
}

/* No client can be made from it, with this message. */
static void refused(im_config *config, const char *message) {
    im_client *client = (im_client *)&client;
    EXPECT(im_client_new(config, &client, &error), IM_SETTINGS, &error, message);
    CHECK(client == NULL);
    CHECK(im_client_new(config, &client, NULL) == IM_SETTINGS);
    im_config_free(config);
}

static void made(im_config *config) {
    im_client *client = NULL;
    EXPECT_OK(im_client_new(config, &client, &error), &error);
    CHECK(client != NULL);
    im_client_free(client);
    im_config_free(config);
}

static void what_is_not_set(void) {
    refused(im_config_new(),
            "\"0\" is not an SDKAppID: a whole number from 1 to 4294967295, as the console shows it; "
            "the identifier is empty: give the name of an app administrator, such as administrator; "
            "no credentials are set: set a secret key, a UserSig, or a callback; "
            "neither a region nor an endpoint is set: set the region that the console shows for the app");
    im_config *config = im_config_new();
    im_config_set_app(config, 1, IM_STR("administrator"));
    im_config_set_region(config, IM_STR("seoul"));
    refused(config, "no credentials are set: set a secret key, a UserSig, or a callback");
    config = im_config_new();
    im_config_set_secret_key(config, IM_STR("k"));
    im_config_set_app(config, 1, IM_STR("administrator"));
    refused(config, "neither a region nor an endpoint is set: set the region that the console shows for the app");
}

/* One setter gets a text that it refuses. */
static void text(im_status (*set)(im_config *, im_str), im_str text, const char *message) {
    im_config *config = good();
    CHECK(set(config, text) == IM_SETTINGS);
    refused(config, message);
}

/* The same with what is no text at all; to the client's maker it is one more setting that cannot be used. */
static void no_text(im_status (*set)(im_config *, im_str), im_str text, const char *message) {
    im_config *config = good();
    CHECK(set(config, text) == IM_MISUSE);
    refused(config, message);
}

static void texts(void) {
    text(im_config_set_secret_key, IM_STR(""), "the secret key is empty");
    text(im_config_set_secret_key, IM_STR(" \n"), "the secret key is empty");
    no_text(im_config_set_secret_key, IM_STR("key\xff"),
            "the secret key: not UTF-8 from byte 3 on: convert it to UTF-8");
    text(im_config_set_usersig, IM_STR("eJx&x=1"),
         "the UserSig holds a character that none has: letters, digits, * - _ only");
    no_text(im_config_set_usersig, IM_STR("\xff"), "the UserSig: not UTF-8 from byte 0 on: convert it to UTF-8");
    text(im_config_set_region, IM_STR("atlantis"),
         "unknown region \"atlantis\": use one of china, singapore, seoul, tokyo, frankfurt, silicon-valley, jakarta, "
         "mumbai, saudi-arabia");
    no_text(im_config_set_region, IM_STR("\xff"), "the region: not UTF-8 from byte 0 on: convert it to UTF-8");
    text(im_config_set_endpoint, IM_STR("ftp://x"),
         "the endpoint \"ftp://x\" is not of the form https://host or https://host:port");
    text(im_config_set_endpoint, IM_STR("http://example.com"),
         "the endpoint \"http://example.com\" is plain HTTP to another machine, which would show the UserSig to the "
         "network: use https://, or http:// with 127.0.0.1, [::1] or localhost");
    no_text(im_config_set_endpoint, IM_STR("http\xff"), "the endpoint: not UTF-8 from byte 4 on: convert it to UTF-8");
    text(im_config_set_generation, IM_STR("push"), "unknown generation \"push\": use all_member_push or timpush");
    no_text(im_config_set_generation, IM_STR("\xff"), "the generation: not UTF-8 from byte 0 on: convert it to UTF-8");
    no_text(im_config_set_region, (im_str){NULL, 5},
            "the region: a NULL pointer with a length of 5: give both or neither");
    no_text(im_config_set_usersig, (im_str){"x", SIZE_MAX},
         "the UserSig: a length of 18446744073709551615, more than any request has: was it set?");
}

static void app(im_str identifier, const char *message) {
    im_config *config = good();
    im_status status = im_config_set_app(config, 1, identifier);
    CHECK(status == IM_OK || status == IM_MISUSE);
    refused(config, message);
}

static void apps(void) {
    app(IM_STR(""), "the identifier is empty: give the name of an app administrator, such as administrator");
    app((im_str){NULL, 0}, "the identifier is empty: give the name of an app administrator, such as administrator");
    app(IM_STR("012345678901234567890123456789012"),
        "the identifier has 33 bytes, at most 32: give the name of an app administrator");
    app(IM_STR("admin\n"), "the identifier holds a control character: give the name of an app administrator");
    app(IM_STR("admin\xff"), "the identifier: not UTF-8 from byte 5 on: convert it to UTF-8");
    im_config *config = good();
    CHECK(im_config_set_app(config, UINT32_MAX, IM_STR("01234567890123456789012345678901")) == IM_OK);
    made(config);
}

#define RANGE_OF_CALLS ": set 0.001 to 100000, with at most three decimals, this process's share of the app's quota"

/* Numbers are looked at when the client is made, by when all of them are set. */
static void numbers(void) {
    im_config *config = good();
    CHECK(im_config_set_calls_per_second(config, 0) == IM_OK);
    refused(config, "0 calls per second" RANGE_OF_CALLS);
    config = good();
    CHECK(im_config_set_calls_per_second(config, -1) == IM_OK);
    refused(config, "-1 calls per second" RANGE_OF_CALLS);
    config = good();
    CHECK(im_config_set_calls_per_second(config, NAN) == IM_OK);
    refused(config, "NaN calls per second" RANGE_OF_CALLS);
    config = good();
    CHECK(im_config_set_calls_per_second(config, INFINITY) == IM_OK);
    refused(config, "inf calls per second" RANGE_OF_CALLS);
    config = good();
    CHECK(im_config_set_calls_per_second(config, 0.0005) == IM_OK);
    refused(config, "0.0005 calls per second" RANGE_OF_CALLS);
    config = good();
    CHECK(im_config_set_calls_per_second(config, 100001) == IM_OK);
    refused(config, "100001 calls per second" RANGE_OF_CALLS);
    config = good();
    CHECK(im_config_set_calls_per_second(config, 0.001) == IM_OK);
    made(config);
    config = good();
    CHECK(im_config_set_connect_timeout_ms(config, 0) == IM_OK);
    refused(config, "the connect timeout is zero: set the time that may pass, or leave it out for the default");
    config = good();
    CHECK(im_config_set_timeout_ms(config, 0) == IM_OK);
    refused(config, "the timeout is zero: set the time that may pass, or leave it out for the default");
    config = good();
    CHECK(im_config_set_max_attempts(config, 0) == IM_OK);
    refused(config, "0 attempts: set 1 or more; the first attempt counts too");

    config = good();
    CHECK(im_config_set_calls_per_second(config, 100000) == IM_OK);
    CHECK(im_config_set_connect_timeout_ms(config, UINT64_MAX) == IM_OK);
    CHECK(im_config_set_timeout_ms(config, UINT64_MAX) == IM_OK);
    CHECK(im_config_set_max_attempts(config, UINT32_MAX) == IM_OK);
    CHECK(im_config_set_fresh_start(config, -1) == IM_OK);
    CHECK(im_config_set_fresh_start(config, 0) == IM_OK);
    CHECK(im_config_set_limit(config, IM_STR("users_per_request"), SIZE_MAX) == IM_OK);
    made(config);
}

static void limits(void) {
    im_config *config = good();
    CHECK(im_config_set_limit(config, IM_STR("users"), 1) == IM_SETTINGS);
    refused(config, "there is no limit \"users\": use one of users_per_request, tags_per_user_and_request, "
                    "tags_per_user, tag_bytes, account_bytes");
    config = good();
    CHECK(im_config_set_limit(config, IM_STR("tag_bytes"), 0) == IM_SETTINGS);
    refused(config, "the limit tag_bytes is 0: set 1 or more");
    config = good();
    CHECK(im_config_set_limit(config, IM_STR("tag_bytes\xff"), 1) == IM_MISUSE);
    refused(config, "the limit: not UTF-8 from byte 9 on: convert it to UTF-8");
}

static void ca_files(const char *empty_file) {
    char message[300];
    im_config *config = good();
    CHECK(im_config_set_ca_file(config, IM_STR("/no/such/file")) == IM_OK);
    refused(config, "the CA file /no/such/file cannot be read: No such file or directory (os error 2)");
    config = good();
    CHECK(im_config_set_ca_file(config, im_str_from(empty_file)) == IM_OK);
    snprintf(message, sizeof message,
             "the CA file %s holds no certificate, or a damaged one: give it in PEM form, with BEGIN CERTIFICATE",
             empty_file);
    refused(config, message);
    config = good();
    CHECK(im_config_set_ca_file(config, (im_str){NULL, 4}) == IM_MISUSE);
    refused(config, "the CA file: a NULL pointer with a length of 4: give both or neither");
    /* a path is bytes, and only shown as text */
    config = good();
    CHECK(im_config_set_ca_file(config, IM_STR("/no/\xff")) == IM_OK);
    refused(config, "the CA file /no/\xef\xbf\xbd cannot be read: No such file or directory (os error 2)");
    config = good();
    CHECK(im_config_set_ca_file(config, IM_STR("/no\0/such")) == IM_OK);
    refused(config, "the CA file /no\\0/such cannot be read: file name contained an unexpected NUL byte");
}

/* The first that cannot be used is the one that is reported, also after others that can; the config stays so. */
static void the_first_fault(void) {
    im_config *config = good();
    CHECK(im_config_set_region(config, IM_STR("atlantis")) == IM_SETTINGS);
    CHECK(im_config_set_generation(config, IM_STR("push")) == IM_SETTINGS);
    CHECK(im_config_set_region(config, IM_STR("seoul")) == IM_OK);
    refused(config, "unknown region \"atlantis\": use one of china, singapore, seoul, tokyo, frankfurt, "
                    "silicon-valley, jakarta, mumbai, saudi-arabia");
}

/* Clients outlive the config, and each other. */
static void many_clients_of_one(void) {
    im_config *config = good();
    im_client *clients[3];
    for (int i = 0; i < 3; i++)
        EXPECT_OK(im_client_new(config, &clients[i], &error), &error);
    im_config_free(config);
    for (int i = 0; i < 3; i++)
        im_client_free(clients[i]);
}

int main(void) {
    begin("settings", 120);
    what_is_not_set();
    texts();
    apps();
    numbers();
    limits();
    ca_files("/dev/null");
    the_first_fault();
    many_clients_of_one();
    return end();
}
