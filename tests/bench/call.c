/* libimtag in C, as a client of `cargo xtask bench call`. */

#include "call.h"
#include <imtag.h>
#include <string.h>

static im_client *client;

static void connect_to(const char *endpoint, const char *ca_file) {
    im_config *config = im_config_new();
    im_error *error = NULL;
    im_config_set_app(config, 1400000000, im_str_from("administrator"));
    im_config_set_secret_key(config, im_str_from("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"));
    im_config_set_endpoint(config, im_str_from(endpoint));
    im_config_set_calls_per_second(config, 100000); /* so that no call waits for its turn */
    im_config_set_fresh_start(config, 1);
    if (strncmp(endpoint, "https:", 6) == 0) {
        im_config_set_ca_file(config, im_str_from(ca_file));
    }
    if (im_client_new(config, &client, &error) != IM_OK) {
        fail("client", im_error_message(error));
    }
    im_config_free(config);
}

static void call(void) {
    im_user_tags request[100];
    im_str tags[100][10];
    im_error *error = NULL;
    for (size_t user = 0; user < user_count; user++) {
        for (size_t tag = 0; tag < tag_count; tag++) {
            tags[user][tag] = im_str_from(users[user].tags[tag]);
        }
        request[user].account = im_str_from(users[user].account);
        request[user].tags = tags[user];
        request[user].tag_count = tag_count;
    }
    if (im_add_tag(client, request, user_count, NULL, NULL, &error) != IM_OK) {
        fail("call", im_error_message(error));
    }
}

int main(int argc, char **argv) { return measure(argc, argv, connect_to, call); }
