/*
 * A batcher: its steps on one thread, a thread for each change that is waited for, and one that polls the outcomes of
 * those that are submitted.
 */

#include "runner.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* What became of the steps, and which are under way. */
struct play {
    im_batcher *batcher;
    pthread_mutex_t lock;
    pthread_cond_t settled;
    size_t unsettled, done;
    char **failures; /* by the steps' position: NULL where there is none */
};

/* A change on a thread of its own. */
struct waiting {
    struct play *play;
    size_t step;
    const cJSON *of;
    pthread_t thread;
};

static void begin_step(struct play *it) {
    pthread_mutex_lock(&it->lock);
    it->unsettled++;
    pthread_mutex_unlock(&it->lock);
}

/* Ends a step that was begun; `failure` becomes the play's. */
static void end_step(struct play *it, size_t step, char *failure) {
    pthread_mutex_lock(&it->lock);
    it->unsettled--;
    it->done += !failure;
    it->failures[step] = failure;
    pthread_cond_broadcast(&it->settled);
    pthread_mutex_unlock(&it->lock);
}

static void join(struct play *it) {
    pthread_mutex_lock(&it->lock);
    while (it->unsettled > 0)
        pthread_cond_wait(&it->settled, &it->lock);
    pthread_mutex_unlock(&it->lock);
}

/* Ends as the batcher does: once it is closed, and all outcomes were polled. */
static void *poll_outcomes(void *given) {
    struct play *it = given;
    im_completions *completions;
    while (im_batcher_poll(it->batcher, UINT64_MAX, &completions, NULL) == IM_OK && completions) {
        for (size_t i = 0; i < im_completions_count(completions); i++) {
            const im_error *error = im_completions_error(completions, i);
            end_step(it, (size_t)im_completions_id(completions, i), error ? failure_of(error) : NULL);
        }
        im_completions_free(completions);
    }
    return NULL;
}

static im_status hand_in(im_batcher *batcher, uint64_t id, const cJSON *of, im_error **error) {
    struct change change = change_of(of);
    im_status status;
    switch (change.operation) {
    case IM_ADD:
        status = im_batcher_submit_add_tag(batcher, id, change.account, change.tags, change.tag_count, error);
        break;
    case IM_REMOVE:
        status = im_batcher_submit_remove_tag(batcher, id, change.account, change.tags, change.tag_count, error);
        break;
    case IM_REPLACE:
        status = im_batcher_submit_replace_tags(batcher, id, change.account, change.tags, change.tag_count, error);
        break;
    default:
        status = im_batcher_submit_clear_tags(batcher, id, change.account, error);
    }
    free(change.tags);
    return status;
}

static void submit(struct play *it, size_t step, const cJSON *change) {
    im_error *error;
    begin_step(it);
    if (hand_in(it->batcher, step, change, &error) == IM_OK)
        return; /* it ends with the outcome */
    end_step(it, step, failure_of(error));
    im_error_free(error);
}

static void *call_and_wait(void *given) {
    struct waiting *it = given;
    im_batcher *batcher = it->play->batcher;
    struct change change = change_of(member_of(it->of, "call"));
    struct options options;
    im_status status;
    im_error *error;
    options_begin(&options, it->of);
    switch (change.operation) {
    case IM_ADD:
        status = im_batcher_add_tag(batcher, change.account, change.tags, change.tag_count, options.call, &error);
        break;
    case IM_REMOVE:
        status = im_batcher_remove_tag(batcher, change.account, change.tags, change.tag_count, options.call, &error);
        break;
    case IM_REPLACE:
        status = im_batcher_replace_tags(batcher, change.account, change.tags, change.tag_count, options.call, &error);
        break;
    default:
        status = im_batcher_clear_tags(batcher, change.account, options.call, &error);
    }
    options_end(&options);
    free(change.tags);
    end_step(it->play, it->step, status == IM_OK ? NULL : failure_of(error));
    im_error_free(error);
    return NULL;
}

static void call(struct play *it, size_t step, const cJSON *of, struct waiting *waiting) {
    *waiting = (struct waiting){.play = it, .step = step, .of = of};
    begin_step(it);
    pthread_create(&waiting->thread, NULL, call_and_wait, waiting);
}

static void flush_or_close(struct play *it, size_t step, const cJSON *of,
                           im_status (*act)(im_batcher *, im_call *, im_error **)) {
    struct options options;
    im_error *error;
    begin_step(it);
    options_begin(&options, of);
    im_status status = act(it->batcher, options.call, &error);
    options_end(&options);
    end_step(it, step, status == IM_OK ? NULL : failure_of(error));
    im_error_free(error);
}

