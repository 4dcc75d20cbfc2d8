// A bulk run over a range. The calling thread pushes changes while there is capacity, and delivers outcomes as they
// arrive. The library packs, sends and retries; this decides what an exception does:
//
//   push_all: range -> push, deliver(0) ... -> end of input -> deliver until none is left -> finish
//      an exception of the range, the outcome function or the progress function: the run is cancelled, outcomes of
//      requests under way are delivered, and finish() rethrows it

#ifndef IMTAG_BULK_HPP
#define IMTAG_BULK_HPP

#include "call.hpp"
#include "cancel.hpp"
#include "change.hpp"
#include "error.hpp"
#include "watch.hpp"

#include <exception>
#include <functional>
#include <optional>

namespace imtag {

namespace detail {
template <class OnOutcome>
class bulk_run;
}

/// What became of one change of a bulk run: `if (!outcome) log(outcome.index, outcome.error->what())`.
struct outcome {
    /// Which change, by its position in the range, counted from 0.
    std::uint64_t index;
    /// Why the change failed; null if it is done. It lives until the outcome function returns, a copy longer.
    /// error::failures() has its account, error::undone() the tags, error::status() the class it would be thrown as.
    const imtag::error* error;

    /// Whether it is done.
    explicit operator bool() const noexcept { return !error; }
};

/// Options of bulk runs, each with a default: `imtag::bulk_options{}.timeout(2min)`. It is a value.
class bulk_options {
public:
    /// The time for each request with its waits and retries; default: 60 s. For half of it a request waits for a
    /// service that is unavailable, so a short outage fails no change. The waits for the quota, and for a connection
    /// where the machine gives no more, are not counted.
    bulk_options& timeout(std::chrono::milliseconds time) { return timeout_ = time, *this; }

    /// The time for one attempt; default: 10 s.
    bulk_options& attempt_timeout(std::chrono::milliseconds time) { return attempt_timeout_ = time, *this; }

    /// The late window: for how long after an attempt without an answer its request may still arrive. For so long the
    /// account's next change of another kind waits, so that it is not undone. Default: 10 s; no page of the service
    /// says how late a request can be. Example: an add of vip gets no answer; a remove of vip is sent 10 s later.
    bulk_options& late_window(std::chrono::milliseconds time) { return late_window_ = time, *this; }

    /// How long a change waits for others to share its request, while more may come; default: 1 s. milliseconds::max():
    /// until there are 100 users, or the capacity is reached.
    bulk_options& linger(std::chrono::milliseconds time) { return linger_ = time, *this; }

    /// The capacity: how many changes the run holds before they are sent; default: 4,096. While it is full the range is
    /// not advanced. The greater it is, the fewer requests are needed for users with many tags.
    bulk_options& capacity(std::size_t changes) { return capacity_ = changes, *this; }

    /// The token with which any thread may cancel the run, also the range that the run iterates.
    bulk_options& cancel(const cancel_token& token) { return cancel_ = token, *this; }

    /// What any thread reads the run's figures with.
    bulk_options& watch(const bulk_watch& watch) { return watch_ = watch, *this; }

    /// A callable that the thread of the run calls with an imtag::progress, about every 100 ms, but not while it is in
    /// the range or in the outcome function. true cancels the run: nothing more is sent, and requests under way
    /// complete, within attempt_timeout; the second true ends these too. An exception cancels the run once, and is
    /// rethrown.
    template <class Progress>
    bulk_options& progress(Progress&& asked) {
        using Kept = std::decay_t<Progress>;
        static_assert(std::is_invocable_r_v<bool, Kept&, const imtag::progress&>,
                      "a progress function takes a const imtag::progress & and returns a bool, true to cancel");
        auto kept = std::make_shared<Kept>(std::forward<Progress>(asked));  // it may not be copyable
        progress_ = [kept](const imtag::progress& so_far) -> bool { return (*kept)(so_far); };
        return *this;
    }

private:
    template <class>
    friend class detail::bulk_run;

    std::optional<std::chrono::milliseconds> timeout_, attempt_timeout_, late_window_, linger_;
    std::optional<std::size_t> capacity_;
    std::optional<cancel_token> cancel_;
    std::optional<bulk_watch> watch_;
    std::function<bool(const imtag::progress&)> progress_;
};

namespace detail {

/// One bulk run.
template <class OnOutcome>
class bulk_run {
    static_assert(std::is_invocable_v<OnOutcome&, const outcome&>,
                  "the outcome function of a bulk run takes a const imtag::outcome &");

public:
    bulk_run(im_client* client, OnOutcome& on_outcome, const bulk_options& options)
        : on_outcome_(on_outcome), ask_(options.progress_) {
        run_.reset(made_by<im_bulk>(im_bulk_new, client));
        set(options);
        if (options.cancel_)
            cancellation_.emplace(*options.cancel_, run_.get());
        if (options.watch_)
            watching_.emplace(*options.watch_, run_.get());
    }
    bulk_run(const bulk_run&) = delete;  // the library has its address
    bulk_run& operator=(const bulk_run&) = delete;

