/*
 * What became of changes, as a test wants to look at it: by the ids that it gave, all of which are small numbers.
 */

#ifndef OUTCOMES_H
#define OUTCOMES_H

#include "imtag.h"

enum { MOST_IDS = 1024 };

struct outcomes {
    /* How often each id came, and with which status. */
    int came[MOST_IDS];
    im_status status[MOST_IDS];
    size_t count, failed;
};

/* Adds completions to the outcomes, and frees them; checks that all ways to read them say the same. */
void outcomes_add(struct outcomes *outcomes, im_completions *completions);

/* Polls until nothing is under way. */
void outcomes_of_bulk(struct outcomes *outcomes, im_bulk *bulk);

/* Whether the ids from 0 to below count came once each, all with this status. */
bool outcomes_are(const struct outcomes *outcomes, size_t count, im_status status);

#endif
