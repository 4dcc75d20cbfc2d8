#define _GNU_SOURCE
#include "background.h"
#include "check.h"

#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void *run(void *given) {
    struct background *it = given;
    it->task = (pid_t)syscall(SYS_gettid);
    it->status = im_add_tag(it->client, it->user, 1, it->call, NULL, &it->error);
    return NULL;
}

void background_add(struct background *background, const im_client *client, const im_user_tags *user, im_call *call) {
    memset(background, 0, sizeof *background);
    background->client = client;
    background->user = user;
    background->call = call;
    if (pthread_create(&background->thread, NULL, run, background))
        give_up("cannot start a thread");
}

/* 'S' for a thread that sleeps, as the kernel says. */
static char state_of(pid_t task) {
    char path[64], line[256] = "";
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)task);
    FILE *file = fopen(path, "r");
    if (!file)
        return 'X';
    if (!fgets(line, sizeof line, file))
        line[0] = '\0';
    fclose(file);
    const char *behind_name = strrchr(line, ')');
    return behind_name ? behind_name[2] : 'X';
}

void background_until_it_waits(const struct background *background) {
    struct timespec used = {0}, before = {-1, -1};
    clockid_t clock;
    int in_a_row = 0;
    while (in_a_row < 5) {
        nanosleep(&(struct timespec){0, 10000000}, NULL);
        if (background->task == 0 || pthread_getcpuclockid(background->thread, &clock) || clock_gettime(clock, &used))
            continue;
        bool idle = used.tv_sec == before.tv_sec && used.tv_nsec == before.tv_nsec;
        in_a_row = idle && state_of(background->task) == 'S' ? in_a_row + 1 : 0;
        before = used;
    }
}

void background_join(struct background *background) {
    pthread_join(background->thread, NULL);
}
