/*
 * Outcomes of changes, by the ids that a test gave, which are small numbers.
 */

#ifndef OUTCOMES_H
#define OUTCOMES_H

#include "imtag.h"

enum { MOST_IDS = 1024 };

struct outcomes {
    /* How many outcomes each id had, and with which status. */
    int came[MOST_IDS];
    im_status status[MOST_IDS];
    size_t count, failed;
};

/* Adds completions to the outcomes, and frees them; checks that all functions that read them agree. */
void outcomes_add(struct outcomes *outcomes, im_completions *completions);

/* Polls until all outcomes are there. */
void outcomes_of_bulk(struct outcomes *outcomes, im_bulk *bulk);

/* Whether the ids from 0 to count - 1 had one outcome each, with this status. */
bool outcomes_are(const struct outcomes *outcomes, size_t count, im_status status);

#endif
