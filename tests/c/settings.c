/*
 * Settings that cannot be used as only C can give them: which status a setter returns, texts and paths of any bytes, the
 * greatest numbers, and which of many is reported. What each message says is in tests/conformance/settings.json.
 */

#include "support/check.h"
#include "support/emulator.h"
#include "support/servers.h"

static im_error *error;

/* A config from which a client can be made. */
static im_config *good(void) {
    return config_at("https", 9);
}

/* No client can be made from it, with this message. */
static void refused(im_config *config, const char *message) {
    im_client *client = (im_client *)&client;
    EXPECT(im_client_new(config, &client, &error), IM_SETTINGS, &error, message);
    CHECK(client == NULL);
    CHECK(im_client_new(config, &client, NULL) == IM_SETTINGS);
    im_config_free(config);
}

/* One setter gets what is no text at all; to the client's maker it is one more setting that cannot be used. */
static void no_text(im_status (*set)(im_config *, im_str), im_str text, const char *message) {
    im_config *config = good();
    CHECK(set(config, text) == IM_MISUSE);
    refused(config, message);
}

static void texts(void) {
    no_text(im_config_set_secret_key, IM_STR("key\xff"),
            "the secret key: not UTF-8 from byte 3 on: convert it to UTF-8");
    no_text(im_config_set_usersig, IM_STR("\xff"), "the UserSig: not UTF-8 from byte 0 on: convert it to UTF-8");
    no_text(im_config_set_region, IM_STR("\xff"), "the region: not UTF-8 from byte 0 on: convert it to UTF-8");
    no_text(im_config_set_endpoint, IM_STR("http\xff"), "the endpoint: not UTF-8 from byte 4 on: convert it to UTF-8");
    no_text(im_config_set_spare_endpoint, IM_STR("none\xff"),
            "the spare endpoint: not UTF-8 from byte 4 on: convert it to UTF-8");
    no_text(im_config_set_proxy, IM_STR("http://corp:hush\xff@proxy:1"),
            "the proxy: not UTF-8 from byte 16 on: convert it to UTF-8");
    no_text(im_config_set_proxy, (im_str){NULL, 5}, "the proxy: a NULL pointer with a length of 5: give both or neither");
    no_text(im_config_set_roots, IM_STR("\xff"), "the roots: not UTF-8 from byte 0 on: convert it to UTF-8");
    no_text(im_config_set_generation, IM_STR("\xff"), "the generation: not UTF-8 from byte 0 on: convert it to UTF-8");
    no_text(im_config_set_region, (im_str){NULL, 5},
            "the region: a NULL pointer with a length of 5: give both or neither");
    no_text(im_config_set_usersig, (im_str){"x", SIZE_MAX},
            "the UserSig: a length of 18446744073709551615, more than any request has: was it set?");
    no_text(im_config_set_ca_file, (im_str){NULL, 4},
            "the CA file: a NULL pointer with a length of 4: give both or neither");
    im_config *config = good();
    CHECK(im_config_set_app(config, 1, IM_STR("admin\xff")) == IM_MISUSE);
    refused(config, "the identifier: not UTF-8 from byte 5 on: convert it to UTF-8");
    config = good();
    CHECK(im_config_set_limit(config, IM_STR("tag_bytes\xff"), 1) == IM_MISUSE);
    refused(config, "the limit: not UTF-8 from byte 9 on: convert it to UTF-8");
}

/* A path is bytes, and only shown as text. */
static void paths(void) {
    im_config *config = good();
    CHECK(im_config_set_ca_file(config, IM_STR("/no/\xff")) == IM_OK);
    refused(config, "the CA file /no/\xef\xbf\xbd cannot be read: No such file or directory (os error 2)");
    config = good();
    CHECK(im_config_set_ca_file(config, IM_STR("/no\0/such")) == IM_OK);
    refused(config, "the CA file /no\\0/such cannot be read: file name contained an unexpected NUL byte");
}

