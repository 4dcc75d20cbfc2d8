// Changes that were submitted to a batcher without waiting: a promise for each, and a thread that polls the outcomes
// and fulfils the promises. The first change starts the thread, which sleeps while no promise is pending.

#ifndef IMTAG_SUBMISSIONS_HPP
#define IMTAG_SUBMISSIONS_HPP

#include "change.hpp"
#include "error.hpp"

#include <condition_variable>
#include <csignal>
#include <future>
#include <mutex>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <unordered_map>

namespace imtag::detail {

/// Blocks all signals of this thread, as a thread that it starts inherits this.
class signals_blocked {
public:
    signals_blocked() noexcept {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    ~signals_blocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    signals_blocked(const signals_blocked&) = delete;
    signals_blocked& operator=(const signals_blocked&) = delete;

private:
    sigset_t before_;
};

/// A batcher's handle, with the promises that are pending. Any number of threads may use it, except end().
class submissions {
public:
    using owner = std::unique_ptr<im_batcher, freed_by<im_batcher_free>>;

    explicit submissions(owner batcher) noexcept : batcher_(std::move(batcher)) {}
    submissions(const submissions&) = delete;
    submissions& operator=(const submissions&) = delete;

    im_batcher* batcher() const noexcept { return batcher_.get(); }

    /// Whether this process was forked from the owner: then only the handle may be used.
    bool is_of_another_process() const noexcept { return getpid() != owner_process_; }

    std::future<void> submit(const change& given) {
        memory of;
        std::pmr::vector<im_str> tags(of.get());
        tags.reserve(given.tag_count());
        given.for_each_tag([&](str tag) { tags.push_back(tag); });
        auto [id, future] = add_promise();  // from here on nothing throws before it is fulfilled or removed
        im_error* left = nullptr;
        const im_status status = submit(id, given, tags, &left);
        if (status != IM_OK) {
            remove(id);
            raise(status, left);
        }
        set_taken(id);
        return std::move(future);
    }

    /// The changes that the library has taken and whose promises are pending. Those that wait for capacity are not
    /// among them, as a flush does not send them.
    std::vector<std::uint64_t> taken() {
        const std::lock_guard lock(mutex_);
        std::vector<std::uint64_t> all;
        for (const auto& [id, it] : pending_)
            if (it.taken)
                all.push_back(id);
        return all;
    }

    /// Waits until the promises of changes that have their outcomes are fulfilled.
    void wait_for(const std::vector<std::uint64_t>& ids) {
        std::unique_lock lock(mutex_);
        for (const std::uint64_t id : ids)
            changed_.wait(lock, [this, id] { return pending_.count(id) == 0; });
    }

    /// Waits until all promises are fulfilled; for a batcher that is closed.
    void wait_for_all() {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return pending_.empty(); });
    }

    /// Ends the batcher: withdraws every change whose promise is pending, which gives it its outcome. Returns how many
    /// changes had none.
    std::size_t end() noexcept {
        stop();
        poll(0);
        const std::size_t unsettled = im_batcher_unsettled(batcher());
        for (const auto& [id, it] : pending_)
            im_batcher_withdraw(batcher(), id, IM_CANCELLED, nullptr);
        poll(0);
        im_batcher_free(batcher_.release());
        return unsettled;
    }

    /// Frees the handle alone; the parent's batcher stays as it is.
    void leave_to_parent() noexcept { im_batcher_free(batcher_.release()); }

private:
    /// How long one poll of the thread waits; end() may have to wait for it.
    static constexpr std::uint64_t poll_ms = 50;

    /// A change whose promise is pending.
    struct submitted {
        std::promise<void> promise;
        bool taken = false;  // the library has it
    };

    std::pair<std::uint64_t, std::future<void>> add_promise() {
        const std::lock_guard lock(mutex_);
        if (!poller_.joinable())
            start();
        const std::uint64_t id = next_id_++;
        std::future<void> future = pending_[id].promise.get_future();
        if (pending_.size() == 1)
            changed_.notify_all();
        return {id, std::move(future)};
    }

