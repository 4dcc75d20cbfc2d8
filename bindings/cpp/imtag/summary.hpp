// The counts of a bulk run, while it runs and at its end.

#ifndef IMTAG_SUMMARY_HPP
#define IMTAG_SUMMARY_HPP

#include <imtag.h>

#include <chrono>
#include <cstdint>

namespace imtag {

/// The counts of a bulk run.
struct summary {
    /// Changes that were taken: at the end each has its outcome, done or failed.
    std::uint64_t taken = 0;
    std::uint64_t done = 0;
    std::uint64_t failed = 0;
    /// Requests that were made; retries are not counted.
    std::uint64_t requests = 0;
    /// Attempts that were made: requests with their retries.
    std::uint64_t attempts = 0;
    /// Attempts of which any byte left this machine: what the app's quota may have been charged.
    std::uint64_t attempts_sent = 0;
    /// Requests that were split, as they failed without naming the user at fault.
    std::uint64_t splits = 0;
    /// Requests that only searched for users at fault. The timpush paths name these users, so they would save the
    /// requests; on them it is 0.
    std::uint64_t timpush_would_save = 0;
    /// The time since the first change; at the end, how long the run took.
    std::chrono::milliseconds elapsed{0};
};

/// The same counts while the run is going on.
using progress = summary;

namespace detail {

/// The counts of a run as they are now.
inline summary counts_of(const im_bulk* run) noexcept {
    summary counts;
    counts.taken = im_bulk_count(run, IM_COUNT_TAKEN);
    counts.done = im_bulk_count(run, IM_COUNT_DONE);
    counts.failed = im_bulk_count(run, IM_COUNT_FAILED);
    counts.requests = im_bulk_count(run, IM_COUNT_REQUESTS);
    counts.attempts = im_bulk_count(run, IM_COUNT_ATTEMPTS);
    counts.attempts_sent = im_bulk_count(run, IM_COUNT_ATTEMPTS_SENT);
    counts.splits = im_bulk_count(run, IM_COUNT_SPLITS);
    counts.timpush_would_save = im_bulk_count(run, IM_COUNT_TIMPUSH_WOULD_SAVE);
    counts.elapsed = std::chrono::milliseconds(im_bulk_count(run, IM_COUNT_ELAPSED_MS));
    return counts;
}

}  // namespace detail

}  // namespace imtag

#endif
