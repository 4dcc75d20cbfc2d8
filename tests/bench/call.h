/*
 What the clients of `cargo xtask bench call` in C and C++ share: users with texts, and a line of JSON for each number
 that is read, in nanoseconds a call. Each is started with its name, an endpoint, a CA file, and the number of users and
 of tags.
*/

#ifndef IMTAG_BENCH_CALL_H
#define IMTAG_BENCH_CALL_H

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct user {
    char account[16];
    char tags[10][24];
};

static struct user users[100];
static size_t user_count, tag_count;

static void fail(const char *what, const char *why) {
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static double now(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static int by_size(const void *one, const void *other) {
    double difference = *(const double *)one - *(const double *)other;
    return (difference > 0) - (difference < 0);
}

/* Connects by a call, and makes as many as it is told to. */
static int measure(int argc, char **argv, void (*connect_to)(const char *endpoint, const char *ca_file),
                   void (*call)(void)) {
    static double took[100000];
    char line[32];
    if (argc != 6) {
        fail("arguments", "which client, endpoint, CA file, users and tags?");
    }
    user_count = (size_t)atoi(argv[4]);
    tag_count = (size_t)atoi(argv[5]);
    if (user_count > sizeof users / sizeof *users || tag_count > sizeof users->tags / sizeof *users->tags) {
        fail("arguments", "at most 100 users with 10 tags");
    }
    for (size_t user = 0; user < user_count; user++) {
        snprintf(users[user].account, sizeof users->account, "user%08d", (int)user);
        for (size_t tag = 0; tag < tag_count; tag++) {
            snprintf(users[user].tags[tag], sizeof *users->tags, "tag%03d-of-20-bytes..", (int)(user + tag) % 100);
        }
    }
    connect_to(argv[2], argv[3]);
    call();
    while (fgets(line, sizeof line, stdin) != NULL) {
        size_t calls = (size_t)atoi(line);
        if (calls < 1 || calls > sizeof took / sizeof *took) {
            fail("input", "from 1 to 100,000 calls");
        }
        double began = now(CLOCK_MONOTONIC), cpu = now(CLOCK_PROCESS_CPUTIME_ID);
        for (size_t at = 0; at < calls; at++) {
            double start = now(CLOCK_MONOTONIC);
            call();
            took[at] = now(CLOCK_MONOTONIC) - start;
        }
        cpu = (now(CLOCK_PROCESS_CPUTIME_ID) - cpu) / (double)calls;
        double time = (now(CLOCK_MONOTONIC) - began) / (double)calls;
        qsort(took, calls, sizeof *took, by_size);
        printf("{\"p50\":%.0f,\"p99\":%.0f,\"cpu\":%.0f,\"time\":%.0f}\n", took[calls / 2], took[calls * 99 / 100], cpu,
               time);
        fflush(stdout);
    }
    return 0;
}

#endif
