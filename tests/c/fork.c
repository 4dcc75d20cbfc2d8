/*
 * A process that forks: the child uses its parent's clients, whatever other threads were doing at that moment. It does
 * not affect its parent, whose calls, connections and options stay as they are.
 *
 * Not for valgrind: a child leaks what is its parent's, as it should.
 */

#include "support/background.h"
#include "support/check.h"
#include "support/emulator.h"
#include "support/servers.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct emulator emulator;
static im_error *error;
static const im_str TAG = IM_STR_INIT("a");
static const im_user_tags USER = {IM_STR_INIT("xiaojun012"), &TAG, 1};

/* Far longer than any call here takes. */
enum { DEADLINE_MS = 10000 };

/* A call with a deadline of its own; whether it succeeded. */
static bool succeeds(const im_client *client) {
    im_call *call = im_call_new();
    im_error *why;
    im_call_set_timeout_ms(call, DEADLINE_MS);
    im_status status = im_add_tag(client, &USER, 1, call, NULL, &why);
    im_call_free(call);
    im_error_free(why);
    return status == IM_OK;
}

/* Runs `act` in a child, which is killed if it hangs; whether it succeeded there. */
static bool in_a_child(bool (*act)(void *context), void *context) {
    pid_t child = fork();
    if (child == 0) {
        alarm(3 * DEADLINE_MS / 1000);
        _exit(act(context) ? 0 : 1);
    }
    int status = -1;
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

static bool call_in_child(void *client) {
    return succeeds(client) && succeeds(client);
}

static bool call_and_free_in_child(void *client) {
    bool well = succeeds(client);
    im_client_free(client);
    return well;
}

static bool free_in_child(void *client) {
    im_client_free(client);
    return true;
}

/* Another thread waits for an answer, for the quota, in a credential callback, or for a connection. */
static void while_another_thread_calls(const char *fault, unsigned calls_per_second) {
    im_config *config = emulator_config(&emulator);
    im_config_set_calls_per_second(config, calls_per_second);
    im_config_set_timeout_ms(config, 60000);
    im_client *client = client_of(config);
    struct background answer, turn;
    emulator_faults(&emulator, "im_add_tag", fault);
    background_add(&answer, client, &USER, NULL);
    background_until_it_waits(&answer);
    background_add(&turn, client, &USER, NULL);
    if (calls_per_second == 1)
        background_until_it_waits(&turn);
    CHECK(in_a_child(call_in_child, client));
    CHECK(in_a_child(call_and_free_in_child, client));
    background_join(&answer);
    EXPECT_OK(answer.status, &answer.error);
    background_join(&turn);
    EXPECT_OK(turn.status, &turn.error);
    CHECK(succeeds(client));
    im_client_free(client);
}

struct held_back {
    pthread_mutex_t lock;
    pid_t holder;
};

/* Waits in the parent only. */
static void supply_late(void *context, im_credential *credential) {
    struct held_back *held_back = context;
    if (getpid() == held_back->holder) {
        pthread_mutex_lock(&held_back->lock);
        pthread_mutex_unlock(&held_back->lock);
    }
    im_credential_set(credential, im_str_from(emulator_usersig(&emulator)), 0, NULL);
}

static void while_another_thread_makes_a_usersig(void) {
    static struct held_back held_back = {.lock = PTHREAD_MUTEX_INITIALIZER};
    held_back.holder = getpid();
    im_config *config = emulator_config(&emulator);
    im_config_set_credential_callback(config, supply_late, &held_back, NULL);
    im_client *client = client_of(config);
    pthread_mutex_lock(&held_back.lock);
    struct background making;
    background_add(&making, client, &USER, NULL);
    background_until_it_waits(&making);
    CHECK(in_a_child(call_in_child, client));
    pthread_mutex_unlock(&held_back.lock);
    background_join(&making);
    EXPECT_OK(making.status, &making.error);
    im_client_free(client);
}

/* A connection that the parent keeps is not closed, shut or written to by a child that calls, or frees the client. */
static void the_parents_connection(struct emulator *of) {
    im_client *client = client_of(emulator_config(of));
    EXPECT_OK(im_add_tag(client, &USER, 1, NULL, NULL, &error), &error);
    CHECK(in_a_child(call_in_child, client));
    CHECK(in_a_child(free_in_child, client));
    CHECK(in_a_child(call_and_free_in_child, client));
    im_result *result;
    EXPECT_OK(im_add_tag(client, &USER, 1, NULL, &result, &error), &error);
    CHECK(im_result_attempts_sent(result) == 1);
    im_result_free(result);
    im_client_free(client);
}

struct shared {
    const im_client *client;
    im_call *call;
};

static bool use_the_parents_call(void *context) {
    struct shared *shared = context;
    im_error *why;
    bool in_use = im_add_tag(shared->client, &USER, 1, shared->call, NULL, &why) == IM_MISUSE;
    im_error_free(why);
    im_call_cancel(shared->call);
    return in_use;
}

/* The parent's im_call stays in use in the child, and a cancel there ends only calls of the child. */
static void a_cancel_in_the_child(void) {
    im_client *client = client_of(emulator_config(&emulator));
    struct shared shared = {client, im_call_new()};
    struct background it;
    emulator_faults(&emulator, "im_add_tag", "{\"kind\": \"delay\", \"delay_ms\": 1000}");
    background_add(&it, client, &USER, shared.call);
    background_until_it_waits(&it);
    CHECK(in_a_child(use_the_parents_call, &shared));
    background_join(&it);
    EXPECT_OK(it.status, &it.error);
    im_call_free(shared.call);
    im_client_free(client);
}

#ifndef __SANITIZE_ADDRESS__
struct handles {
    im_client *client;
    im_bulk *bulk;
    im_batcher *batcher;
    im_log *log;
};

/* The child's own log has what it does, and its client's figures begin with zeros. */
static bool log_and_count(im_client *client) {
    im_log *own;
    im_log_record *record;
    im_stats *stats;
    bool well = im_client_stats(client, &stats, NULL) == IM_OK;
    well = well && im_stats_get(stats, IM_STR("imtag_calls_total"), IM_STR("")) == 0;
    im_stats_free(stats);
    well = well && im_log_new(IM_LOG_INFO, 10, &own, NULL) == IM_OK && succeeds(client);
    well = well && im_log_next(own, 0, &record, NULL) == IM_OK && record != NULL;
    well = well && strcmp(im_log_record_message(record), "new UserSig") == 0;
    im_log_record_free(record);
    im_log_free(own);
    well = well && im_client_stats(client, &stats, NULL) == IM_OK;
    well = well && im_stats_get(stats, IM_STR("imtag_calls_total"), IM_STR("")) == 1;
    im_stats_free(stats);
    return well;
}

/* A misuse there, found without a lock that a thread of the parent may hold; the child makes its own. */
static bool use_the_parents_handles(void *context) {
    struct handles *handles = context;
    im_completions *completions;
    im_error *why = NULL;
    bool well = im_bulk_add_tag(handles->bulk, 1, USER.account, &TAG, 1, &why) == IM_MISUSE;
    well = well && strstr(im_error_message(why), "bulk belongs to the process that this one was forked from");
    im_error_free(why);
    well = well && im_bulk_poll(handles->bulk, 0, &completions, NULL) == IM_MISUSE;
    well = well && im_bulk_finish(handles->bulk, NULL) == IM_MISUSE;
    well = well && im_bulk_set_capacity(handles->bulk, 1) == IM_MISUSE;
    well = well && im_bulk_count(handles->bulk, IM_COUNT_TAKEN) == 0;
    im_bulk_cancel(handles->bulk);
    im_bulk_free(handles->bulk);
    well = well && im_batcher_add_tag(handles->batcher, USER.account, &TAG, 1, NULL, NULL) == IM_MISUSE;
    well = well && im_batcher_poll(handles->batcher, 0, &completions, NULL) == IM_MISUSE;
    well = well && im_batcher_withdraw(handles->batcher, 1, IM_CANCELLED, NULL) == IM_MISUSE;
    well = well && im_batcher_close(handles->batcher, NULL, NULL) == IM_MISUSE;
    im_stats *stats;
    well = well && im_batcher_stats(handles->batcher, &stats, NULL) == IM_MISUSE && stats == NULL;
    well = well && im_batcher_unsettled(handles->batcher) == 0 && im_batcher_free(handles->batcher) == 0;
    im_log_record *record;
    well = well && im_log_next(handles->log, 0, &record, &why) == IM_MISUSE && record == NULL;
    well = well && strstr(im_error_message(why), "log belongs to the process that this one was forked from");
    im_error_free(why);
    im_log_close(handles->log);
    im_log_free(handles->log);
    well = well && log_and_count(handles->client);

    im_bulk *own;
    well = well && im_bulk_new(handles->client, &own, NULL) == IM_OK;
    well = well && im_bulk_add_tag(own, 1, USER.account, &TAG, 1, NULL) == IM_OK && im_bulk_finish(own, NULL) == IM_OK;
    im_bulk_free(own);
    return well;
}

/* While their threads wait for an answer. */
static void the_parents_bulk_run_and_batcher(void) {
    struct handles handles = {client_of(emulator_config(&emulator)), NULL, NULL, NULL};
    EXPECT_OK(im_log_new(IM_LOG_DEBUG, 1000, &handles.log, &error), &error);
    EXPECT_OK(im_bulk_new(handles.client, &handles.bulk, &error), &error);
    EXPECT_OK(im_batcher_new(handles.client, &handles.batcher, &error), &error);
    emulator_faults(&emulator, "im_add_tag", "{\"kind\": \"delay\", \"delay_ms\": 1000}");
    EXPECT_OK(im_bulk_add_tag(handles.bulk, 1, USER.account, &TAG, 1, &error), &error);
    EXPECT_OK(im_bulk_end_of_input(handles.bulk, &error), &error);
    EXPECT_OK(im_batcher_submit_add_tag(handles.batcher, 1, IM_STR("xiaojun013"), &TAG, 1, &error), &error);
    for (int i = 0; i < 10; i++)
        CHECK(in_a_child(use_the_parents_handles, &handles));
    EXPECT_OK(im_bulk_finish(handles.bulk, &error), &error);
    EXPECT_OK(im_batcher_close(handles.batcher, NULL, &error), &error);
    CHECK(im_bulk_count(handles.bulk, IM_COUNT_DONE) == 1 && im_batcher_free(handles.batcher) == 0);
    im_bulk_free(handles.bulk);
    /* nothing that the children did is in it */
    int usersigs = 0;
    for (im_log_record *record; im_log_next(handles.log, 0, &record, NULL) == IM_OK && record != NULL;) {
        usersigs += strcmp(im_log_record_message(record), "new UserSig") == 0;
        im_log_record_free(record);
    }
    CHECK(usersigs == 1);
    im_log_free(handles.log);
    im_client_free(handles.client);
}
#endif

static bool grandchild(void *client) {
    return succeeds(client) && in_a_child(call_and_free_in_child, client) && succeeds(client);
}

static void a_child_that_forks(void) {
    im_client *client = client_of(emulator_config(&emulator));
    CHECK(in_a_child(grandchild, client)); /* before its first call */
    CHECK(succeeds(client));
    CHECK(in_a_child(grandchild, client));
    CHECK(succeeds(client));
    im_client_free(client);
}

#ifndef __SANITIZE_ADDRESS__
struct busy {
    im_client *client;
    volatile bool enough;
    int failed;
};

static void *keep_calling(void *given) {
    struct busy *busy = given;
    while (!busy->enough)
        busy->failed += !succeeds(busy->client);
    return NULL;
}

/* Forks many times while other threads use a client, at any moment of their work. Frees the client. */
static void forks_beside_threads(im_client *client, void *(*threads_do)(void *busy),
                                 bool (*child_does)(void *client)) {
    enum { FORKS = 40, THREADS = 2 };
    struct busy busy = {client, false, 0};
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, threads_do, &busy);
    int well = 0;
    for (int i = 0; i < FORKS; i++)
        well += in_a_child(child_does, client);
    busy.enough = true;
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    CHECK(well == FORKS);
    CHECK(busy.failed == 0);
    im_client_free(client);
}

