#include "outcomes.h"
#include "check.h"

void outcomes_add(struct outcomes *outcomes, im_completions *completions) {
    size_t count, failed_count, failed = 0;
    const uint64_t *ids = im_completions_ids(completions, &count);
    const size_t *positions = im_completions_failed(completions, &failed_count);
    CHECK(im_completions_count(completions) == count);
    for (size_t i = 0; i < count; i++) {
        const im_error *error = im_completions_error(completions, i);
        if (ids[i] >= MOST_IDS)
            give_up("an id that the test did not give");
        if (im_completions_id(completions, i) != ids[i])
            CHECK(!"an id is the same, alone and among all");
        if (error && (failed >= failed_count || positions[failed] != i))
            CHECK(!"a failed change is where it is said to be");
        failed += error != NULL;
        outcomes->came[ids[i]]++;
        outcomes->status[ids[i]] = im_error_status(error);
    }
    CHECK(failed == failed_count);
    CHECK(im_completions_error(completions, count) == NULL && im_completions_id(completions, count) == 0);
    outcomes->count += count;
    outcomes->failed += failed;
    im_completions_free(completions);
}

void outcomes_of_bulk(struct outcomes *outcomes, im_bulk *bulk) {
    im_completions *completions;
    im_error *error;
    bool more = true;
    while (more) {
        EXPECT_OK(im_bulk_poll(bulk, UINT64_MAX, &completions, &error), &error);
        more = completions != NULL;
        outcomes_add(outcomes, completions);
    }
}

bool outcomes_are(const struct outcomes *outcomes, size_t count, im_status status) {
    for (size_t id = 0; id < count; id++)
        if (outcomes->came[id] != 1 || outcomes->status[id] != status)
            return false;
    return outcomes->count == count;
}
