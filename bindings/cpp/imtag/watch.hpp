// How any thread reads the figures of a bulk run, whose function returns only at its end.

#ifndef IMTAG_WATCH_HPP
#define IMTAG_WATCH_HPP

#include "stats.hpp"

#include <mutex>

namespace imtag {

namespace detail {
class watching;
}

/// Reads the figures of a bulk run: `bulk_options{}.watch(watch)`, and `watch.stats()` from any thread, also from the
/// functions of the run. Copies are the same watch; of several runs it has the one that began last.
class bulk_watch {
public:
    bulk_watch() : state_(std::make_shared<state>()) {}

    /// The figures, imtag_bulk_..., as they are now, or as they were at the end of the run; none before it begins.
    /// imtag.h lists them at im_bulk_stats.
    [[nodiscard]] imtag::stats stats() const {
        const std::lock_guard lock(state_->mutex);
        return state_->run ? detail::stats_of(im_bulk_stats, state_->run) : state_->last;
    }

private:
    friend class detail::watching;

    struct state {
        std::mutex mutex;
        const im_bulk* run = nullptr;
        imtag::stats last;
    };
    std::shared_ptr<state> state_;
};

namespace detail {

/// Registers a run with a watch, for as long as the run exists.
class watching {
public:
    watching(const bulk_watch& watch, const im_bulk* run) : state_(watch.state_), run_(run) {
        const std::lock_guard lock(state_->mutex);
        state_->run = run_;
    }
    ~watching() {
        const std::lock_guard lock(state_->mutex);
        if (state_->run != run_)
            return;  // a later run has it
        state_->run = nullptr;
        im_stats* last = nullptr;
        im_bulk_stats(run_, &last, nullptr);  // it fails in a forked child alone: then there are none
        try {
            state_->last = stats(last);
        } catch (const std::bad_alloc&) {
        }
    }
    watching(const watching&) = delete;
    watching& operator=(const watching&) = delete;

private:
    std::shared_ptr<bulk_watch::state> state_;
    const im_bulk* run_;
};

}  // namespace detail

}  // namespace imtag

#endif
