// A call or a step with its time limits, and what cancels it meanwhile.

#ifndef WITHIN_HPP
#define WITHIN_HPP

#include "runner.hpp"

#include <imtag.hpp>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

/// Does something on another thread after a time, unless it is destroyed before.
class later {
public:
    template <class Act>
    later(std::chrono::milliseconds after, Act act) : thread_([this, after, act] {
        std::unique_lock<std::mutex> lock(mutex_);
        if (!over_.wait_for(lock, after, [this] { return is_over_; }))
            act();
    }) {}
    ~later() {
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            is_over_ = true;
        }
        over_.notify_one();
        thread_.join();
    }
    later(const later&) = delete;
    later& operator=(const later&) = delete;

private:
    std::mutex mutex_;
    std::condition_variable over_;
    bool is_over_ = false;
    std::thread thread_;
};

/// Does something on another thread when so many requests have arrived; its end is waited for.
class at_arrivals {
public:
    template <class Act>
    at_arrivals(const nlohmann::json& count, Act act) : thread_([count, act] {
        await_arrivals(count);
        act();
    }) {}
    ~at_arrivals() { thread_.join(); }
    at_arrivals(const at_arrivals&) = delete;
    at_arrivals& operator=(const at_arrivals&) = delete;

private:
    std::thread thread_;
};

/// Acts with the options that a call or a step has.
template <class Act>
auto within(const nlohmann::json& of, Act act) {
    using std::chrono::milliseconds;
    imtag::call how;
    if (of.contains("timeout_ms"))
        how.timeout(milliseconds(of["timeout_ms"]));
    if (of.contains("attempt_timeout_ms"))
        how.attempt_timeout(milliseconds(of["attempt_timeout_ms"]));
    const auto cancel = [&how] { how.cancel(); };
    if (of.contains("cancel_after_arrivals")) {
        const at_arrivals canceller(of["cancel_after_arrivals"], cancel);
        return act(how);
    }
    const milliseconds after(of.value("cancel_after_ms", -1));
    if (after.count() > 0) {
        const later canceller(after, cancel);
        return act(how);
    }
    if (after.count() == 0)
        cancel();
    return act(how);
}

#endif
