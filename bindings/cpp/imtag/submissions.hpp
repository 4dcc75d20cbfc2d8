// The changes that were submitted to a batcher and not waited for: a promise for each, and a thread that keeps them. It
// is started by the first, and sleeps while none is open.

#ifndef IMTAG_SUBMISSIONS_HPP
#define IMTAG_SUBMISSIONS_HPP

#include "change.hpp"
#include "completions.hpp"

#include <condition_variable>
#include <csignal>
#include <future>
#include <mutex>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <unordered_map>

namespace imtag::detail {

/// Blocks all signals of this thread, so that a thread it starts takes none.
class without_signals {
public:
    without_signals() noexcept {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    ~without_signals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    without_signals(const without_signals&) = delete;
    without_signals& operator=(const without_signals&) = delete;

private:
    sigset_t before_;
};

/// A batcher's handle, with what is open of it here. Used by any number of threads, but for end().
class submissions {
public:
    using owner = std::unique_ptr<im_batcher, freed_by<im_batcher_free>>;

    explicit submissions(owner batcher) noexcept : batcher_(std::move(batcher)) {}
    submissions(const submissions&) = delete;
    submissions& operator=(const submissions&) = delete;

    im_batcher* batcher() const noexcept { return batcher_.get(); }

    /// Whether this process is a fork of the one that it belongs to: nothing of it but the handle may be touched then.
    bool is_of_another_process() const noexcept { return getpid() != home_; }

    std::future<void> submit(const change& given) {
        memory of;
        std::pmr::vector<im_str> tags(of.get());
        tags.reserve(given.tag_count());
        given.for_each_tag([&](str tag) { tags.push_back(tag); });
        auto [id, future] = open();  // from here on nothing throws that would leave it open
        im_error* left = nullptr;
        const im_status status = hand_in(id, given, tags, &left);
        if (status != IM_OK) {
            forget(id);
            raise(status, left);
        }
        set_taken(id);
        return std::move(future);
    }

    /// The changes that the library has and whose promises are not kept. Those that still wait for capacity are not
    /// among them, as a flush does not send them.
    std::vector<std::uint64_t> taken() {
        const std::lock_guard lock(mutex_);
        std::vector<std::uint64_t> all;
        for (const auto& [id, it] : open_)
            if (it.taken)
                all.push_back(id);
        return all;
    }

    /// Waits until the promises of changes are kept, which have their outcomes.
    void wait_for(const std::vector<std::uint64_t>& ids) {
        std::unique_lock lock(mutex_);
        for (const std::uint64_t id : ids)
            changed_.wait(lock, [this, id] { return open_.count(id) == 0; });
    }

    /// Waits until the promises are kept of all changes that have their outcomes; for a batcher that is closed.
    void wait_for_all() {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return open_.empty(); });
    }

    /// Ends the batcher, and takes back all that are open, which have their outcomes by that. How many changes had none.
    std::size_t end() noexcept {
        stop();
        settle(0);
        const std::size_t unsettled = im_batcher_unsettled(batcher());
        for (const auto& [id, it] : open_)
            im_batcher_withdraw(batcher(), id, IM_CANCELLED, nullptr);
        settle(0);
        im_batcher_free(batcher_.release());
        return unsettled;
    }

    /// Frees the handle alone, which leaves the parent's batcher as it is.
    void leave_to_parent() noexcept { im_batcher_free(batcher_.release()); }

private:
    /// How long the thread is in the library at a time, while anything is open; end() may have to wait for it.
    static constexpr std::uint64_t tick_ms = 50;

    /// A change whose promise is not kept.
    struct submitted {
        std::promise<void> promise;
        bool taken = false;  // once the library has it
    };

    std::pair<std::uint64_t, std::future<void>> open() {
        const std::lock_guard lock(mutex_);
        if (!keeper_.joinable())
            start();
        const std::uint64_t id = next_id_++;
        std::future<void> future = open_[id].promise.get_future();
        if (open_.size() == 1)
            changed_.notify_all();
        return {id, std::move(future)};
    }

    void start() {
        const without_signals here;
        try {
            keeper_ = std::thread([this] { keep(); });
        } catch (const std::system_error&) {
            throw no_thread_error("the system gave no thread for the futures of a batcher, and nothing was sent",
                                  "raise the limit of threads or of memory, or use the calls that wait");
        }
    }

    im_status hand_in(std::uint64_t id, const change& given, const std::pmr::vector<im_str>& tags,
                      im_error** left) const noexcept {
        const str account = given.account();
        switch (given.operation()) {
            case operation::add:
                return im_batcher_submit_add_tag(batcher(), id, account, tags.data(), tags.size(), left);
            case operation::remove:
                return im_batcher_submit_remove_tag(batcher(), id, account, tags.data(), tags.size(), left);
            default: return im_batcher_submit_clear_tags(batcher(), id, account, left);
        }
    }

    /// What the thread does: nothing, while nothing is open.
    void keep() noexcept {
        std::unique_lock lock(mutex_);
        for (;;) {
            changed_.wait(lock, [this] { return stops_ || !open_.empty(); });
            if (stops_)
                return;
            lock.unlock();
            settle(tick_ms);
            lock.lock();
        }
    }

    /// Keeps the promises of what has its outcome; waits for one, at most so long. Where that fails, all are told so.
    void settle(std::uint64_t timeout_ms) noexcept {
        try {
            im_completions* made = nullptr;
            im_error* left = nullptr;
            const im_status status = im_batcher_poll(batcher(), timeout_ms, &made, &left);
            const auto known = owned(made);
            if (status != IM_OK)
                raise(status, left);
            for_each_outcome(known, [this](std::uint64_t id, const std::shared_ptr<im_error>& why) {
                keep_promise(id, why ? as_exception(why) : nullptr);
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

    /// Nothing is taken out before it has its outcome: whoever waits for all finds it in the futures.
    void keep_promise(std::uint64_t id, const std::exception_ptr& why) {
        const std::lock_guard lock(mutex_);
        const auto found = open_.find(id);
        if (found == open_.end())
            return;  // it was told before that all fail
        if (why)
            found->second.promise.set_exception(why);
        else
            found->second.promise.set_value();
        open_.erase(found);
    }

    void set_taken(std::uint64_t id) noexcept {
        const std::lock_guard lock(mutex_);
        const auto found = open_.find(id);
        if (found != open_.end())  // else its promise is kept already
            found->second.taken = true;
    }

    void forget(std::uint64_t id) {
        const std::lock_guard lock(mutex_);
        open_.erase(id);
        changed_.notify_all();
    }

    void fail_all(const std::exception_ptr& why) noexcept {
        const std::lock_guard lock(mutex_);
        for (auto& [id, it] : open_)
            it.promise.set_exception(why);
        open_.clear();
        changed_.notify_all();
    }

    void stop() noexcept {
        {
            const std::lock_guard lock(mutex_);
            stops_ = true;
            changed_.notify_all();
        }
        if (keeper_.joinable())
            keeper_.join();
    }

    const pid_t home_ = getpid();
    owner batcher_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::unordered_map<std::uint64_t, submitted> open_;
    std::uint64_t next_id_ = 0;
    bool stops_ = false;
    std::thread keeper_;
};

}  // namespace imtag::detail

#endif
