/*
 * Logs: records of what the library decides, in a queue of its own for each log, which never holds the library up. None
 * holds a key, a UserSig, an account or a tag.
 */

#include "support/check.h"
#include "support/service.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

static im_error *error;
/* A client whose calls do not wait for the quota. */
static im_client *quick;
static const im_str TAG = IM_STR_INIT("hush-tag");
static const im_user_tags USER = {IM_STR_INIT("hush-account"), &TAG, 1};

static im_log *new_log(im_log_level level, size_t capacity) {
    im_log *log;
    EXPECT_OK(im_log_new(level, capacity, &log, &error), &error);
    return log;
}

static void add_tag(void) {
    EXPECT_OK(im_add_tag(quick, &USER, 1, NULL, NULL, &error), &error);
}

/* The next record with this message; those before it are read. NULL if there is none. */
static im_log_record *find(im_log *log, const char *message) {
    for (;;) {
        im_log_record *record;
        EXPECT_OK(im_log_next(log, 0, &record, &error), &error);
        if (record == NULL || strcmp(im_log_record_message(record), message) == 0)
            return record;
        im_log_record_free(record);
    }
}

/* Reads all records: how many attempts ended. */
static int count_attempts(im_log *log) {
    int count = 0;
    for (im_log_record *record; (record = find(log, "attempt ended")) != NULL; count++)
        im_log_record_free(record);
    return count;
}

static bool has(const im_log_record *record, const char *field) {
    return strstr(im_log_record_fields(record), field) != NULL;
}

static void an_attempt_is_a_record(void) {
    im_log *log = new_log(IM_LOG_DEBUG, 100);
    add_tag();
    im_log_record *record = find(log, "attempt ended");
    CHECK(im_log_record_level(record) == IM_LOG_DEBUG);
    CHECK(im_log_record_time_us(record) > 1700000000000000 && im_log_record_time_us(record) < 5000000000000000);
    CHECK(im_log_record_fields(record)[0] == '{');
    CHECK(has(record, "\"operation\":\"add\"") && has(record, "\"route\":\"v4/all_member_push/im_add_tag\""));
    CHECK(has(record, "\"attempt\":1,") && has(record, "\"sent\":true") && has(record, "\"host\":\"127.0.0.1\""));
    /* it stays when the log is freed */
    im_log_free(log);
    CHECK(has(record, "\"users\":1"));
    im_log_record_free(record);
}

static void a_log_takes_what_is_as_important_as_its_level_from_its_making_to_its_end(void) {
    im_log *warnings = new_log(IM_LOG_WARN, 100), *all = new_log(IM_LOG_TRACE, 100);
    emulator_faults(&emulator, "im_add_tag", "{\"kind\": \"code\", \"code\": 60007}");
    add_tag();
    im_log_record *record;
    EXPECT_OK(im_log_next(warnings, 0, &record, &error), &error);
    CHECK_TEXT(im_log_record_message(record), "rejected as too frequent");
    CHECK_TEXT(im_log_record_fields(record), "{\"code\":60007,\"host\":\"127.0.0.1\",\"operation\":\"add\"}");
    CHECK(im_log_record_level(record) == IM_LOG_WARN);
    im_log_record_free(record);
    EXPECT_OK(im_log_next(warnings, 0, &record, &error), &error);
    CHECK(record == NULL);
    record = find(all, "trying again");
    CHECK(record != NULL);
    im_log_record_free(record);

    im_log_close(all);
    add_tag();
    while (im_log_next(all, UINT64_MAX, &record, &error) == IM_OK)
        im_log_record_free(record); /* what it had */
    CHECK(record == NULL && im_error_status(error) == IM_CLOSED);
    CHECK_TEXT(im_error_message(error), "the log is closed, and all its records are read");
    im_error_free(error);
    im_log_free(all);
    im_log_free(warnings);
    im_log *later = new_log(IM_LOG_TRACE, 100);
    EXPECT_OK(im_log_next(later, 1, &record, &error), &error);
    CHECK(record == NULL);
    im_log_free(later);
}

static void what_is_dropped_is_a_record(void) {
    im_log *log = new_log(IM_LOG_DEBUG, 0); /* counts as 1 */
    add_tag();
    add_tag();
    im_log_record *record;
    for (int round = 0; round < 2; round++) {
        EXPECT_OK(im_log_next(log, 0, &record, &error), &error);
        CHECK_TEXT(im_log_record_message(record), "attempt ended");
        im_log_record_free(record);
        if (round == 0)
            add_tag(); /* it stands behind what is missing */
        EXPECT_OK(im_log_next(log, 0, &record, &error), &error);
        if (round == 0) {
            CHECK(im_log_record_level(record) == IM_LOG_WARN && im_log_record_time_us(record) > 0);
            CHECK_TEXT(im_log_record_message(record), "log records were dropped");
            CHECK_TEXT(im_log_record_fields(record), "{\"dropped\":1}");
            im_log_record_free(record);
        } else {
            CHECK(record == NULL);
        }
    }
    add_tag();
    add_tag();
    add_tag();
    im_log_record_free(find(log, "attempt ended"));
    EXPECT_OK(im_log_next(log, 0, &record, &error), &error);
    CHECK_TEXT(im_log_record_fields(record), "{\"dropped\":2}");
    im_log_record_free(record);
    im_log_free(log);
}