/* The child has no other thread than this; what it finds comes back by a pipe, empty where the change was taken. */
static void submit_in_child(struct play *it, size_t step, const cJSON *change) {
    int ends[2];
    char *failure = NULL;
    size_t size = 0;
    begin_step(it);
    if (pipe(ends) != 0)
        abort();
    pid_t child = fork();
    if (child == 0) {
        alarm(20); /* a child that hangs is not to stay */
        FILE *to = fdopen(ends[1], "w");
        im_error *error;
        if (hand_in(it->batcher, step, change, &error) != IM_OK)
            fputs(failure_of(error), to);
        fclose(to);
        _exit(0);
    }
    close(ends[1]);
    FILE *from = fdopen(ends[0], "r");
    if (getline(&failure, &size, from) <= 0) {
        free(failure);
        failure = NULL;
    }
    fclose(from);
    waitpid(child, NULL, 0);
    end_step(it, step, failure);
}

static void await_unsettled(const im_batcher *batcher, size_t count) {
    const struct timespec soon = {0, 1000000};
    while (im_batcher_unsettled(batcher) != count)
        nanosleep(&soon, NULL);
}

static void take_step(struct play *it, size_t step, const cJSON *of, struct waiting *waiting) {
    const cJSON *what;
    if ((what = member_of(of, "submit")))
        submit(it, step, what);
    else if (member_of(of, "call"))
        call(it, step, of, waiting);
    else if (member_of(of, "flush"))
        flush_or_close(it, step, of, im_batcher_flush);
    else if (member_of(of, "close"))
        flush_or_close(it, step, of, im_batcher_close);
    else if (member_of(of, "join"))
        join(it);
    else if ((what = member_of(of, "await_arrivals")))
        await_arrivals(what);
    else if ((what = member_of(of, "await_unsettled")))
        await_unsettled(it->batcher, (size_t)number_of(what));
    else if ((what = member_of(of, "fork")))
        submit_in_child(it, step, what);
    else
        abort();
}

static void set_options(im_batcher *batcher, const cJSON *options) {
    static const struct {
        const char *name;
        im_status (*set)(im_batcher *batcher, uint64_t milliseconds);
    } TIMES[] = {
        {"timeout_ms", im_batcher_set_timeout_ms},
        {"attempt_timeout_ms", im_batcher_set_attempt_timeout_ms},
        {"late_window_ms", im_batcher_set_late_window_ms},
        {"linger_ms", im_batcher_set_linger_ms},
    };
    const cJSON *capacity = member_of(options, "capacity");
    const char *when_full = cJSON_GetStringValue(member_of(options, "when_full"));
    for (size_t i = 0; i < sizeof TIMES / sizeof *TIMES; i++) {
        const cJSON *time = member_of(options, TIMES[i].name);
        if (time)
            TIMES[i].set(batcher, number_of(time));
    }
    if (capacity)
        im_batcher_set_capacity(batcher, (size_t)number_of(capacity));
    if (when_full)
        im_batcher_set_when_full(batcher, strcmp(when_full, "fail") == 0 ? IM_FAIL : IM_WAIT);
}

void play_batcher(const im_client *client, const cJSON *batcher, FILE *to) {
    const cJSON *steps = member_of(batcher, "steps"), *step;
    size_t count = (size_t)cJSON_GetArraySize(steps), at = 0;
    struct play it = {.lock = PTHREAD_MUTEX_INITIALIZER, .settled = PTHREAD_COND_INITIALIZER};
    im_error *error;
    im_status status = im_batcher_new(client, &it.batcher, &error);
    if (status != IM_OK) {
        write_outcome(to, status, NULL, error);
        im_error_free(error);
        return;
    }
    set_options(it.batcher, member_of(batcher, "options"));
    it.failures = calloc(count + 1, sizeof *it.failures);
    struct waiting *waiting = calloc(count + 1, sizeof *waiting);
    pthread_t poller;
    pthread_create(&poller, NULL, poll_outcomes, &it);

    cJSON_ArrayForEach(step, steps) {
        take_step(&it, at, step, &waiting[at]);
        at++;
    }
    im_batcher_close(it.batcher, NULL, NULL);
    pthread_join(poller, NULL);
    for (size_t i = 0; i < count; i++)
        if (waiting[i].play)
            pthread_join(waiting[i].thread, NULL);
    im_stats *stats = NULL;
    if (observes() && im_batcher_stats(it.batcher, &stats, NULL) == IM_OK)
        observe_stats(stats);
    im_batcher_free(it.batcher);

    write_end(to, IM_OK, NULL);
    fprintf(to, ", \"done\": %zu", it.done);
    write_failures(to, "step", it.failures, count);
    putc('}', to);
    for (size_t i = 0; i < count; i++)
        free(it.failures[i]);
    free(it.failures);
    free(waiting);
}
