/*
 * The call of a case.
 */

#include "runner.h"

#include <stdlib.h>
#include <string.h>

typedef im_status (*of_users)(const im_client *, const im_user_tags *, size_t, im_call *, im_result **, im_error **);
typedef im_status (*of_accounts)(const im_client *, const im_str *, size_t, im_call *, im_result **, im_error **);

static im_status with_users(of_users operation, const im_client *client, const cJSON *array, im_call *call,
                            im_result **result, im_error **error) {
    size_t count = (size_t)cJSON_GetArraySize(array), at = 0;
    im_user_tags *users = calloc(count + 1, sizeof *users);
    const cJSON *user;
    cJSON_ArrayForEach(user, array) {
        users[at].account = text_of(member_of(user, "account"));
        users[at].tags = texts_of(member_of(user, "tags"), &users[at].tag_count);
        at++;
    }
    im_status status = operation(client, users, count, call, result, error);
    while (at > 0)
        free((void *)users[--at].tags);
    free(users);
    return status;
}

static im_status with_accounts(of_accounts operation, const im_client *client, const cJSON *array, im_call *call,
                               im_result **result, im_error **error) {
    size_t count;
    im_str *accounts = texts_of(array, &count);
    im_status status = operation(client, accounts, count, call, result, error);
    free(accounts);
    return status;
}

static const struct {
    const char *name;
    of_users of_users;
    of_accounts of_accounts;
} OPERATIONS[] = {
    {"add", im_add_tag, NULL},    {"remove", im_remove_tag, NULL},  {"replace", im_replace_tags, NULL},
    {"get", NULL, im_get_tag},    {"clear", NULL, im_clear_tags},
};

void play_call(const im_client *client, const cJSON *call, FILE *to) {
    const char *name = cJSON_GetStringValue(member_of(call, "operation"));
    const cJSON *users = member_of(call, "users"), *accounts = member_of(call, "accounts");
    struct options options;
    im_status status = IM_MISUSE;
    im_result *result = NULL;
    im_error *error = NULL;
    options_begin(&options, call);
    for (size_t i = 0; i < sizeof OPERATIONS / sizeof *OPERATIONS; i++) {
        if (!name || strcmp(OPERATIONS[i].name, name) != 0)
            continue;
        status = OPERATIONS[i].of_users
                     ? with_users(OPERATIONS[i].of_users, client, users, options.call, &result, &error)
                     : with_accounts(OPERATIONS[i].of_accounts, client, accounts, options.call, &result, &error);
    }
    options_end(&options);
    write_outcome(to, status, result, error);
    im_result_free(result);
    im_error_free(error);
}
