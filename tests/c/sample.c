/*
 * The sample request of the service's page: tags a and b for two users. Settings come from the environment, as
 * `imtag emulator` prints them.
 *
 *     gcc sample.c $(pkg-config --cflags --libs imtag) -o sample
 */

#include <imtag.h>
#include <stdio.h>
#include <stdlib.h>

/* The secret key stands alone in a file; white space around it does not count. */
static im_str secret_key(const char *path) {
    static char key[256];
    FILE *file = path ? fopen(path, "r") : NULL;
    if (file && !fgets(key, sizeof key, file))
        key[0] = '\0';
    if (file)
        fclose(file);
    return im_str_from(key);
}

int main(void) {
    const char *sdkappid = getenv("IMTAG_SDKAPPID");
    im_config *config = im_config_new();
    im_config_set_app(config, sdkappid ? (uint32_t)strtoul(sdkappid, NULL, 10) : 0,
                      im_str_from(getenv("IMTAG_IDENTIFIER")));
    im_config_set_secret_key(config, secret_key(getenv("IMTAG_SECRET_KEY_FILE")));
    im_config_set_endpoint(config, im_str_from(getenv("IMTAG_ENDPOINT"))); /* the real service: im_config_set_region */

    const im_str tags[] = {IM_STR_INIT("a"), IM_STR_INIT("b")};
    const im_user_tags users[] = {
        {IM_STR_INIT("xiaojun012"), tags, 2},
        {IM_STR_INIT("xiaojun013"), tags, 2},
    };
    im_client *client = NULL;
    im_result *result = NULL;
    im_error *error = NULL;
    if (im_client_new(config, &client, &error) == IM_OK)
        im_add_tag(client, users, 2, NULL, &result, &error);

    if (error)
        fprintf(stderr, "%s\n", im_error_message(error));
    else
        printf("%zu users tagged\n", im_result_accounts(result));
    int code = error ? 1 : 0;
    im_result_free(result);
    im_error_free(error);
    im_client_free(client);
    im_config_free(config);
    return code;
}
