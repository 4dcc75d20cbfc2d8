/*
 * A bulk run: changes are pushed as the input has them, and outcomes polled in between, on one thread.
 */

#include "runner.h"

#include <stdlib.h>

struct run {
    im_bulk *bulk;
    size_t settled, not_taken;
    char **failures; /* by the changes' index: NULL where there is none */
    int asks_until_cancel;
};

static void settle(struct run *it, uint64_t index, const im_error *error) {
    it->settled++;
    if (error)
        it->failures[index] = failure_of(error);
}

/* Takes what outcomes there are, waiting for one at most so long; whether there were any. */
static bool poll_outcomes(struct run *it, uint64_t timeout_ms) {
    im_completions *completions;
    if (im_bulk_poll(it->bulk, timeout_ms, &completions, NULL) != IM_OK || !completions)
        return false;
    for (size_t i = 0; i < im_completions_count(completions); i++)
        settle(it, im_completions_id(completions, i), im_completions_error(completions, i));
    im_completions_free(completions);
    return true;
}

/* Waits while the run has no capacity; whether the change was taken. One that was not has its error here. */
static bool push(struct run *it, uint64_t index, const cJSON *item) {
    struct change change = change_of(item);
    im_status status;
    im_error *error;
    switch (change.operation) {
    case IM_ADD:
        status = im_bulk_add_tag(it->bulk, index, change.account, change.tags, change.tag_count, &error);
        break;
    case IM_REMOVE:
        status = im_bulk_remove_tag(it->bulk, index, change.account, change.tags, change.tag_count, &error);
        break;
    case IM_REPLACE:
        status = im_bulk_replace_tags(it->bulk, index, change.account, change.tags, change.tag_count, &error);
        break;
    default:
        status = im_bulk_clear_tags(it->bulk, index, change.account, &error);
    }
    free(change.tags);
    if (status == IM_OK)
        return true;
    settle(it, index, error);
    it->not_taken++;
    im_error_free(error);
    return false;
}

/* Supplies the input until it ends, or the run does. */
static void push_all(struct run *it, const cJSON *input) {
    uint64_t index = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, input) {
        const cJSON *arrivals = member_of(item, "await_arrivals");
        if (arrivals)
            await_arrivals(arrivals);
        else if (cJSON_IsTrue(member_of(item, "cancel")))
            im_bulk_cancel(it->bulk);
        else if (!push(it, index++, item))
            return;
        poll_outcomes(it, 0);
    }
}

static int32_t cancels(const im_bulk *bulk, void *context) {
    struct run *it = context;
    (void)bulk;
    return --it->asks_until_cancel == 0;
}

static void cancel_bulk(const void *bulk) {
    im_bulk_cancel(bulk);
}

static void set_options(im_bulk *bulk, const cJSON *options) {
    static const struct {
        const char *name;
        im_status (*set)(im_bulk *bulk, uint64_t milliseconds);
    } TIMES[] = {
        {"timeout_ms", im_bulk_set_timeout_ms},
        {"attempt_timeout_ms", im_bulk_set_attempt_timeout_ms},
        {"late_window_ms", im_bulk_set_late_window_ms},
        {"linger_ms", im_bulk_set_linger_ms},
    };
    const cJSON *capacity = member_of(options, "capacity");
    for (size_t i = 0; i < sizeof TIMES / sizeof *TIMES; i++) {
        const cJSON *time = member_of(options, TIMES[i].name);
        if (time)
            TIMES[i].set(bulk, number_of(time));
    }
    if (capacity)
        im_bulk_set_capacity(bulk, (size_t)number_of(capacity));
}

static void write_summary(FILE *to, const struct run *it) {
    static const struct {
        const char *name;
        im_count count;
    } COUNTS[] = {
        {"taken", IM_COUNT_TAKEN},       {"done", IM_COUNT_DONE},
        {"failed", IM_COUNT_FAILED},     {"requests", IM_COUNT_REQUESTS},
        {"attempts", IM_COUNT_ATTEMPTS}, {"attempts_sent", IM_COUNT_ATTEMPTS_SENT},
        {"splits", IM_COUNT_SPLITS},     {"timpush_would_save", IM_COUNT_TIMPUSH_WOULD_SAVE},
    };
    fputs(", \"summary\": {", to);
    for (size_t i = 0; i < sizeof COUNTS / sizeof *COUNTS; i++)
        fprintf(to, "\"%s\": %llu, ", COUNTS[i].name, (unsigned long long)im_bulk_count(it->bulk, COUNTS[i].count));
    fprintf(to, "\"not_taken\": %zu}", it->not_taken);
}

void play_bulk(const im_client *client, const cJSON *bulk, FILE *to) {
    const cJSON *input = member_of(bulk, "input");
    const cJSON *at_progress = member_of(bulk, "cancel_at_progress");
    const cJSON *after_arrivals = member_of(bulk, "cancel_after_arrivals");
    size_t most = (size_t)cJSON_GetArraySize(input);
    struct run it = {.asks_until_cancel = (int)number_of(at_progress)};
    im_error *error;
    im_status status = im_bulk_new(client, &it.bulk, &error);
    if (status != IM_OK) {
        write_outcome(to, status, NULL, error);
        im_error_free(error);
        return;
    }
    set_options(it.bulk, member_of(bulk, "options"));
    if (at_progress)
        im_bulk_set_progress(it.bulk, cancels, &it);
    it.failures = calloc(most + 1, sizeof *it.failures);

    struct canceller canceller;
    if (after_arrivals)
        canceller_start_at_arrivals(&canceller, cancel_bulk, it.bulk, after_arrivals);
    push_all(&it, input);
    im_bulk_end_of_input(it.bulk, NULL);
    while (poll_outcomes(&it, UINT64_MAX)) {
    }
    status = im_bulk_finish(it.bulk, &error);
    if (after_arrivals)
        canceller_stop(&canceller);

    /* where only some changes failed, each has its error */
    write_end(to, status, status == IM_PARTIAL ? NULL : error);
    fprintf(to, ", \"settled\": %zu", it.settled);
    write_failures(to, "index", it.failures, most);
    write_summary(to, &it);
    putc('}', to);
    im_error_free(error);
    for (size_t i = 0; i < most; i++)
        free(it.failures[i]);
    free(it.failures);
    im_stats *stats = NULL;
    if (observes() && im_bulk_stats(it.bulk, &stats, NULL) == IM_OK)
        observe_stats(stats);
    im_bulk_free(it.bulk);
}
