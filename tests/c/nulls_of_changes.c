/*
 * NULL for every function of bulk runs and batchers, where it is allowed and where it is not.
 */

#include "support/rows.h"

static im_client *client;
static im_bulk *bulk;
static im_batcher *batcher;
static im_error *error;

static const im_str ACCOUNT = IM_STR_INIT("anna"), TAG = IM_STR_INIT("a");

static const char *const TAGS_IS_NULL = "tags: a NULL pointer with a length of 2: give both or neither";
static const char *const ACCOUNT_IS_NULL = "account: a NULL pointer with a length of 1: give both or neither";
#define NO_ACCOUNT ((im_str){NULL, 1})

#define NEW(name, kind)                                                                                                \
    static void name##_new(void) {                                                                                     \
        kind *made = (kind *)&made;                                                                                    \
        EXPECT_MISUSE(kind##_new(NULL, &made, &error), &error, "client is NULL");                                      \
        CHECK(made == NULL);                                                                                           \
        EXPECT_MISUSE(kind##_new(client, NULL, &error), &error, #name " is NULL");                                     \
        CHECK(kind##_new(NULL, NULL, NULL) == IM_MISUSE);                                                              \
    }
NEW(bulk, im_bulk)
NEW(batcher, im_batcher)

#define SETTER(name)                                                                                                   \
    static void name(void) {                                                                                           \
        CHECK(im_##name(NULL, 1) == IM_MISUSE);                                                                        \
    }
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

static int32_t go_on(const im_bulk *of, void *context) {
    (void)of, (void)context;
    return 0;
}

static void bulk_set_progress(void) {
    CHECK(im_bulk_set_progress(NULL, go_on, NULL) == IM_MISUSE);
    CHECK(im_bulk_set_progress(NULL, NULL, NULL) == IM_MISUSE);
    CHECK(im_bulk_set_progress(bulk, NULL, NULL) == IM_MISUSE);
    CHECK(im_bulk_set_progress(bulk, go_on, NULL) == IM_OK);
}

/* With tags: `first` and `last` are what stands before the account and behind the tags. */
#define OF_TAGS(name, handle, first, last)                                                                             \
    static void name(void) {                                                                                           \
        EXPECT_MISUSE(im_##name(NULL first, ACCOUNT, &TAG, 1 last, &error), &error, #handle " is NULL");               \
        EXPECT_MISUSE(im_##name(handle first, ACCOUNT, NULL, 2 last, &error), &error, TAGS_IS_NULL);                   \
        EXPECT_MISUSE(im_##name(handle first, NO_ACCOUNT, &TAG, 1 last, &error), &error, ACCOUNT_IS_NULL);             \
        CHECK(im_##name(NULL first, ACCOUNT, NULL, 0 last, NULL) == IM_MISUSE);                                        \
        CHECK(im_##name(handle first, ACCOUNT, NULL, 2 last, NULL) == IM_MISUSE);                                      \
    }
#define OF_ACCOUNT(name, handle, first, last)                                                                          \
    static void name(void) {                                                                                           \
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
OF_TAGS(batcher_add_tag, batcher, NOTHING, WITHOUT_CALL)
OF_TAGS(batcher_remove_tag, batcher, NOTHING, WITHOUT_CALL)
OF_ACCOUNT(batcher_clear_tags, batcher, NOTHING, WITHOUT_CALL)
OF_TAGS(batcher_submit_add_tag, batcher, WITH_ID, NOTHING)
OF_TAGS(batcher_submit_remove_tag, batcher, WITH_ID, NOTHING)
OF_ACCOUNT(batcher_submit_clear_tags, batcher, WITH_ID, NOTHING)

static void bulk_push_flat(void) {
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

static void batcher_submit_flat(void) {
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

static void batcher_refuse_flat(void) {
    EXPECT_MISUSE(im_batcher_refuse_flat(NULL, IM_CLOSED, IM_CLEAR, NULL, 1, &ONE_LENGTH, 1, &error), &error,
                  "text: a NULL pointer with a length of 1: give both or neither");
    EXPECT_MISUSE(im_batcher_refuse_flat(NULL, IM_CLOSED, IM_CLEAR, "a", 1, NULL, 1, &error), &error,
                  "lengths: a NULL pointer with a length of 1: give both or neither");
    EXPECT_MISUSE(im_batcher_refuse_flat(NULL, IM_CLOSED, IM_CLEAR, NULL, 0, NULL, 0, &error), &error,
                  "lengths: none, where an account has one");
    CHECK(im_batcher_refuse_flat(NULL, IM_CLOSED, IM_CLEAR, "a", 1, &ONE_LENGTH, 1, NULL) == IM_CLOSED);
}

static void batcher_withdraw(void) {
    EXPECT_MISUSE(im_batcher_withdraw(NULL, 7, IM_TIMEOUT, &error), &error, "batcher is NULL");
    CHECK(im_batcher_withdraw(NULL, 7, IM_TIMEOUT, NULL) == IM_MISUSE);
    EXPECT_OK(im_batcher_withdraw(batcher, 7, IM_TIMEOUT, &error), &error);
    CHECK(im_batcher_withdraw(batcher, 7, IM_CANCELLED, NULL) == IM_OK);
}

#define POLL(name, handle)                                                                                             \
    static void name(void) {                                                                                           \
        im_completions *completions = (im_completions *)&completions;                                                  \
        EXPECT_MISUSE(im_##name(NULL, 0, &completions, &error), &error, #handle " is NULL");                           \
        CHECK(completions == NULL);                                                                                    \
        EXPECT_MISUSE(im_##name(handle, 0, NULL, &error), &error, "completions is NULL");                              \
        CHECK(im_##name(NULL, 0, NULL, NULL) == IM_MISUSE);                                                            \
        CHECK(im_##name(handle, 0, &completions, NULL) == IM_OK && completions == NULL);                               \
    }
POLL(bulk_poll, bulk)
POLL(batcher_poll, batcher)

#define OF_HANDLE(name, handle, last)                                                                                  \
    static void name(void) {                                                                                           \
        EXPECT_MISUSE(im_##name(NULL last, &error), &error, #handle " is NULL");                                       \
        CHECK(im_##name(NULL last, NULL) == IM_MISUSE);                                                                \
        EXPECT_OK(im_##name(handle last, &error), &error);                                                             \
        CHECK(im_##name(handle last, NULL) == IM_OK);                                                                  \
    }
OF_HANDLE(bulk_end_of_input, bulk, NOTHING)
OF_HANDLE(bulk_finish, bulk, NOTHING)
OF_HANDLE(batcher_flush, batcher, WITHOUT_CALL)
OF_HANDLE(batcher_close, batcher, WITHOUT_CALL)

static void bulk_count(void) {
    CHECK(im_bulk_count(NULL, IM_COUNT_TAKEN) == 0);
}

READER(batcher_unsettled, 0)
READER(batcher_free, 0)
TAKES_NULL(bulk_cancel)
TAKES_NULL(bulk_free)
TAKES_NULL(completions_free)
READER(completions_count, 0)
EACH_READER(completions_id, 0)
EACH_READER(completions_error, NULL)

#define LIST_READER(name)                                                                                              \
    static void name(void) {                                                                                           \
        size_t count = 7;                                                                                              \
        CHECK(im_##name(NULL, &count) == NULL && count == 0);                                                          \
        CHECK(im_##name(NULL, NULL) == NULL);                                                                          \
    }
LIST_READER(completions_ids)
LIST_READER(completions_failed)

/* What ends a run or a batcher stands last. */
static const struct row ROWS[] = {
    ROW(batcher_new),
    ROW(batcher_set_attempt_timeout_ms),
    ROW(batcher_set_linger_ms),
    ROW(batcher_set_capacity),
    ROW(batcher_set_late_window_ms),
    ROW(batcher_set_timeout_ms),
    ROW(batcher_set_when_full),
    ROW(batcher_add_tag),
    ROW(batcher_clear_tags),
    ROW(batcher_remove_tag),
    ROW(batcher_submit_add_tag),
    ROW(batcher_submit_clear_tags),
    ROW(batcher_submit_flat),
    ROW(batcher_refuse_flat),
    ROW(batcher_withdraw),
    ROW(batcher_submit_remove_tag),
    ROW(batcher_poll),
    ROW(batcher_unsettled),
    ROW(batcher_flush),
    ROW(batcher_close),
    ROW(batcher_free),
    ROW(bulk_new),
    ROW(bulk_set_attempt_timeout_ms),
    ROW(bulk_set_linger_ms),
    ROW(bulk_set_progress),
    ROW(bulk_set_capacity),
    ROW(bulk_set_late_window_ms),
    ROW(bulk_set_timeout_ms),
    ROW(bulk_add_tag),
    ROW(bulk_clear_tags),
    ROW(bulk_push_flat),
    ROW(bulk_remove_tag),
    ROW(bulk_count),
    ROW(bulk_poll),
    ROW(bulk_end_of_input),
    ROW(bulk_finish),
    ROW(bulk_cancel),
    ROW(bulk_free),
    ROW(completions_count),
    ROW(completions_error),
    ROW(completions_failed),
    ROW(completions_free),
    ROW(completions_id),
    ROW(completions_ids),
};

int main(int argc, char **argv) {
    begin("nulls_of_changes", 120);
    im_config *config = im_config_new();
    im_config_set_app(config, 1400000000, IM_STR("administrator"));
    im_config_set_secret_key(config, IM_STR("secret"));
    im_config_set_endpoint(config, IM_STR("http://127.0.0.1:9"));
    EXPECT_OK(im_client_new(config, &client, &error), &error);
    EXPECT_OK(im_bulk_new(client, &bulk, &error), &error);
    EXPECT_OK(im_batcher_new(client, &batcher, &error), &error);

    check_rows(ROWS, sizeof ROWS / sizeof *ROWS, argv + 1, argc - 1);

    im_bulk_free(bulk);
    im_batcher_free(batcher);
    im_client_free(client);
    im_config_free(config);
    return end();
}
