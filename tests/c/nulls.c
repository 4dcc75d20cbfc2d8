/*
 * NULL for every function, where it is allowed and where it is not. A function of the library that has no row here is a
 * failure.
 */

#include "support/operations.h"
#include "support/rows.h"
#include "support/servers.h"

#include <stdio.h>

static im_config *config;
static im_client *client;
static im_call *call;
static im_bulk *bulk;
static im_batcher *batcher;
static im_error *error;

static const im_str NONE = IM_STR_INIT("");

ROW(version) {
    CHECK_TEXT(im_version(), IM_VERSION);
}

ROW(str_from) {
    CHECK(im_str_from(NULL).data == NULL && im_str_from(NULL).len == 0);
    CHECK(im_str_from("").len == 0 && same(im_str_from("vip"), "vip"));
}

/* Setters return only a status. */
ROW(config_set_app) {
    CHECK(im_config_set_app(NULL, 1, IM_STR("administrator")) == IM_MISUSE);
    CHECK(im_config_set_app(config, 1, (im_str){NULL, 13}) == IM_MISUSE);
}

#define TEXT_SETTER(name)                                                                                              \
    ROW(config_##name) {                                                                                               \
        CHECK(im_config_##name(NULL, IM_STR("x")) == IM_MISUSE);                                                       \
        CHECK(im_config_##name(NULL, NONE) == IM_MISUSE);                                                              \
        CHECK(im_config_##name(config, (im_str){NULL, 1}) == IM_MISUSE);                                               \
    }
TEXT_SETTER(set_secret_key)
TEXT_SETTER(set_usersig)
TEXT_SETTER(set_region)
TEXT_SETTER(set_endpoint)
TEXT_SETTER(set_spare_endpoint)
TEXT_SETTER(set_proxy)
TEXT_SETTER(set_generation)
TEXT_SETTER(set_roots)
TEXT_SETTER(set_ca_file)

#define SETTER(name)                                                                                                   \
    ROW(name) {                                                                                                        \
        CHECK(im_##name(NULL, 1) == IM_MISUSE);                                                                        \
    }
SETTER(config_set_calls_per_second)
SETTER(config_set_connect_timeout_ms)
SETTER(config_set_timeout_ms)
SETTER(config_set_max_attempts)
SETTER(config_set_fresh_start)

ROW(config_set_limit) {
    CHECK(im_config_set_limit(NULL, IM_STR("tag_bytes"), 1) == IM_MISUSE);
    CHECK(im_config_set_limit(config, (im_str){NULL, 9}, 1) == IM_MISUSE);
}

static void count_frees(void *context) {
    ++*(int *)context;
}

static void supply_nothing(void *context, im_credential *credential) {
    (void)context, (void)credential;
}

ROW(config_set_credential_callback) {
    int frees = 0;
    CHECK(im_config_set_credential_callback(NULL, supply_nothing, &frees, count_frees) == IM_MISUSE);
    CHECK(frees == 1);
    CHECK(im_config_set_credential_callback(config, NULL, &frees, count_frees) == IM_MISUSE);
    CHECK(frees == 2);
    CHECK(im_config_set_credential_callback(NULL, NULL, NULL, NULL) == IM_MISUSE);
    CHECK(im_config_set_credential_callback(config, NULL, NULL, NULL) == IM_MISUSE);
    CHECK(im_config_set_credential_callback(config, supply_nothing, NULL, NULL) == IM_OK);
}

ROW(credential_set) {
    EXPECT_MISUSE(im_credential_set(NULL, IM_STR("eJx"), 0, &error), &error, "credential is NULL");
    CHECK(im_credential_set(NULL, (im_str){NULL, 1}, 0, NULL) == IM_MISUSE);
}

ROW(credential_refuse) {
    CHECK(im_credential_refuse(NULL, IM_STR("no")) == IM_MISUSE);
}

ROW(config_from_env) {
    im_config *made = config;
    EXPECT_MISUSE(im_config_from_env(NONE, NULL, &error), &error, "config is NULL");
    EXPECT_MISUSE(im_config_from_env((im_str){NULL, 1}, &made, &error), &error,
                  "the profile: a NULL pointer with a length of 1: give both or neither");
    CHECK(made == NULL);
    CHECK(im_config_from_env(NONE, NULL, NULL) == IM_MISUSE);
}

ROW(client_new) {
    im_client *made = (im_client *)&made;
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
    ROW(name) {                                                                                                        \
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

ROW(call_set_timeout_ms) {
    CHECK(im_call_set_timeout_ms(NULL, 1) == IM_MISUSE);
}

ROW(call_set_attempt_timeout_ms) {
    CHECK(im_call_set_attempt_timeout_ms(NULL, 1) == IM_MISUSE);
}

static int32_t go_on(void *context) {
    (void)context;
    return 0;
}

ROW(call_set_interrupt) {
    CHECK(im_call_set_interrupt(NULL, go_on, NULL) == IM_MISUSE);
    CHECK(im_call_set_interrupt(NULL, NULL, NULL) == IM_MISUSE);
    CHECK(im_call_set_interrupt(call, NULL, NULL) == IM_MISUSE);
    CHECK(im_call_set_interrupt(call, go_on, NULL) == IM_OK);
}

/* What makes a handle takes nothing, and what frees one takes NULL, however often. */
#define MADE(name, kind)                                                                                               \
    ROW(name) {                                                                                                        \
        kind *handle = im_##name();                                                                                    \
        CHECK(handle != NULL);                                                                                         \
        kind##_free(handle);                                                                                           \
    }
MADE(config_new, im_config)
MADE(call_new, im_call)

TAKES_NULL(config_free)
READER(config_copy, NULL)
READER(config_warning_count, 0)
EACH_TEXT_READER(config_warning)
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

#define LIST_READER(name)                                                                                              \
    ROW(name) {                                                                                                        \
        size_t count = 7;                                                                                              \
        CHECK(im_##name(NULL, &count) == NULL && count == 0);                                                          \
        CHECK(im_##name(NULL, NULL) == NULL);                                                                          \
    }
LIST_READER(result_users)
LIST_READER(result_unanswered)

ROW(explain) {
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

static const im_str ACCOUNT = IM_STR_INIT("anna"), TAG = IM_STR_INIT("a");

static const char *const TAGS_IS_NULL = "tags: a NULL pointer with a length of 2: give both or neither";
static const char *const ACCOUNT_IS_NULL = "account: a NULL pointer with a length of 1: give both or neither";
#define NO_ACCOUNT ((im_str){NULL, 1})

#define NEW(name, kind)                                                                                                \
    ROW(name##_new) {                                                                                                  \
        kind *made = (kind *)&made;                                                                                    \
        EXPECT_MISUSE(kind##_new(NULL, &made, &error), &error, "client is NULL");                                      \
        CHECK(made == NULL);                                                                                           \
        EXPECT_MISUSE(kind##_new(client, NULL, &error), &error, #name " is NULL");                                     \
        CHECK(kind##_new(NULL, NULL, NULL) == IM_MISUSE);                                                              \
    }
NEW(bulk, im_bulk)
NEW(batcher, im_batcher)

SETTER(bulk_set_timeout_ms)
SETTER(bulk_set_attempt_timeout_ms)
SETTER(bulk_set_late_window_ms)
SETTER(bulk_set_linger_ms)
SETTER(bulk_set_capacity)
SETTER(batcher_set_timeout_ms)
SETTER(batcher_set_attempt_timeout_ms)
SETTER(batcher_set_late_window_ms)
SETTER(batcher_set_linger_ms)
SETTER(batcher_set_capacity)
SETTER(batcher_set_when_full)

static int32_t go_on_with(const im_bulk *of, void *context) {
    (void)of, (void)context;
    return 0;
}

ROW(bulk_set_progress) {
    CHECK(im_bulk_set_progress(NULL, go_on_with, NULL) == IM_MISUSE);
    CHECK(im_bulk_set_progress(NULL, NULL, NULL) == IM_MISUSE);
    CHECK(im_bulk_set_progress(bulk, NULL, NULL) == IM_MISUSE);
    CHECK(im_bulk_set_progress(bulk, go_on_with, NULL) == IM_OK);
}

/* With tags: `first` and `last` are what stands before the account and behind the tags. */
#define OF_TAGS(name, handle, first, last)                                                                             \
    ROW(name) {                                                                                                        \
        EXPECT_MISUSE(im_##name(NULL first, ACCOUNT, &TAG, 1 last, &error), &error, #handle " is NULL");               \
        EXPECT_MISUSE(im_##name(handle first, ACCOUNT, NULL, 2 last, &error), &error, TAGS_IS_NULL);                   \
        EXPECT_MISUSE(im_##name(handle first, NO_ACCOUNT, &TAG, 1 last, &error), &error, ACCOUNT_IS_NULL);             \
        CHECK(im_##name(NULL first, ACCOUNT, NULL, 0 last, NULL) == IM_MISUSE);                                        \
        CHECK(im_##name(handle first, ACCOUNT, NULL, 2 last, NULL) == IM_MISUSE);                                      \
    }
#define OF_ACCOUNT(name, handle, first, last)                                                                          \
    ROW(name) {                                                                                                        \
        EXPECT_MISUSE(im_##name(NULL first, ACCOUNT last, &error), &error, #handle " is NULL");                        \
        EXPECT_MISUSE(im_##name(handle first, NO_ACCOUNT last, &error), &error, ACCOUNT_IS_NULL);                      \
        CHECK(im_##name(NULL first, ACCOUNT last, NULL) == IM_MISUSE);                                                 \
    }
#define NOTHING
#define WITH_ID , 7
#define WITHOUT_CALL , NULL
OF_TAGS(bulk_add_tag, bulk, WITH_ID, NOTHING)
OF_TAGS(bulk_remove_tag, bulk, WITH_ID, NOTHING)
OF_ACCOUNT(bulk_clear_tags, bulk, WITH_ID, NOTHING)
OF_TAGS(bulk_replace_tags, bulk, WITH_ID, NOTHING)
OF_TAGS(batcher_add_tag, batcher, NOTHING, WITHOUT_CALL)
OF_TAGS(batcher_remove_tag, batcher, NOTHING, WITHOUT_CALL)
OF_ACCOUNT(batcher_clear_tags, batcher, NOTHING, WITHOUT_CALL)
OF_TAGS(batcher_replace_tags, batcher, NOTHING, WITHOUT_CALL)
OF_TAGS(batcher_submit_add_tag, batcher, WITH_ID, NOTHING)
OF_TAGS(batcher_submit_remove_tag, batcher, WITH_ID, NOTHING)
OF_ACCOUNT(batcher_submit_clear_tags, batcher, WITH_ID, NOTHING)
OF_TAGS(batcher_submit_replace_tags, batcher, WITH_ID, NOTHING)

ROW(bulk_push_flat) {
    const int32_t operations[] = {IM_ADD, IM_ADD};
    const size_t lengths[] = {1, 1}, counts[] = {0, 0};
    size_t taken = 9;
    EXPECT_MISUSE(im_bulk_push_flat(NULL, operations, 0, "ab", 2, lengths, 2, counts, 2, &taken, &error), &error,
                  "bulk is NULL");
    CHECK(taken == 0);
    EXPECT_MISUSE(im_bulk_push_flat(bulk, NULL, 0, "ab", 2, lengths, 2, counts, 2, &taken, &error), &error,
                  "operations: a NULL pointer with a length of 2: give both or neither");
    EXPECT_MISUSE(im_bulk_push_flat(bulk, operations, 0, NULL, 2, lengths, 2, counts, 2, &taken, &error), &error,
                  "text: a NULL pointer with a length of 2: give both or neither");
    EXPECT_MISUSE(im_bulk_push_flat(bulk, operations, 0, "ab", 2, NULL, 2, counts, 2, NULL, &error), &error,
                  "lengths: a NULL pointer with a length of 2: give both or neither");
    EXPECT_MISUSE(im_bulk_push_flat(bulk, operations, 0, "ab", 2, lengths, 2, NULL, 2, NULL, &error), &error,
                  "tag_counts: a NULL pointer with a length of 2: give both or neither");
    CHECK(im_bulk_push_flat(NULL, NULL, 0, NULL, 0, NULL, 0, NULL, 0, NULL, NULL) == IM_MISUSE);
    CHECK(im_bulk_push_flat(bulk, NULL, 0, NULL, 0, NULL, 0, NULL, 0, NULL, NULL) == IM_OK);
}

static const size_t ONE_LENGTH = 1;

ROW(batcher_submit_flat) {
    EXPECT_MISUSE(im_batcher_submit_flat(NULL, IM_CLEAR, 7, "a", 1, &ONE_LENGTH, 1, 0, &error), &error,
                  "batcher is NULL");
    EXPECT_MISUSE(im_batcher_submit_flat(batcher, IM_CLEAR, 7, NULL, 1, &ONE_LENGTH, 1, 0, &error), &error,
                  "text: a NULL pointer with a length of 1: give both or neither");
    EXPECT_MISUSE(im_batcher_submit_flat(batcher, IM_CLEAR, 7, "a", 1, NULL, 1, 0, &error), &error,
                  "lengths: a NULL pointer with a length of 1: give both or neither");
    EXPECT_MISUSE(im_batcher_submit_flat(batcher, IM_CLEAR, 7, NULL, 0, NULL, 0, 0, &error), &error,
                  "lengths: none, where an account has one");
    CHECK(im_batcher_submit_flat(NULL, IM_CLEAR, 7, NULL, 0, NULL, 0, 0, NULL) == IM_MISUSE);
    CHECK(im_batcher_submit_flat(batcher, IM_CLEAR, 7, "a", 1, &ONE_LENGTH, 1, 0, NULL) == IM_TIMEOUT);
}

ROW(batcher_refuse_flat) {
    EXPECT_MISUSE(im_batcher_refuse_flat(NULL, IM_CLOSED, IM_CLEAR, NULL, 1, &ONE_LENGTH, 1, &error), &error,
                  "text: a NULL pointer with a length of 1: give both or neither");
    EXPECT_MISUSE(im_batcher_refuse_flat(NULL, IM_CLOSED, IM_CLEAR, "a", 1, NULL, 1, &error), &error,
                  "lengths: a NULL pointer with a length of 1: give both or neither");
    EXPECT_MISUSE(im_batcher_refuse_flat(NULL, IM_CLOSED, IM_CLEAR, NULL, 0, NULL, 0, &error), &error,
                  "lengths: none, where an account has one");
    CHECK(im_batcher_refuse_flat(NULL, IM_CLOSED, IM_CLEAR, "a", 1, &ONE_LENGTH, 1, NULL) == IM_CLOSED);
}

ROW(batcher_withdraw) {
    EXPECT_MISUSE(im_batcher_withdraw(NULL, 7, IM_TIMEOUT, &error), &error, "batcher is NULL");
    CHECK(im_batcher_withdraw(NULL, 7, IM_TIMEOUT, NULL) == IM_MISUSE);
    EXPECT_OK(im_batcher_withdraw(batcher, 7, IM_TIMEOUT, &error), &error);
    CHECK(im_batcher_withdraw(batcher, 7, IM_CANCELLED, NULL) == IM_OK);
}

#define POLL(name, handle)                                                                                             \
    ROW(name) {                                                                                                        \
        im_completions *completions = (im_completions *)&completions;                                                  \
        EXPECT_MISUSE(im_##name(NULL, 0, &completions, &error), &error, #handle " is NULL");                           \
        CHECK(completions == NULL);                                                                                    \
        EXPECT_MISUSE(im_##name(handle, 0, NULL, &error), &error, "completions is NULL");                              \
        CHECK(im_##name(NULL, 0, NULL, NULL) == IM_MISUSE);                                                            \
        CHECK(im_##name(handle, 0, &completions, NULL) == IM_OK && completions == NULL);                               \
    }
POLL(bulk_poll, bulk)
POLL(batcher_poll, batcher)

/* What ends a run or a batcher stands behind what needs it, as the rows are checked in this order. */
#define OF_HANDLE(name, handle, last)                                                                                  \
    ROW(name) {                                                                                                        \
        EXPECT_MISUSE(im_##name(NULL last, &error), &error, #handle " is NULL");                                       \
        CHECK(im_##name(NULL last, NULL) == IM_MISUSE);                                                                \
        EXPECT_OK(im_##name(handle last, &error), &error);                                                             \
        CHECK(im_##name(handle last, NULL) == IM_OK);                                                                  \
    }
OF_HANDLE(bulk_end_of_input, bulk, NOTHING)
OF_HANDLE(bulk_finish, bulk, NOTHING)
OF_HANDLE(batcher_flush, batcher, WITHOUT_CALL)
OF_HANDLE(batcher_close, batcher, WITHOUT_CALL)

ROW(bulk_count) {
    CHECK(im_bulk_count(NULL, IM_COUNT_TAKEN) == 0);
}

#define STATS(name, handle)                                                                                            \
    ROW(name) {                                                                                                        \
        im_stats *stats = (im_stats *)&stats;                                                                          \
        EXPECT_MISUSE(im_##name(NULL, &stats, &error), &error, #handle " is NULL");                                    \
        CHECK(stats == NULL);                                                                                          \
        EXPECT_MISUSE(im_##name(handle, NULL, &error), &error, "stats is NULL");                                       \
        CHECK(im_##name(NULL, NULL, NULL) == IM_MISUSE);                                                               \
        CHECK(im_##name(handle, &stats, NULL) == IM_OK && stats != NULL);                                              \
        im_stats_free(stats);                                                                                          \
    }
STATS(client_stats, client)
STATS(bulk_stats, bulk)
STATS(batcher_stats, batcher)

READER(stats_count, 0)
EACH_TEXT_READER(stats_name)
EACH_TEXT_READER(stats_labels)
EACH_TEXT_READER(stats_help)
EACH_READER(stats_is_counter, false)
EACH_READER(stats_value, 0)
TEXT_READER(stats_text, "")
TAKES_NULL(stats_free)

ROW(stats_get) {
    im_stats *stats;
    double number = im_stats_get(NULL, IM_STR("imtag_calls_total"), NONE);
    CHECK(number != number); /* none */
    EXPECT_OK(im_client_stats(client, &stats, &error), &error);
    number = im_stats_get(stats, (im_str){NULL, 1}, NONE);
    CHECK(number != number);
    number = im_stats_get(stats, IM_STR("imtag_calls_total"), (im_str){NULL, 1});
    CHECK(number != number);
    CHECK(im_stats_get(stats, IM_STR("imtag_calls_total"), (im_str){NULL, 0}) == 0);
    im_stats_free(stats);
}

/* Takes no pointer. */
ROW(log_leave_out_thread) {
    im_log_leave_out_thread(true);
    im_log_leave_out_thread(false);
}

ROW(stats_join) {
    im_stats *stats, *joined = (im_stats *)&joined;
    const im_str label = IM_STR_INIT("client"), values[2] = {IM_STR_INIT("a"), IM_STR_INIT("b")};
    EXPECT_OK(im_client_stats(client, &stats, &error), &error);
    const im_stats *each[2] = {stats, NULL};
    EXPECT_MISUSE(im_stats_join(label, values, each, 2, &joined, &error), &error, "each[1] is NULL");
    CHECK(joined == NULL);
    EXPECT_MISUSE(im_stats_join(label, values, each, 1, NULL, &error), &error, "joined is NULL");
    EXPECT_MISUSE(im_stats_join(label, NULL, each, 1, &joined, &error), &error,
                  "values: a NULL pointer with a length of 1: give both or neither");
    EXPECT_MISUSE(im_stats_join(label, values, NULL, 1, &joined, &error), &error,
                  "each: a NULL pointer with a length of 1: give both or neither");
    EXPECT_MISUSE(im_stats_join((im_str){NULL, 1}, values, each, 1, &joined, &error), &error,
                  "label: a NULL pointer with a length of 1: give both or neither");
    EXPECT_MISUSE(im_stats_join(NONE, values, each, 1, &joined, &error), &error,
                  "label: not a name of small letters and _");
    EXPECT_OK(im_stats_join(label, NULL, NULL, 0, &joined, &error), &error);
    CHECK(im_stats_count(joined) == 0);
    im_stats_free(joined);
    CHECK(im_stats_join(label, values, each, 1, &joined, NULL) == IM_OK && joined != NULL);
    im_stats_free(joined);
    im_stats_free(stats);
}

ROW(log_new) {
    im_log *log = (im_log *)&log;
    EXPECT_MISUSE(im_log_new(IM_LOG_WARN, 1, NULL, &error), &error, "log is NULL");
    CHECK(im_log_new(-1, 1, &log, NULL) == IM_MISUSE && log == NULL);
    CHECK(im_log_new(IM_LOG_WARN, 1, &log, NULL) == IM_OK && log != NULL);
    im_log_free(log);
}

ROW(log_next) {
    im_log *log;
    im_log_record *record = (im_log_record *)&record;
    EXPECT_OK(im_log_new(IM_LOG_WARN, 1, &log, &error), &error);
    EXPECT_MISUSE(im_log_next(NULL, 0, &record, &error), &error, "log is NULL");
    CHECK(record == NULL);
    EXPECT_MISUSE(im_log_next(log, 0, NULL, &error), &error, "record is NULL");
    CHECK(im_log_next(NULL, 0, NULL, NULL) == IM_MISUSE);
    CHECK(im_log_next(log, 0, &record, NULL) == IM_OK && record == NULL);
    im_log_free(log);
}

TAKES_NULL(log_close)
TAKES_NULL(log_free)
READER(log_record_level, 0)
READER(log_record_time_us, 0)
TEXT_READER(log_record_message, "")
TEXT_READER(log_record_fields, "")
TAKES_NULL(log_record_free)

READER(batcher_unsettled, 0)
READER(batcher_free, 0)
TAKES_NULL(bulk_cancel)
TAKES_NULL(bulk_free)
TAKES_NULL(completions_free)
READER(completions_count, 0)
EACH_READER(completions_id, 0)
EACH_READER(completions_error, NULL)

LIST_READER(completions_ids)
LIST_READER(completions_failed)

int main(int argc, char **argv) {
    begin("nulls", 120);
    config = config_at("http", server_none());
    im_config_set_generation(config, IM_STR("timpush"));
    EXPECT_OK(im_client_new(config, &client, &error), &error);
    call = im_call_new();
    EXPECT_OK(im_bulk_new(client, &bulk, &error), &error);
    EXPECT_OK(im_batcher_new(client, &batcher, &error), &error);

    check_rows(argv + 1, argc - 1);

    im_bulk_free(bulk);
    im_batcher_free(batcher);
    im_call_free(call);
    im_client_free(client);
    im_config_free(config);
    return end();
}