/* Also of a log, in which other threads write, and which another thread reads. */
static void *keep_reading(void *log) {
    for (im_log_record *record; im_log_next(log, UINT64_MAX, &record, NULL) == IM_OK;)
        im_log_record_free(record);
    return NULL;
}

static bool log_call_and_free_in_child(void *client) {
    im_log *log;
    im_log_record *record;
    bool well = im_log_new(IM_LOG_DEBUG, 100, &log, NULL) == IM_OK && call_and_free_in_child(client);
    well = well && im_log_next(log, 0, &record, NULL) == IM_OK && record != NULL;
    im_log_record_free(record);
    im_log_free(log);
    return well;
}

static void at_any_moment(void) {
    im_config *config = emulator_config(&emulator);
    im_config_set_calls_per_second(config, 100000);
    im_client *client = client_of(config);
    emulator_ask(&emulator, "POST", "/emulator/reset", "");
    im_log *log;
    pthread_t reader;
    EXPECT_OK(im_log_new(IM_LOG_TRACE, 100, &log, &error), &error);
    pthread_create(&reader, NULL, keep_reading, log);
    forks_beside_threads(client, keep_calling, log_call_and_free_in_child);
    im_log_close(log);
    pthread_join(reader, NULL);
    im_log_free(log);
}

/* A process may end while a thread of it waits for records, and others write some: nothing is freed, and nothing hangs. */
static void a_process_that_ends_while_its_log_is_read(void) {
    pid_t child = fork();
    if (child == 0) {
        im_log *log;
        pthread_t reader;
        alarm(3 * DEADLINE_MS / 1000);
        struct busy busy = {client_of(emulator_config(&emulator)), false, 0};
        pthread_t caller;
        bool well = im_log_new(IM_LOG_TRACE, 100, &log, NULL) == IM_OK;
        pthread_create(&reader, NULL, keep_reading, log);
        pthread_create(&caller, NULL, keep_calling, &busy);
        well = succeeds(busy.client) && well;
        exit(well ? 0 : 1);
    }
    int status = -1;
    CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
}

