/*
 * A call on a thread of its own, and the moment when that thread sleeps: then the call is in the phase in which the
 * test makes it hang.
 */

#ifndef BACKGROUND_H
#define BACKGROUND_H

#include "imtag.h"

#include <pthread.h>
#include <sys/types.h>

struct background {
    const im_client *client;
    const im_user_tags *user;
    im_call *call;
    pthread_t thread;
    volatile pid_t task;
    im_status status;
    im_error *error;
};

/* Starts im_add_tag. The arguments live until the join. */
void background_add(struct background *background, const im_client *client, const im_user_tags *user, im_call *call);

/* Returns when the thread sleeps, and has for a while. */
void background_until_it_waits(const struct background *background);

/* Waits for its end and sets status and error; the caller frees the error. */
void background_join(struct background *background);

#endif
