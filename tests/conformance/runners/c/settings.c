/*
 * Settings of a case. What is absent is not set at all.
 */

#include "runner.h"

#include <stdlib.h>
#include <string.h>

static void supply(void *context, im_credential *credential) {
    cJSON *answer = context;
    const cJSON *refuse = member_of(answer, "refuse");
    const cJSON *usersig = member_of(answer, "usersig");
    const cJSON *valid_for_ms = member_of(answer, "valid_for_ms");
    if (usersig)
        im_credential_set(credential, text_of(usersig), valid_for_ms ? number_of(valid_for_ms) : 0, NULL);
    if (refuse && (!usersig || cJSON_HasObjectItem(answer, "asked")))
        im_credential_refuse(credential, text_of(refuse));
    /* with both, it supplies once and then refuses */
    if (!cJSON_HasObjectItem(answer, "asked"))
        cJSON_AddTrueToObject(answer, "asked");
}

static im_status set_secret_key(im_config *config, const cJSON *value) {
    return im_config_set_secret_key(config, text_of(value));
}

static im_status set_usersig(im_config *config, const cJSON *value) {
    return im_config_set_usersig(config, text_of(value));
}

static im_status set_credential_callback(im_config *config, const cJSON *value) {
    return im_config_set_credential_callback(config, supply, (void *)value, NULL);
}

static im_status set_region(im_config *config, const cJSON *value) {
    return im_config_set_region(config, text_of(value));
}

static im_status set_endpoint(im_config *config, const cJSON *value) {
    return im_config_set_endpoint(config, text_of(value));
}

static im_status set_generation(im_config *config, const cJSON *value) {
    return im_config_set_generation(config, text_of(value));
}

/* A number, or as a text one that JSON cannot say: NaN. */
static im_status set_calls_per_second(im_config *config, const cJSON *value) {
    const char *text = cJSON_GetStringValue(value);
    return im_config_set_calls_per_second(config, text ? strtod(text, NULL) : cJSON_GetNumberValue(value));
}

static im_status set_fresh_start(im_config *config, const cJSON *value) {
    return im_config_set_fresh_start(config, cJSON_IsTrue(value));
}

static im_status set_timeout_ms(im_config *config, const cJSON *value) {
    return im_config_set_timeout_ms(config, number_of(value));
}

static im_status set_connect_timeout_ms(im_config *config, const cJSON *value) {
    return im_config_set_connect_timeout_ms(config, number_of(value));
}

static im_status set_max_attempts(im_config *config, const cJSON *value) {
    return im_config_set_max_attempts(config, (uint32_t)number_of(value));
}

static im_status set_ca_file(im_config *config, const cJSON *value) {
    return im_config_set_ca_file(config, text_of(value));
}

static im_status set_limits(im_config *config, const cJSON *limits) {
    const cJSON *limit;
    im_status status = IM_OK;
    cJSON_ArrayForEach(limit, limits) if (status == IM_OK) status =
        im_config_set_limit(config, im_str_from(limit->string), (size_t)number_of(limit));
    return status;
}

static const struct {
    const char *name;
    im_status (*set)(im_config *config, const cJSON *value);
} SETTERS[] = {
    {"secret_key", set_secret_key},
    {"usersig", set_usersig},
    {"credential_callback", set_credential_callback},
    {"region", set_region},
    {"endpoint", set_endpoint},
    {"generation", set_generation},
    {"calls_per_second", set_calls_per_second},
    {"fresh_start", set_fresh_start},
    {"timeout_ms", set_timeout_ms},
    {"connect_timeout_ms", set_connect_timeout_ms},
    {"max_attempts", set_max_attempts},
    {"ca_file", set_ca_file},
    {"limits", set_limits},
};

/* A setting that this runner does not know would make another case of it. */
static void look_for_others(const cJSON *settings) {
    const cJSON *setting;
    cJSON_ArrayForEach(setting, settings) {
        bool known = strcmp(setting->string, "sdkappid") == 0 || strcmp(setting->string, "identifier") == 0;
        for (size_t i = 0; i < sizeof SETTERS / sizeof *SETTERS; i++)
            known = known || strcmp(setting->string, SETTERS[i].name) == 0;
        if (!known) {
            fprintf(stderr, "a setting that this runner does not know: %s\n", setting->string);
            exit(2);
        }
    }
}

im_config *config_of(const cJSON *settings) {
    look_for_others(settings);
    im_config *config = im_config_new();
    const cJSON *sdkappid = member_of(settings, "sdkappid");
    const cJSON *identifier = member_of(settings, "identifier");
    if (sdkappid || identifier)
        im_config_set_app(config, sdkappid ? (uint32_t)number_of(sdkappid) : 0, text_of(identifier));
    for (size_t i = 0; i < sizeof SETTERS / sizeof *SETTERS; i++) {
        const cJSON *value = member_of(settings, SETTERS[i].name);
        /* the first that cannot be used is what im_client_new reports */
        if (value && !cJSON_IsNull(value))
            SETTERS[i].set(config, value);
    }
    return config;
}
