// How another thread cancels a bulk run, whose function returns only at its end.

#ifndef IMTAG_CANCEL_HPP
#define IMTAG_CANCEL_HPP

#include <imtag.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <vector>

namespace imtag {

namespace detail {
class cancellation;
}

/// Cancels bulk runs: `bulk_options{}.cancel(token)`, and `token.cancel()` from any thread. Copies are the same token.
/// It may be given to several runs; a run that begins after the cancellation sends nothing.
class cancel_token {
public:
    cancel_token() : state_(std::make_shared<state>()) {}

    /// Cancels the runs: nothing more is sent, requests under way complete, and changes that were not sent fail as
    /// cancelled. Called again, it ends the requests under way too. Not from a signal handler.
    void cancel() const noexcept {
        const std::lock_guard lock(state_->mutex);
        ++state_->times;
        for (im_bulk* run : state_->runs)
            im_bulk_cancel(run);
    }

private:
    friend class detail::cancellation;

    struct state {
        std::mutex mutex;
        std::vector<im_bulk*> runs;
        unsigned times = 0;
    };
    std::shared_ptr<state> state_;
};

namespace detail {

/// Registers a run with a token, for as long as the run exists.
class cancellation {
public:
    cancellation(const cancel_token& token, im_bulk* run) : state_(token.state_), run_(run) {
        const std::lock_guard lock(state_->mutex);
        state_->runs.push_back(run_);
        for (unsigned i = 0; i < std::min(state_->times, 2u); ++i)
            im_bulk_cancel(run_);
    }
    ~cancellation() {
        const std::lock_guard lock(state_->mutex);
        state_->runs.erase(std::find(state_->runs.begin(), state_->runs.end(), run_));
    }
    cancellation(const cancellation&) = delete;
    cancellation& operator=(const cancellation&) = delete;

    /// Cancels this run, unless the token has: a second cancellation would end requests under way too.
    void cancel_once() const noexcept {
        const std::lock_guard lock(state_->mutex);
        if (state_->times == 0)
            im_bulk_cancel(run_);
    }

private:
    std::shared_ptr<cancel_token::state> state_;
    im_bulk* run_;
};

}  // namespace detail

}  // namespace imtag

#endif
