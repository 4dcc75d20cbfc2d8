/*
 * The call of a case, with its options: time limits, and a cancel before it or from another thread.
 */

#include "runner.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Cancels later, unless the call ends before. */
struct canceller {
    im_call *call;
    struct timespec at;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t ended;
    bool is_over;
};

static void *cancel_later(void *given) {
    struct canceller *it = given;
    int waited = 0;
    pthread_mutex_lock(&it->lock);
    while (!it->is_over && waited != ETIMEDOUT)
        waited = pthread_cond_timedwait(&it->ended, &it->lock, &it->at);
    bool in_time = !it->is_over;
    pthread_mutex_unlock(&it->lock);
    if (in_time)
        im_call_cancel(it->call);
    return NULL;
}

static void start(struct canceller *it, im_call *call, long after_ms) {
    memset(it, 0, sizeof *it);
    it->call = call;
    clock_gettime(CLOCK_REALTIME, &it->at);
    it->at.tv_sec += after_ms / 1000;
    it->at.tv_nsec += after_ms % 1000 * 1000000;
    if (it->at.tv_nsec >= 1000000000) {
        it->at.tv_sec++;
        it->at.tv_nsec -= 1000000000;
    }
    pthread_mutex_init(&it->lock, NULL);
    pthread_cond_init(&it->ended, NULL);
    pthread_create(&it->thread, NULL, cancel_later, it);
}

static void stop(struct canceller *it) {
    pthread_mutex_lock(&it->lock);
    it->is_over = true;
    pthread_cond_signal(&it->ended);
    pthread_mutex_unlock(&it->lock);
    pthread_join(it->thread, NULL);
    pthread_cond_destroy(&it->ended);
    pthread_mutex_destroy(&it->lock);
}

/* All texts of an array; freed by the caller. */
static im_str *texts_of(const cJSON *array, size_t *count) {
    *count = (size_t)cJSON_GetArraySize(array);
    im_str *texts = calloc(*count + 1, sizeof *texts);
    const cJSON *text;
    size_t at = 0;
    cJSON_ArrayForEach(text, array) texts[at++] = text_of(text);
    return texts;
}

typedef im_status (*of_users)(const im_client *, const im_user_tags *, size_t, im_call *, im_result **, im_error **);
typedef im_status (*of_accounts)(const im_client *, const im_str *, size_t, im_call *, im_result **, im_error **);

static im_status with_users(of_users operation, const im_client *client, const cJSON *array, im_call *call,
                            im_result **result, im_error **error) {
    size_t count = (size_t)cJSON_GetArraySize(array), at = 0;
    im_user_tags *users = calloc(count + 1, sizeof *users);
    const cJSON *user;
    cJSON_ArrayForEach(user, array) {
        users[at].account = text_of(cJSON_GetObjectItemCaseSensitive(user, "account"));
        users[at].tags = texts_of(cJSON_GetObjectItemCaseSensitive(user, "tags"), &users[at].tag_count);
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

im_status call_of(const im_client *client, const cJSON *call, im_result **result, im_error **error) {
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(call, "operation"));
    const cJSON *timeout = cJSON_GetObjectItemCaseSensitive(call, "timeout_ms");
    const cJSON *attempt_timeout = cJSON_GetObjectItemCaseSensitive(call, "attempt_timeout_ms");
    const cJSON *cancel = cJSON_GetObjectItemCaseSensitive(call, "cancel_after_ms");
    const cJSON *users = cJSON_GetObjectItemCaseSensitive(call, "users");
    const cJSON *accounts = cJSON_GetObjectItemCaseSensitive(call, "accounts");
    im_call *options = timeout || attempt_timeout || cancel ? im_call_new() : NULL;
    struct canceller canceller;
    bool later = cancel && cancel->valuedouble > 0;
    if (timeout)
        im_call_set_timeout_ms(options, (uint64_t)timeout->valuedouble);
    if (attempt_timeout)
        im_call_set_attempt_timeout_ms(options, (uint64_t)attempt_timeout->valuedouble);
    if (later)
        start(&canceller, options, (long)cancel->valuedouble);
    else if (cancel)
        im_call_cancel(options);

    im_status status = IM_MISUSE;
    for (size_t i = 0; i < sizeof OPERATIONS / sizeof *OPERATIONS; i++) {
        if (!name || strcmp(OPERATIONS[i].name, name) != 0)
            continue;
        status = OPERATIONS[i].of_users
                     ? with_users(OPERATIONS[i].of_users, client, users, options, result, error)
                     : with_accounts(OPERATIONS[i].of_accounts, client, accounts, options, result, error);
    }
    if (later)
        stop(&canceller);
    im_call_free(options);
    return status;
}
