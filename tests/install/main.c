/*
 * A program of somebody else, built against the installed library: it makes a client, and asks for what breaks a
 * limit, so that nothing is sent. Prints the library's version, and what it says of the tag.
 */

#include <imtag.h>
#include <stdio.h>
#include <string.h>

int main(void) {
    im_config *config = im_config_new();
    im_config_set_app(config, 1400000000, IM_STR("administrator"));
    im_config_set_secret_key(config, IM_STR("of-no-app"));
    im_config_set_region(config, IM_STR("singapore"));

    const im_str tags[] = {IM_STR_INIT("123456789012345678901234567890123456789012345678901")};
    const im_user_tags users[] = {{IM_STR_INIT("xiaojun012"), tags, 1}};
    im_client *client = NULL;
    im_error *error = NULL;
    im_status status = im_client_new(config, &client, &error);
    if (status == IM_OK)
        status = im_add_tag(client, users, 1, NULL, NULL, &error);

    printf("%s %s\n", im_version(), im_error_message(error));
    int refused = status == IM_INVALID && strcmp(im_version(), IM_VERSION) == 0;
    im_error_free(error);
    im_client_free(client);
    im_config_free(config);
    return refused ? 0 : 1;
}
