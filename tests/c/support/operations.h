/*
 * The ten functions that make a call, behind one signature, so that what holds for all of them is checked of each.
 */

#ifndef OPERATIONS_H
#define OPERATIONS_H

#include "imtag.h"

struct operation {
    /* The function's name. */
    const char *name;
    /* What its messages call the argument that lists users or accounts, and what its violations call it. */
    const char *argument, *place;
    /* Whether it takes tags, and whether it takes one buffer. */
    bool tags, flat;
    /* Makes the call with these users; for accounts alone, the tags stay out. */
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