/* What the setter itself refuses, and what is looked at when the client is made, by when all of it is set. */
static void statuses(void) {
    im_config *config = good();
    CHECK(im_config_set_secret_key(config, IM_STR(" \n")) == IM_SETTINGS);
    CHECK(im_config_set_usersig(config, IM_STR("eJx&x=1")) == IM_SETTINGS);
    CHECK(im_config_set_region(config, IM_STR("atlantis")) == IM_SETTINGS);
    CHECK(im_config_set_endpoint(config, IM_STR("ftp://x")) == IM_SETTINGS);
    CHECK(im_config_set_spare_endpoint(config, IM_STR("")) == IM_SETTINGS);
    CHECK(im_config_set_proxy(config, (im_str){NULL, 0}) == IM_SETTINGS);
    CHECK(im_config_set_roots(config, IM_STR("system")) == IM_SETTINGS);
    CHECK(im_config_set_generation(config, IM_STR("push")) == IM_SETTINGS);
    CHECK(im_config_set_limit(config, IM_STR("users"), 1) == IM_SETTINGS);
    CHECK(im_config_set_limit(config, IM_STR("tag_bytes"), 0) == IM_SETTINGS);
    CHECK(im_config_set_app(config, 0, (im_str){NULL, 0}) == IM_OK);
    CHECK(im_config_set_calls_per_second(config, -1) == IM_OK);
    CHECK(im_config_set_connect_timeout_ms(config, 0) == IM_OK);
    CHECK(im_config_set_timeout_ms(config, 0) == IM_OK);
    CHECK(im_config_set_max_attempts(config, 0) == IM_OK);
    CHECK(im_config_set_ca_file(config, IM_STR("/no/such/file")) == IM_OK);
    refused(config, "the secret key is empty");
}

/* Of each setting the last counts, also of two that take each other's place; a client may be made of all of these. */
static void the_last_counts(void) {
    im_client *client = NULL;
    im_config *config = good();
    CHECK(im_config_set_proxy(config, IM_STR(" socks5h://corp:h%40sh@[::1] ")) == IM_OK);
    CHECK(im_config_set_proxy(config, IM_STR("direct")) == IM_OK);
    CHECK(im_config_set_spare_endpoint(config, IM_STR("none")) == IM_OK);
    CHECK(im_config_set_spare_endpoint(config, IM_STR("https://spare.example:8443")) == IM_OK);
    CHECK(im_config_set_ca_file(config, IM_STR("/no/such/file")) == IM_OK);
    CHECK(im_config_set_roots(config, IM_STR("built-in")) == IM_OK);
    EXPECT_OK(im_client_new(config, &client, &error), &error);
    im_client_free(client);
    CHECK(im_config_set_roots(config, IM_STR("platform")) == IM_OK);
    CHECK(im_config_set_ca_file(config, IM_STR("/no/such/file")) == IM_OK);
    refused(config, "the CA file /no/such/file cannot be read: No such file or directory (os error 2)");
}

static void the_greatest_numbers(void) {
    im_client *client = NULL;
    im_config *config = good();
    CHECK(im_config_set_app(config, UINT32_MAX, IM_STR("01234567890123456789012345678901")) == IM_OK);
    CHECK(im_config_set_calls_per_second(config, 100000) == IM_OK);
    CHECK(im_config_set_connect_timeout_ms(config, UINT64_MAX) == IM_OK);
    CHECK(im_config_set_timeout_ms(config, UINT64_MAX) == IM_OK);
    CHECK(im_config_set_max_attempts(config, UINT32_MAX) == IM_OK);
    CHECK(im_config_set_fresh_start(config, -1) == IM_OK);
    CHECK(im_config_set_fresh_start(config, 0) == IM_OK);
    CHECK(im_config_set_limit(config, IM_STR("users_per_request"), SIZE_MAX) == IM_OK);
    EXPECT_OK(im_client_new(config, &client, &error), &error);
    CHECK(client != NULL);
    im_client_free(client);
    im_config_free(config);
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
    texts();
    paths();
    statuses();
    the_last_counts();
    the_greatest_numbers();
    the_first_fault();
    many_clients_of_one();
    return end();
}