    template <class Changes>
    summary over(Changes& changes) {
        constexpr bool is_range_of_changes = are_changes<Changes>();
        static_assert(is_range_of_changes, "the changes of a bulk run are a range of imtag::change");
        if constexpr (is_range_of_changes)
            or_cancel([&] { push_all(changes); });
        im_bulk_end_of_input(run_.get(), nullptr);
        or_cancel([&] {
            while (!outcome_threw_ && deliver(UINT64_MAX)) {
            }
        });
        return finish();
    }

private:
    template <class Changes>
    static constexpr bool are_changes() {
        if constexpr (is_range<Changes>)
            return std::is_same_v<element<Changes>, change>;
        else
            return false;
    }

    void set(const bulk_options& options) {
        set_time(run_.get(), im_bulk_set_timeout_ms, options.timeout_);
        set_time(run_.get(), im_bulk_set_attempt_timeout_ms, options.attempt_timeout_);
        set_time(run_.get(), im_bulk_set_late_window_ms, options.late_window_);
        if (options.linger_)
            im_bulk_set_linger_ms(run_.get(), options.linger_ == std::chrono::milliseconds::max()
                                                  ? UINT64_MAX
                                                  : as_ms(*options.linger_));
        if (options.capacity_)
            im_bulk_set_capacity(run_.get(), *options.capacity_);
        if (ask_)
            im_bulk_set_progress(run_.get(), asks_to_stop, this);
    }

    /// Iterates the range, until it ends or the run does.
    template <class Changes>
    void push_all(Changes& changes) {
        std::uint64_t index = 0;
        for (auto&& next : changes) {
            if (!push(index++, next))
                return;
            deliver(0);
            if (cancelled_)
                return;
        }
    }

    /// Waits for capacity; false if the run takes no more. The change has its outcome then too, as a range that can be
    /// iterated only once does not return it again.
    bool push(std::uint64_t index, const change& next) {
        const im_operation operation = static_cast<im_operation>(next.operation());
        const std::size_t tag_count = next.tag_count();
        im_error* left = nullptr;
        const im_status status =
            im_bulk_push_flat(run_.get(), &operation, index, next.text().data(), next.text().size(),
                              next.lengths().data(), next.lengths().size(), &tag_count, 1, nullptr, &left);
        if (status == IM_MISUSE || status == IM_DEFECT || status == IM_NO_THREAD)
            raise(status, left);
        if (status == IM_OK)
            return true;
        deliver_one(index, std::shared_ptr<im_error>(left, im_error_free));
        return false;
    }

    /// Delivers the outcomes that have arrived; waits for the first, at most timeout_ms. Returns whether there were
    /// any.
    bool deliver(std::uint64_t timeout_ms) {
        const auto known = polled(im_bulk_poll, run_.get(), timeout_ms);
        for_each_outcome(known, [this](std::uint64_t index, const std::shared_ptr<im_error>& why) {
            deliver_one(index, why);
        });
        return known != nullptr;
    }

    /// Delivers one outcome: done, or why it failed.
    void deliver_one(std::uint64_t index, const std::shared_ptr<im_error>& why) {
        outcome_threw_ = true;  // unless it returns
        if (why) {
            const error failed(im_error_status(why.get()), why);
            on_outcome_(outcome{index, &failed});
        } else {
            on_outcome_(outcome{index, nullptr});
        }
        outcome_threw_ = false;
    }

    /// Does a part of the run. If that throws, it cancels the run; finish() rethrows the first exception.
    template <class Part>
    void or_cancel(Part part) noexcept {
        try {
            part();
        } catch (...) {
            if (!thrown_)
                thrown_ = std::current_exception();
            if (!cancelled_ && cancellation_)
                cancellation_->cancel_once();
            else if (!cancelled_)
                im_bulk_cancel(run_.get());
            cancelled_ = true;
        }
    }

    /// Calls the progress function. An exception is kept, as nothing may unwind through C, and cancels the run.
    static std::int32_t asks_to_stop(const im_bulk* handle, void* run) noexcept {
        bulk_run& self = *static_cast<bulk_run*>(run);
        if (self.thrown_)
            return 0;  // requests under way complete
        try {
            if (!self.ask_(counts_of(handle)))
                return 0;
        } catch (...) {
            self.thrown_ = std::current_exception();
        }
        self.cancelled_ = true;
        return 1;
    }

    summary finish() {
        im_error* left = nullptr;
        const im_status status = im_bulk_finish(run_.get(), &left);
        const std::shared_ptr<im_error> why(left, im_error_free);
        if (thrown_)
            std::rethrow_exception(thrown_);
        const summary counts = counts_of(run_.get());
        if (status == IM_OK || status == IM_PARTIAL)
            return counts;
        try {
            raise(status, why);
        } catch (error& ended) {
            sum_up(ended, counts);
            throw;
        }
    }

    OnOutcome& on_outcome_;
    const std::function<bool(const progress&)>& ask_;
    std::exception_ptr thrown_;
    bool cancelled_ = false;
    bool outcome_threw_ = false;  // it is not called again
    std::unique_ptr<im_bulk, freed_by<im_bulk_free>> run_;  // is freed before what its progress function uses
    std::optional<cancellation> cancellation_;              // is destroyed before the run
    std::optional<watching> watching_;                      // so is this
};

}  // namespace detail

}  // namespace imtag

#endif