static im_client *client_of_the_shared_quota(void) {
    im_config *config = emulator_config(&emulator);
    im_config_set_calls_per_second(config, 50000);
    return client_of(config);
}

/* Threads that make a client for each call: all clients share a quota, also with those that were freed. */
static void *keep_making_clients(void *given) {
    struct busy *busy = given;
    while (!busy->enough) {
        im_client *client = client_of_the_shared_quota();
        busy->failed += !succeeds(client);
        im_client_free(client);
    }
    return NULL;
}

static bool make_clients_in_child(void *parents) {
    bool well = true;
    for (int i = 0; i < 2; i++) {
        im_client *client = client_of_the_shared_quota();
        well = succeeds(client) && succeeds(parents) && well;
        im_client_free(client);
    }
    im_client_free(parents);
    return well;
}

/* The child's clients share a quota of the child: the parent's may stay locked by a thread that the child lacks. */
static void while_other_threads_make_clients(void) {
    forks_beside_threads(client_of_the_shared_quota(), keep_making_clients, make_clients_in_child);
}

/* In a process that has made no call yet: another thread makes the first, and soon there is a fork. */
static bool fork_during_the_first_call(void *context) {
    const struct timespec *soon = context;
    im_client *client = client_of(emulator_config(&emulator));
    struct background first;
    background_add(&first, client, &USER, NULL);
    nanosleep(soon, NULL);
    bool well = in_a_child(call_in_child, client);
    background_join(&first);
    im_error_free(first.error);
    im_client_free(client);
    return well && first.status == IM_OK;
}

