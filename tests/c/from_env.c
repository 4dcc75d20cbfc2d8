/*
 * A config of what the environment and the settings file have: what a setter takes the place of, what is reported when
 * the client is made, warnings, copies. What each message says is in tests/conformance/from_env.json.
 */

#define _GNU_SOURCE

#include "support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const im_str NONE = IM_STR_INIT("");
static im_error *error;
static char folder[] = "/tmp/imtag-from-env-XXXXXX", file[64];

static void set(const char *name, const char *value) {
    if (setenv(name, value, 1) != 0)
        give_up("setenv");
}

static void write_file(const char *text, mode_t mode) {
    FILE *out = fopen(file, "w");
    if (out == NULL || fputs(text, out) < 0 || fclose(out) != 0 || chmod(file, mode) != 0)
        give_up("the settings file cannot be written");
    set("IMTAG_CONFIG", file);
}

static void set_app(void) {
    set("IMTAG_SDKAPPID", "1400000000");
    set("IMTAG_IDENTIFIER", "administrator");
    set("IMTAG_SECRET_KEY", "hush");
    set("IMTAG_REGION", "singapore");
}

static void forget(void) {
    for (const char **name = (const char *[]){"CONFIG", "PROFILE", "SDKAPPID", "IDENTIFIER", "SECRET_KEY", "REGION",
                                              "REGOIN", NULL};
         *name != NULL; name++) {
        char variable[64];
        snprintf(variable, sizeof(variable), "IMTAG_%s", *name);
        unsetenv(variable);
    }
}

static im_config *found(im_str profile) {
    im_config *config = NULL;
    EXPECT_OK(im_config_from_env(profile, &config, &error), &error);
    CHECK(config != NULL);
    return config;
}

static void makes_a_client(im_config *config) {
    im_client *client = NULL;
    EXPECT_OK(im_client_new(config, &client, &error), &error);
    im_client_free(client);
    im_config_free(config);
}

static void refused(im_config *config, const char *message) {
    im_client *client = (im_client *)&client;
    EXPECT(im_client_new(config, &client, &error), IM_SETTINGS, &error, message);
    CHECK(client == NULL);
    im_config_free(config);
}

static void variables(void) {
    set_app();
    makes_a_client(found(NONE));
    forget();
}

/* The environment is read by im_config_from_env, and by nothing after it. */
static void read_once(void) {
    set_app();
    im_config *config = found(NONE);
    forget();
    makes_a_client(config);
}

/* A setter takes the place of what was found, of what is missing, and of what cannot be used. */
static void setters(void) {
    set_app();
    unsetenv("IMTAG_SDKAPPID");
    set("IMTAG_REGION", "mars");
    char missing[256];
    snprintf(missing, sizeof(missing),
             "settings are missing or wrong:\n  set IMTAG_SDKAPPID, or sdkappid in %s/.config/imtag/config.toml (the "
             "app's SDKAppID, as the console shows it)\n  IMTAG_REGION: unknown region \"mars\": use one of china, ",
             folder);
    im_config *config = found(NONE);
    im_client *client = NULL;
    CHECK(im_client_new(config, &client, &error) == IM_SETTINGS);
    CHECK(strncmp(im_error_message(error), missing, strlen(missing)) == 0);
    im_error_free(error);
    CHECK(im_config_set_app(config, 5, NONE) == IM_OK);
    CHECK(im_config_set_endpoint(config, IM_STR("https://127.0.0.1:1")) == IM_OK);
    makes_a_client(config);
    forget();
}

/* A copy has what was set before it was made, and is changed alone. */
static void copies(void) {
    set_app();
    im_config *config = found(NONE), *copy = im_config_copy(config);
    CHECK(im_config_set_timeout_ms(copy, 0) == IM_OK);
    im_config *other = im_config_copy(copy);
    makes_a_client(config);
    refused(other, "the timeout is zero: set the time that may pass, or leave it out for the default");
    CHECK(im_config_set_timeout_ms(copy, 1) == IM_OK);
    makes_a_client(copy);
    forget();
}

static void profiles(void) {
    set_app();
    unsetenv("IMTAG_SDKAPPID");
    write_file("[profile.live]\nsdkappid = 1\n[profile.test]\nsdkappid = 0\n", 0600);
    makes_a_client(found(IM_STR("live")));
    set("IMTAG_PROFILE", "test");
    makes_a_client(found(IM_STR("live")));
    char message[256];
    snprintf(message, sizeof(message),
             "sdkappid in [profile.test] of %s: \"0\" is not an SDKAppID: a whole number from 1 to 4294967295, as the "
             "console shows it",
             file);
    refused(found(NONE), message);
    im_config *config = (im_config *)&config;
    snprintf(message, sizeof(message), "there is no profile \"prod\": %s has live, test", file);
    EXPECT(im_config_from_env(IM_STR("prod"), &config, &error), IM_SETTINGS, &error, message);
    CHECK(config == NULL);
    EXPECT_MISUSE(im_config_from_env(IM_STR("\xff"), &config, &error), &error,
                  "the profile: not UTF-8 from byte 0 on: convert it to UTF-8");
    forget();
}

static void warnings(void) {
    set_app();
    unsetenv("IMTAG_SECRET_KEY");
    set("IMTAG_REGOIN", "china");
    write_file("secret_key = \"hush\"\n", 0644);
    im_config *config = found(NONE), *copy = im_config_copy(config);
    char readable[256];
    snprintf(readable, sizeof(readable), "others can read %s, which holds a secret: chmod 600 it", file);
    CHECK(im_config_warning_count(config) == 2);
    CHECK_TEXT(im_config_warning(config, 0), "IMTAG_REGOIN is no setting: did you mean IMTAG_REGION?");
    CHECK_TEXT(im_config_warning(config, 1), readable);
    CHECK_TEXT(im_config_warning(config, 2), "");
    makes_a_client(config);
    CHECK_TEXT(im_config_warning(copy, 1), readable);
    makes_a_client(copy);
    forget();
    config = im_config_new();
    CHECK(im_config_warning_count(config) == 0);
    im_config_free(config);
}

int main(void) {
    begin("from_env", 120);
    forget();
    if (mkdtemp(folder) == NULL)
        give_up("no temporary folder");
    snprintf(file, sizeof(file), "%s/settings.toml", folder);
    set("HOME", folder);
    variables();
    read_once();
    setters();
    copies();
    profiles();
    warnings();
    unlink(file);
    rmdir(folder);
    return end();
}
