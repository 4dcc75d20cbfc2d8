/*
 * The ten functions that make a call, with one signature, so that each is checked for what holds for all.
 */

#ifndef OPERATIONS_H
#define OPERATIONS_H

#include "imtag.h"

struct operation {
    /* The function's name. */
    const char *name;
    /* The name of the list of users or accounts in messages, and in violations. */
    const char *argument, *place;
    /* Whether it takes tags, and whether it takes one buffer. */
    bool tags, flat;
    /* Makes the call with these users; without their tags for a call that takes accounts. */
    im_status (*with)(const im_client *client, const im_user_tags *users, size_t count, im_call *call,
                      im_result **result, im_error **error);
    /* Makes the call with this pointer in place of the list, or of the lengths. */
    im_status (*at)(const im_client *client, const void *list, size_t count, im_error **error);
};

enum { OPERATION_COUNT = 10 };
extern const struct operation OPERATIONS[OPERATION_COUNT];

/* By its name. */
const struct operation *operation_named(const char *name);

#endif