/* A fork must not catch half done what a process makes once, on its first call: forks at many moments of it. */
static void during_the_first_call(void) {
    enum { FORKS = 60 };
    int well = 0;
    for (long i = 0; i < FORKS; i++) {
        struct timespec soon = {0, i * 12500};
        well += in_a_child(fork_during_the_first_call, &soon);
    }
    CHECK(well == FORKS);
}
#endif

int main(void) {
    begin("fork", 120);
    emulator = emulator_start();
#ifndef __SANITIZE_ADDRESS__ /* a fork beside threads that allocate may catch its allocator locked */
    during_the_first_call(); /* first, as no call has been made here */
#endif
    struct emulator tls = emulator_start_tls();
    while_another_thread_calls("{\"kind\": \"delay\", \"delay_ms\": 1500}", 100);
    while_another_thread_calls("{\"kind\": \"delay\", \"delay_ms\": 1500}", 1);
    while_another_thread_makes_a_usersig();
    the_parents_connection(&emulator);
    the_parents_connection(&tls);
    a_cancel_in_the_child();
    a_child_that_forks();
#ifndef __SANITIZE_ADDRESS__
    the_parents_bulk_run_and_batcher();
    at_any_moment();
    a_process_that_ends_while_its_log_is_read();
    while_other_threads_make_clients();
#endif
    emulator_stop(&emulator);
    emulator_stop(&tls);
    return end();
}
