/*
 * Cancelling from another thread, after a time or at arrivals.
 */

#include "runner.h"

#include <errno.h>
#include <string.h>

static bool is_still_on_at_its_time(struct canceller *it) {
    int waited = 0;
    pthread_mutex_lock(&it->lock);
    while (!it->is_over && waited != ETIMEDOUT)
        waited = pthread_cond_timedwait(&it->ended, &it->lock, &it->at);
    bool still_on = !it->is_over;
    pthread_mutex_unlock(&it->lock);
    return still_on;
}

static void *cancel_later(void *given) {
    struct canceller *it = given;
    if (it->arrivals)
        await_arrivals(it->arrivals);
    else if (!is_still_on_at_its_time(it))
        return NULL;
    it->cancel(it->what);
    return NULL;
}

static void start(struct canceller *it) {
    pthread_mutex_init(&it->lock, NULL);
    pthread_cond_init(&it->ended, NULL);
    pthread_create(&it->thread, NULL, cancel_later, it);
}

void canceller_start_after(struct canceller *it, void (*cancel)(const void *), const void *what, uint64_t after_ms) {
    memset(it, 0, sizeof *it);
    it->cancel = cancel;
    it->what = what;
    clock_gettime(CLOCK_REALTIME, &it->at);
    it->at.tv_sec += (time_t)(after_ms / 1000);
    it->at.tv_nsec += (long)(after_ms % 1000) * 1000000;
    if (it->at.tv_nsec >= 1000000000) {
        it->at.tv_sec++;
        it->at.tv_nsec -= 1000000000;
    }
    start(it);
}

void canceller_start_at_arrivals(struct canceller *it, void (*cancel)(const void *), const void *what,
                                 const cJSON *arrivals) {
    memset(it, 0, sizeof *it);
    it->cancel = cancel;
    it->what = what;
    it->arrivals = arrivals;
    start(it);
}

void canceller_stop(struct canceller *it) {
    pthread_mutex_lock(&it->lock);
    it->is_over = true;
    pthread_cond_signal(&it->ended);
    pthread_mutex_unlock(&it->lock);
    pthread_join(it->thread, NULL);
    pthread_cond_destroy(&it->ended);
    pthread_mutex_destroy(&it->lock);
}

static void cancel_call(const void *call) {
    im_call_cancel(call);
}

void options_begin(struct options *it, const cJSON *of) {
    const cJSON *timeout = member_of(of, "timeout_ms");
    const cJSON *attempt_timeout = member_of(of, "attempt_timeout_ms");
    const cJSON *after_ms = member_of(of, "cancel_after_ms");
    const cJSON *after_arrivals = member_of(of, "cancel_after_arrivals");
    it->is_cancelled_later = after_arrivals || number_of(after_ms) > 0;
    it->call = timeout || attempt_timeout || after_ms || after_arrivals ? im_call_new() : NULL;
    if (timeout)
        im_call_set_timeout_ms(it->call, number_of(timeout));
    if (attempt_timeout)
        im_call_set_attempt_timeout_ms(it->call, number_of(attempt_timeout));
    if (after_arrivals)
        canceller_start_at_arrivals(&it->canceller, cancel_call, it->call, after_arrivals);
    else if (it->is_cancelled_later)
        canceller_start_after(&it->canceller, cancel_call, it->call, number_of(after_ms));
    else if (after_ms)
        im_call_cancel(it->call);
}

void options_end(struct options *it) {
    if (it->is_cancelled_later)
        canceller_stop(&it->canceller);
    im_call_free(it->call);
}
