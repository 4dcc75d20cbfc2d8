/*
 * NULL for every function, where it is allowed and where it is not. The table has every function of the library, except
 * those of bulk runs and batchers, which nulls_of_changes.c has.
 */

#include "support/check.h"
#include "support/operations.h"
#include "support/rows.h"

#include <stdio.h>

static im_config *config;
static im_client *client;
static im_call *call;

static const im_str NONE = IM_STR_INIT("");

static void version(void) {
    CHECK_TEXT(im_version(), IM_VERSION);
}

static void str_from(void) {
    CHECK(im_str_from(NULL).data == NULL && im_str_from(NULL).len == 0);
    CHECK(im_str_from("").len == 0 && same(im_str_from("vip"), "vip"));
}

/* Setters return only a status. */
static void config_set_app(void) {
    CHECK(im_config_set_app(NULL, 1, IM_STR("administrator")) == IM_MISUSE);
    CHECK(im_config_set_app(config, 1, (im_str){NULL, 13}) == IM_MISUSE);
}

#define TEXT_SETTER(name)                                                                                              \
    static void config_##name(void) {                                                                                  \
        CHECK(im_config_##name(NULL, IM_STR("x")) == IM_MISUSE);                                                       \
        CHECK(im_config_##name(NULL, NONE) == IM_MISUSE);                                                              \
        CHECK(im_config_##name(config, (im_str){NULL, 1}) == IM_MISUSE);                                               \
    }
TEXT_SETTER(set_secret_key)
TEXT_SETTER(set_usersig)
TEXT_SETTER(set_region)
TEXT_SETTER(set_endpoint)
TEXT_SETTER(set_generation)
TEXT_SETTER(set_ca_file)

#define NUMBER_SETTER(name)                                                                                            \
    static void config_##name(void) {                                                                                  \
        CHECK(im_config_##name(NULL, 1) == IM_MISUSE);                                                                 \
    }
NUMBER_SETTER(set_calls_per_second)
NUMBER_SETTER(set_connect_timeout_ms)
NUMBER_SETTER(set_timeout_ms)
NUMBER_SETTER(set_max_attempts)
NUMBER_SETTER(set_fresh_start)

static void config_set_limit(void) {
    CHECK(im_config_set_limit(NULL, IM_STR("tag_bytes"), 1) == IM_MISUSE);
    CHECK(im_config_set_limit(config, (im_str){NULL, 9}, 1) == IM_MISUSE);
}

static void count_frees(void *context) {
    ++*(int *)context;
}

static void supply_nothing(void *context, im_credential *credential) {
    (void)context, (void)credential;
}

static void config_set_credential_callback(void) {
    int frees = 0;
    CHECK(im_config_set_credential_callback(NULL, supply_nothing, &frees, count_frees) == IM_MISUSE);
    CHECK(frees == 1);
    CHECK(im_config_set_credential_callback(config, NULL, &frees, count_frees) == IM_MISUSE);
    CHECK(frees == 2);
    CHECK(im_config_set_credential_callback(NULL, NULL, NULL, NULL) == IM_MISUSE);
    CHECK(im_config_set_credential_callback(config, NULL, NULL, NULL) == IM_MISUSE);
    CHECK(im_config_set_credential_callback(config, supply_nothing, NULL, NULL) == IM_OK);
}

static void credential_set(void) {
    im_error *error;
    EXPECT_MISUSE(im_credential_set(NULL, IM_STR("eJx"), 0, &error), &error, "credential is NULL");
    CHECK(im_credential_set(NULL, (im_str){NULL, 1}, 0, NULL) == IM_MISUSE);
}

static void credential_refuse(void) {
    CHECK(im_credential_refuse(NULL, IM_STR("no")) == IM_MISUSE);
}

static void client_new(void) {
    im_client *made = (im_client *)&made;
    im_error *error;
    EXPECT_MISUSE(im_client_new(NULL, &made, &error), &error, "config is NULL");
    CHECK(made == NULL);
    EXPECT_MISUSE(im_client_new(config, NULL, &error), &error, "client is NULL");
    CHECK(im_client_new(NULL, NULL, NULL) == IM_MISUSE);
}

/* Of an operation: all of what holds for the ten. */
static void operation(const char *name) {
    const struct operation *operation = operation_named(name);
    const im_str tags[] = {IM_STR_INIT("a")};
    const im_user_tags user = {IM_STR_INIT("xiaojun012"), tags, 1};
    im_result *result = (im_result *)&result;
    im_error *error;
    EXPECT_MISUSE(operation->with(NULL, &user, 1, NULL, &result, &error), &error, "client is NULL");
    CHECK(result == NULL);
    EXPECT_MISUSE(operation->with(NULL, &user, 1, call, NULL, &error), &error, "client is NULL");
    CHECK(operation->with(NULL, &user, 1, NULL, NULL, NULL) == IM_MISUSE);

    char message[200];
    for (size_t count = 1; count < 4; count += 2) {
        snprintf(message, sizeof message, "%s: a NULL pointer with a length of %zu: give both or neither",
                 operation->argument, count);
        EXPECT_MISUSE(operation->at(client, NULL, count, &error), &error, message);
        CHECK(operation->at(NULL, NULL, count, NULL) == IM_MISUSE);
    }
    snprintf(message, sizeof message, "invalid request, nothing was sent: %s: none given, at least 1 (leave it out, or fill it)",
             operation->place);
    EXPECT(operation->at(client, NULL, 0, &error), IM_INVALID, &error, message);
    CHECK(operation->at(client, NULL, 0, NULL) == IM_INVALID);
}

/* The other pointers of the flat form, and those within structs, are the matter of pointers.c. */
#define OPERATION(name)                                                                                                \
    static void name(void) {                                                                                           \
        operation("im_" #name);                                                                                        \
    }
OPERATION(add_tag)
OPERATION(remove_tag)
OPERATION(replace_tags)
OPERATION(get_tag)
OPERATION(clear_tags)
OPERATION(add_tag_flat)
OPERATION(remove_tag_flat)
OPERATION(replace_tags_flat)
OPERATION(get_tag_flat)
OPERATION(clear_tags_flat)

static void call_set_timeout_ms(void) {
    CHECK(im_call_set_timeout_ms(NULL, 1) == IM_MISUSE);
}

static void call_set_attempt_timeout_ms(void) {
    CHECK(im_call_set_attempt_timeout_ms(NULL, 1) == IM_MISUSE);
}

static int32_t go_on(void *context) {
    (void)context;
    return 0;
}

static void call_set_interrupt(void) {
    CHECK(im_call_set_interrupt(NULL, go_on, NULL) == IM_MISUSE);
    CHECK(im_call_set_interrupt(NULL, NULL, NULL) == IM_MISUSE);
    CHECK(im_call_set_interrupt(call, NULL, NULL) == IM_MISUSE);
    CHECK(im_call_set_interrupt(call, go_on, NULL) == IM_OK);
}

/* What makes a handle takes nothing, and what frees one takes NULL, however often. */
#define MADE(name, kind)                                                                                               \
    static void name(void) {                                                                                           \
        kind *handle = im_##name();                                                                                    \
        CHECK(handle != NULL);                                                                                         \
        kind##_free(handle);                                                                                           \
    }
MADE(config_new, im_config)
MADE(call_new, im_call)

TAKES_NULL(config_free)
TAKES_NULL(client_free)
TAKES_NULL(call_cancel)
TAKES_NULL(call_free)
TAKES_NULL(result_free)
TAKES_NULL(error_free)

/* Readers of nothing answer as for a thing that is not there. */
READER(result_accounts, 0)
READER(result_attempts, 0)
READER(result_attempts_sent, 0)
VIEW_READER(result_request_id)
READER(error_status, IM_OK)
TEXT_READER(error_message, "no error")
TEXT_READER(error_remedy, "")
READER(error_code, 0)
VIEW_READER(error_text)
READER(error_effect, IM_NOT_APPLIED)
READER(error_retryable, false)
READER(error_attempts, 0)
READER(error_attempts_sent, 0)
VIEW_READER(error_request_id)
READER(error_violation_count, 0)
EACH_TEXT_READER(error_violation_place)
EACH_TEXT_READER(error_violation_problem)
EACH_TEXT_READER(error_violation_remedy)
READER(error_failure_count, 0)
EACH_VIEW_READER(error_failure_account)
EACH_READER(error_failure_code, 0)
EACH_VIEW_READER(error_failure_text)
EACH_TEXT_READER(error_failure_remedy)
EACH_READER(error_failure_effect, IM_NOT_APPLIED)
EACH_READER(error_failure_retryable, false)
READER(error_undone_count, 0)
EACH_VIEW_READER(error_undone)

static void result_users(void) {
    size_t count = 7;
    CHECK(im_result_users(NULL, &count) == NULL && count == 0);
    CHECK(im_result_users(NULL, NULL) == NULL);
}

static void result_unanswered(void) {
    size_t count = 7;
    CHECK(im_result_unanswered(NULL, &count) == NULL && count == 0);
    CHECK(im_result_unanswered(NULL, NULL) == NULL);
}

static void explain(void) {
    im_str meaning, remedy;
    im_retry retry = -1;
    im_effect effect = -1;
    CHECK(im_explain(60007, NULL, NULL, NULL, NULL));
    CHECK(!im_explain(-1, NULL, NULL, NULL, NULL));
    CHECK(im_explain(60007, &meaning, NULL, &retry, NULL) && meaning.len > 0 && retry == IM_RETRY_AFTER_WINDOW);
    CHECK(im_explain(60007, NULL, &remedy, NULL, &effect) && remedy.len > 0 && effect == IM_NOT_APPLIED);
    CHECK(!im_explain(INT32_MIN, &meaning, &remedy, &retry, &effect));
    CHECK(same(meaning, "a code that no page names"));
}

static const struct row ROWS[] = {
    ROW(add_tag),
    ROW(add_tag_flat),
    ROW(call_cancel),
    ROW(call_free),
    ROW(call_new),
    ROW(call_set_attempt_timeout_ms),
    ROW(call_set_interrupt),
    ROW(call_set_timeout_ms),
    ROW(clear_tags),
    ROW(clear_tags_flat),
    ROW(client_free),
    ROW(client_new),
    ROW(config_free),
    ROW(config_new),
    ROW(config_set_app),
    ROW(config_set_ca_file),
    ROW(config_set_calls_per_second),
    ROW(config_set_connect_timeout_ms),
    ROW(config_set_credential_callback),
    ROW(config_set_endpoint),
    ROW(config_set_fresh_start),
    ROW(config_set_generation),
    ROW(config_set_limit),
    ROW(config_set_max_attempts),
    ROW(config_set_region),
    ROW(config_set_secret_key),
    ROW(config_set_timeout_ms),
    ROW(config_set_usersig),
    ROW(credential_refuse),
    ROW(credential_set),
    ROW(error_attempts),
    ROW(error_attempts_sent),
    ROW(error_code),
    ROW(error_effect),
    ROW(error_failure_account),
    ROW(error_failure_code),
    ROW(error_failure_count),
    ROW(error_failure_effect),
    ROW(error_failure_remedy),
    ROW(error_failure_retryable),
    ROW(error_failure_text),
    ROW(error_free),
    ROW(error_message),
    ROW(error_remedy),
    ROW(error_request_id),
    ROW(error_retryable),
    ROW(error_status),
    ROW(error_text),
    ROW(error_undone),
    ROW(error_undone_count),
    ROW(error_violation_count),
    ROW(error_violation_place),
    ROW(error_violation_problem),
    ROW(error_violation_remedy),
    ROW(explain),
    ROW(get_tag),
    ROW(get_tag_flat),
    ROW(remove_tag),
    ROW(remove_tag_flat),
    ROW(replace_tags),
    ROW(replace_tags_flat),
    ROW(result_accounts),
    ROW(result_attempts),
    ROW(result_attempts_sent),
    ROW(result_free),
    ROW(result_request_id),
    ROW(result_unanswered),
    ROW(result_users),
    ROW(str_from),
    ROW(version),
};
int main(int argc, char **argv) {
    begin("nulls", 120);
    config = im_config_new();
    im_config_set_app(config, 1400000000, IM_STR("administrator"));
    im_config_set_secret_key(config, IM_STR("secret"));
    im_config_set_endpoint(config, IM_STR("http://127.0.0.1:9"));
    im_config_set_generation(config, IM_STR("timpush"));
    im_error *error = NULL;
    EXPECT_OK(im_client_new(config, &client, &error), &error);
    call = im_call_new();

    check_rows(ROWS, sizeof ROWS / sizeof *ROWS, argv + 1, argc - 1);

    im_call_free(call);
    im_client_free(client);
    im_config_free(config);
    return end();
}