    void start() {
        const signals_blocked here;
        try {
            poller_ = std::thread([this] { poll_until_stopped(); });
        } catch (const std::system_error&) {
            throw no_thread_error("the system has no thread for the futures of a batcher, and nothing was sent",
                                  "raise the limit of threads or of memory, or use the calls that wait");
        }
    }

    im_status submit(std::uint64_t id, const change& given, const std::pmr::vector<im_str>& tags,
                     im_error** left) const noexcept {
        const str account = given.account();
        switch (given.operation()) {
            case operation::add:
                return im_batcher_submit_add_tag(batcher(), id, account, tags.data(), tags.size(), left);
            case operation::remove:
                return im_batcher_submit_remove_tag(batcher(), id, account, tags.data(), tags.size(), left);
            case operation::replace:
                return im_batcher_submit_replace_tags(batcher(), id, account, tags.data(), tags.size(), left);
            default: return im_batcher_submit_clear_tags(batcher(), id, account, left);
        }
    }

    /// The thread: polls while a promise is pending, else sleeps.
    void poll_until_stopped() noexcept {
        std::unique_lock lock(mutex_);
        for (;;) {
            changed_.wait(lock, [this] { return stopped_ || !pending_.empty(); });
            if (stopped_)
                return;
            lock.unlock();
            poll(poll_ms);
            lock.lock();
        }
    }

    /// Fulfils the promises of changes that have their outcomes; waits for the first, at most timeout_ms. If the poll
    /// fails, all promises fail with its error.
    void poll(std::uint64_t timeout_ms) noexcept {
        try {
            const auto known = polled(im_batcher_poll, batcher(), timeout_ms);
            for_each_outcome(known, [this](std::uint64_t id, const std::shared_ptr<im_error>& why) {
                fulfil(id, why ? as_exception(why) : nullptr);
            });
            if (known)
                changed_.notify_all();
        } catch (...) {
            fail_all(std::current_exception());
        }
    }

    static std::exception_ptr as_exception(const std::shared_ptr<im_error>& why) {
        try {
            raise(im_error_status(why.get()), why);
        } catch (...) {
            return std::current_exception();
        }
    }

    /// The promise is fulfilled before it is removed, so that a thread that waits until none is pending finds the
    /// outcome in the future.
    void fulfil(std::uint64_t id, const std::exception_ptr& why) {
        const std::lock_guard lock(mutex_);
        const auto found = pending_.find(id);
        if (found == pending_.end())
            return;  // fail_all() has failed it
        if (why)
            found->second.promise.set_exception(why);
        else
            found->second.promise.set_value();
        pending_.erase(found);
    }

    void set_taken(std::uint64_t id) noexcept {
        const std::lock_guard lock(mutex_);
        const auto found = pending_.find(id);
        if (found != pending_.end())  // else its promise is fulfilled already
            found->second.taken = true;
    }

    void remove(std::uint64_t id) {
        const std::lock_guard lock(mutex_);
        pending_.erase(id);
        changed_.notify_all();
    }

    void fail_all(const std::exception_ptr& why) noexcept {
        const std::lock_guard lock(mutex_);
        for (auto& [id, it] : pending_)
            it.promise.set_exception(why);
        pending_.clear();
        changed_.notify_all();
    }

    void stop() noexcept {
        {
            const std::lock_guard lock(mutex_);
            stopped_ = true;
            changed_.notify_all();
        }
        if (poller_.joinable())
            poller_.join();
    }

    const pid_t owner_process_ = getpid();
    owner batcher_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::unordered_map<std::uint64_t, submitted> pending_;
    std::uint64_t next_id_ = 0;
    bool stopped_ = false;
    std::thread poller_;
};

}  // namespace imtag::detail

#endif
