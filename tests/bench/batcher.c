/*
 How a batcher serves many threads that tag a user each, over and over: users, seconds, and how long a caller waits, as
 a line of JSON. `cargo xtask bench batcher` builds and runs it, with the client's settings, SECONDS and CALLERS in the
 environment.
*/

#include <imtag.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct caller {
    pthread_t thread;
    im_batcher *batcher;
    int number;
    double until;
    double *took;
    size_t count;
    size_t failed;
};

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void fail(const char *what, im_error *error) {
    fprintf(stderr, "%s: %s\n", what, im_error_message(error));
    exit(1);
}

static const char *setting(const char *name) {
    const char *value = getenv(name);
    return value == NULL ? "" : value;
}

static void *call(void *argument) {
    struct caller *caller = argument;
    const im_str tag = IM_STR_INIT("vip");
    char account[32];
    size_t capacity = 0;
    double began = now();
    snprintf(account, sizeof account, "user%08d", caller->number);
    while (began < caller->until) {
        if (im_batcher_add_tag(caller->batcher, im_str_from(account), &tag, 1, NULL, NULL) != IM_OK) {
            caller->failed++;
        }
        if (caller->count == capacity) {
            capacity = capacity == 0 ? 64 : 2 * capacity;
            caller->took = realloc(caller->took, capacity * sizeof *caller->took);
            if (caller->took == NULL) {
                abort();
            }
        }
        double end = now();
        caller->took[caller->count++] = end - began;
        began = end;
    }
    return NULL;
}

static int by_size(const void *one, const void *other) {
    double difference = *(const double *)one - *(const double *)other;
    return (difference > 0) - (difference < 0);
}

int main(void) {
    const int callers = atoi(setting("CALLERS"));
    im_config *config = im_config_new();
    im_client *client = NULL;
    im_batcher *batcher = NULL;
    im_error *error = NULL;
    im_config_set_app(config, (uint32_t)atoll(setting("IMTAG_SDKAPPID")), im_str_from(setting("IMTAG_IDENTIFIER")));
    im_config_set_secret_key(config, im_str_from(setting("IMTAG_SECRET_KEY")));
    im_config_set_endpoint(config, im_str_from(setting("IMTAG_ENDPOINT")));
    if (im_client_new(config, &client, &error) != IM_OK) {
        fail("client", error);
    }
    im_config_free(config);
    if (im_batcher_new(client, &batcher, &error) != IM_OK) {
        fail("batcher", error);
    }
    struct caller *all = calloc((size_t)callers, sizeof *all);
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 256 * 1024);
    const double began = now();
    for (int number = 0; number < callers; number++) {
        all[number].batcher = batcher;
        all[number].number = number;
        all[number].until = began + atof(setting("SECONDS"));
        if (pthread_create(&all[number].thread, &small, call, &all[number]) != 0) {
            perror("pthread_create");
            return 1;
        }
    }
    size_t users = 0, failed = 0;
    for (int number = 0; number < callers; number++) {
        pthread_join(all[number].thread, NULL);
        users += all[number].count;
        failed += all[number].failed;
    }
    const double seconds = now() - began;
    double *took = malloc((users + 1) * sizeof *took);
    size_t at = 0;
    for (int number = 0; number < callers; number++) {
        for (size_t index = 0; index < all[number].count; index++) {
            took[at++] = all[number].took[index];
        }
    }
    qsort(took, users, sizeof *took, by_size);
    took[users] = 0; /* where there was none */
    printf("{\"who\": \"C, threads\", \"callers\": %d, \"users\": %zu, \"failed\": %zu, \"seconds\": %.3f, ", callers, users,
           failed, seconds);
    printf("\"p50_ms\": %.1f, \"p99_ms\": %.1f}\n", took[users / 2] * 1000, took[users * 99 / 100] * 1000);
    if (im_batcher_close(batcher, NULL, &error) != IM_OK) {
        fail("close", error);
    }
    im_batcher_free(batcher);
    im_client_free(client);
    return 0;
}
