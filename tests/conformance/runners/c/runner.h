/*
 * The conformance runner in C: a case a line in, its outcome a line out. It compares nothing; what it must know of C
 * is how a text, a setting, a change and an error look there.
 */

#ifndef RUNNER_H
#define RUNNER_H

#include <imtag.h>

#include <cjson/cJSON.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

/* A member of an object, which may be missing: NULL. */
const cJSON *member_of(const cJSON *object, const char *name);

/* Reads a case; NULL if the line is no JSON. */
cJSON *case_of(char *line);

/* A text of a case: a string, or {"hex": "61ff"}. The bytes are the case's, which
   hold hex no more once they are read; static where there are none. */
im_str text_of(const cJSON *text);

/* All texts of an array; freed by the caller. */
im_str *texts_of(const cJSON *array, size_t *count);

/* A number of a case; one that is greater than any of the interface is its greatest. */
uint64_t number_of(const cJSON *number);

/* A config of a case's settings, or the error of the environment. What it is given lives until the outcome is written. */
im_status config_of(const cJSON *settings, im_config **config, im_error **error);

/* One user's change, as a case has it. */
struct change {
    im_operation operation;
    im_str account;
    im_str *tags;
    size_t tag_count;
};

/* Reads a change, once, as its texts are read once. The tags are freed by the caller. */
struct change change_of(const cJSON *change);

/* Waits until the server has so many requests, which the harness is asked to say. From any thread. */
void await_arrivals(const cJSON *count);

/* What cancels something from another thread: after a time, unless it is stopped before, or at arrivals. */
struct canceller {
    void (*cancel)(const void *what);
    const void *what;
    const cJSON *arrivals; /* NULL: it is the time that counts */
    struct timespec at;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t ended;
    bool is_over;
};

void canceller_start_after(struct canceller *it, void (*cancel)(const void *), const void *what, uint64_t after_ms);
void canceller_start_at_arrivals(struct canceller *it, void (*cancel)(const void *), const void *what,
                                 const cJSON *arrivals);
void canceller_stop(struct canceller *it);

/* The options of a call or of a step: its time limits, and what cancels it. */
struct options {
    im_call *call; /* NULL: none */
    struct canceller canceller;
    bool is_cancelled_later;
};

/* From here on the time runs that cancels it. */
void options_begin(struct options *it, const cJSON *of);
void options_end(struct options *it);

/* Do what a case says, and write what became of it: an object. */
void play_call(const im_client *client, const cJSON *call, FILE *to);
void play_bulk(const im_client *client, const cJSON *bulk, FILE *to);
void play_batcher(const im_client *client, const cJSON *batcher, FILE *to);

/* From here on a case is observed: its figures and its log's records. */
void observe_begin(void);
bool observes(void);

/* Takes figures, and frees them. */
void observe_stats(im_stats *stats);

/* Writes figures and records as two members more of the outcome. */
void observe_end(FILE *to);

/* Writes a text as a string of JSON. */
void write_text(FILE *to, im_str text);

/* Writes the outcome of a call, or of what could not be made. */
void write_outcome(FILE *to, im_status status, const im_result *result, const im_error *error);

/* Writes how a bulk run or a batcher ended, and leaves the object open for more. */
void write_end(FILE *to, im_status status, const im_error *error);

/* Why a change or a step failed, as JSON without its position; freed by the caller. */
char *failure_of(const im_error *error);

/* Writes the failures of the positions that have one, in their order; each has its position under this name. */
void write_failures(FILE *to, const char *position, char *const *failures, size_t count);

#endif
