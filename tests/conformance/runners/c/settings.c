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

static const struct {
    const char *name;
    im_status (*set)(im_config *config, im_str text);
} TEXTS[] = {
    {"secret_key", im_config_set_secret_key}, {"usersig", im_config_set_usersig},
    {"region", im_config_set_region},         {"endpoint", im_config_set_endpoint},
    {"proxy", im_config_set_proxy},           {"spare_endpoint", im_config_set_spare_endpoint},
    {"generation", im_config_set_generation}, {"roots", im_config_set_roots},
    {"ca_file", im_config_set_ca_file},
};

static const struct {
    const char *name;
    im_status (*set)(im_config *config, uint64_t time_ms);
} TIMES[] = {
    {"timeout_ms", im_config_set_timeout_ms},
    {"connect_timeout_ms", im_config_set_connect_timeout_ms},
};

static void set_limits(im_config *config, const cJSON *limits) {
    const cJSON *limit;
    cJSON_ArrayForEach(limit, limits)
        im_config_set_limit(config, im_str_from(limit->string), (size_t)number_of(limit));
}

/* Sets one that is no text or time; false if there is none of this name. */
static bool set_other(im_config *config, const char *name, const cJSON *value) {
    const char *text = cJSON_GetStringValue(value);
    if (strcmp(name, "credential_callback") == 0)
        im_config_set_credential_callback(config, supply, (void *)value, NULL);
    else if (strcmp(name, "calls_per_second") == 0) /* as a text one that JSON cannot say: NaN */
        im_config_set_calls_per_second(config, text ? strtod(text, NULL) : cJSON_GetNumberValue(value));
    else if (strcmp(name, "fresh_start") == 0)
        im_config_set_fresh_start(config, cJSON_IsTrue(value));
    else if (strcmp(name, "max_attempts") == 0)
        im_config_set_max_attempts(config, (uint32_t)number_of(value));
    else if (strcmp(name, "limits") == 0)
        set_limits(config, value);
    else
        return strcmp(name, "sdkappid") == 0 || strcmp(name, "identifier") == 0 || strcmp(name, "from_env") == 0;
    return true;
}

/* The first that cannot be used is what im_client_new reports. */
static void set(im_config *config, const char *name, const cJSON *value) {
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++)
        if (strcmp(name, TEXTS[i].name) == 0) {
            TEXTS[i].set(config, text_of(value));
            return;
        }
    for (size_t i = 0; i < sizeof TIMES / sizeof *TIMES; i++)
        if (strcmp(name, TIMES[i].name) == 0) {
            TIMES[i].set(config, number_of(value));
            return;
        }
    /* a setting that this runner does not know would make another case of it */
    if (!set_other(config, name, value)) {
        fprintf(stderr, "a setting that this runner does not know: %s\n", name);
        exit(2);
    }
}

im_status config_of(const cJSON *settings, im_config **made, im_error **error) {
    const cJSON *profile = member_of(settings, "from_env");
    if (profile) {
        im_status status = im_config_from_env(text_of(profile), made, error);
        if (status != IM_OK)
            return status;
    } else
        *made = im_config_new();
    im_config *config = *made;
    const cJSON *sdkappid = member_of(settings, "sdkappid"), *identifier = member_of(settings, "identifier"), *setting;
    if (sdkappid || identifier)
        im_config_set_app(config, sdkappid ? (uint32_t)number_of(sdkappid) : 0, text_of(identifier));
    cJSON_ArrayForEach(setting, settings)
        if (!cJSON_IsNull(setting))
            set(config, setting->string, setting);
    return IM_OK;
}