struct reading {
    im_log *log;
    int records;
    im_status status;
    im_error *error;
};

static void *read_to_the_end(void *given) {
    struct reading *reading = given;
    im_log_record *record;
    while ((reading->status = im_log_next(reading->log, UINT64_MAX, &record, &reading->error)) == IM_OK) {
        reading->records += strcmp(im_log_record_message(record), "attempt ended") == 0;
        im_log_record_free(record);
    }
    return NULL;
}

static void *add_tags(void *nothing) {
    for (int i = 0; i < 10; i++)
        add_tag();
    return nothing;
}

static void threads_read_each_record_once_until_the_log_is_closed(void) {
    enum { THREADS = 4 };
    pthread_t readers[THREADS], callers[THREADS];
    im_log *log = new_log(IM_LOG_DEBUG, 1000);
    struct reading readings[THREADS];
    int records = 0;
    for (int i = 0; i < THREADS; i++) {
        readings[i] = (struct reading){log, 0, IM_OK, NULL};
        pthread_create(&readers[i], NULL, read_to_the_end, &readings[i]);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_create(&callers[i], NULL, add_tags, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_join(callers[i], NULL);
    im_log_close(log);
    im_log_close(log);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(readers[i], NULL);
        CHECK(readings[i].status == IM_CLOSED);
        im_error_free(readings[i].error);
        records += readings[i].records;
    }
    CHECK(records == THREADS * 10);
    im_log_free(log);
}

static void *add_tag_on_a_thread(void *nothing) {
    add_tag();
    return nothing;
}

static void what_a_thread_that_is_left_out_does_is_in_no_log(void) {
    im_log *log = new_log(IM_LOG_DEBUG, 100);
    pthread_t other;
    im_log_leave_out_thread(true);
    add_tag();
    pthread_create(&other, NULL, add_tag_on_a_thread, NULL);
    pthread_join(other, NULL);
    im_log_leave_out_thread(false);
    CHECK(count_attempts(log) == 1); /* the other thread's */
    add_tag();
    CHECK(count_attempts(log) == 1);
    im_log_free(log);
}

static void no_record_shows_a_secret(void) {
    im_log *log = new_log(IM_LOG_TRACE, 1000);
    im_client *own = client_of(emulator_config(&emulator));
    emulator_faults(&emulator, "im_add_tag", "{\"kind\": \"code\", \"code\": 70009, \"text\": \"hush-account\"}");
    CHECK(im_add_tag(own, &USER, 1, NULL, NULL, NULL) == IM_SERVICE);
    im_bulk *bulk = new_bulk();
    EXPECT_OK(im_bulk_add_tag(bulk, 1, USER.account, &TAG, 1, &error), &error);
    EXPECT_OK(im_bulk_finish(bulk, &error), &error);
    im_bulk_free(bulk);
    im_client_free(own);
    int count = 0;
    for (im_log_record *record; im_log_next(log, 0, &record, NULL) == IM_OK && record != NULL; count++) {
        CHECK(!has(record, "hush") && !has(record, emulator.key) && !has(record, "eJ"));
        im_log_record_free(record);
    }
    CHECK(count > 5);
    im_log_free(log);
}

int main(void) {
    service_begin("logs", 60);
    im_config *config = emulator_config(&emulator);
    im_config_set_fresh_start(config, 1);
    quick = client_of(config);
    im_log *none = NULL;
    EXPECT_MISUSE(im_log_new(0, 1, &none, &error), &error, "level: 0 is none: IM_LOG_ERROR to IM_LOG_TRACE");
    EXPECT_MISUSE(im_log_new(6, 1, &none, &error), &error, "level: 6 is none: IM_LOG_ERROR to IM_LOG_TRACE");
    CHECK(none == NULL);
    add_tag(); /* opens the connection, and makes the UserSig */
    an_attempt_is_a_record();
    a_log_takes_what_is_as_important_as_its_level_from_its_making_to_its_end();
    what_is_dropped_is_a_record();
    threads_read_each_record_once_until_the_log_is_closed();
    what_a_thread_that_is_left_out_does_is_in_no_log();
    no_record_shows_a_secret();
    im_client_free(quick);
    return service_end();
}
