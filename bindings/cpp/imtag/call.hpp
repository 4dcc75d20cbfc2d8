// Options of one call: time limits, and ways to end it early.

#ifndef IMTAG_CALL_HPP
#define IMTAG_CALL_HPP

#include "error.hpp"

#include <chrono>
#include <memory>
#include <new>
#include <optional>
#include <type_traits>

namespace imtag {

namespace detail {

/// Milliseconds as the C interface takes them; a negative time is 0.
inline std::uint64_t as_ms(std::chrono::milliseconds time) noexcept {
    return time.count() > 0 ? static_cast<std::uint64_t>(time.count()) : 0;
}

/// Sets a time of a handle, if there is one.
template <class Handle>
void set_time(Handle* handle, im_status (*setter)(Handle*, std::uint64_t),
              std::optional<std::chrono::milliseconds> time) noexcept {
    if (time)
        setter(handle, as_ms(*time));
}

/// Calls a callable to see if the call should stop. An exception stops it too, as nothing may unwind through C.
template <class Interrupt>
std::int32_t asks_to_stop(void* interrupt) noexcept {
    try {
        return (*static_cast<Interrupt*>(interrupt))() ? 1 : 0;
    } catch (...) {
        return 1;
    }
}

}  // namespace detail

/// Options of a call: `client.get_tag({"xiaojun012"}, imtag::call{}.timeout(2s))`. It may serve one call after another,
/// not two at once. Once cancelled it stays cancelled. Moved, not copied; not while a call or cancel() uses it.
/// A setter throws misuse while a call uses it, or after a move.
class call {
public:
    call() : call_(im_call_new()) {
        if (!call_)
            throw std::bad_alloc();
    }

    /// The time for a whole call, from its start, with all its waits and retries. 0 or less: the time is already over,
    /// and nothing is sent.
    call& timeout(std::chrono::milliseconds time) & {
        accepted(im_call_set_timeout_ms(call_.get(), detail::as_ms(time)));
        return *this;
    }
    call timeout(std::chrono::milliseconds time) && { return std::move(timeout(time)); }

    /// The time for one attempt, from its turn in the quota; when it is up, the call may try again. If it is not set,
    /// an attempt has half of the time that the call has left: of 10 s, the first has 5 s. After an attempt without an
    /// answer in that time, the next has all that is left.
    call& attempt_timeout(std::chrono::milliseconds time) & {
        accepted(im_call_set_attempt_timeout_ms(call_.get(), detail::as_ms(time)));
        return *this;
    }
    call attempt_timeout(std::chrono::milliseconds time) && { return std::move(attempt_timeout(time)); }

    /// A callable that the calling thread calls about every 100 ms while a call waits: true cancels the call, and so
    /// does an exception, which is dropped. It is kept until another is set or this is destroyed.
    template <class Interrupt>
    call& interrupt(Interrupt&& asked) & {
        using Kept = std::decay_t<Interrupt>;
        static_assert(std::is_invocable_r_v<bool, Kept&>, "an interrupt takes nothing and returns a bool");
        auto kept = std::make_shared<Kept>(std::forward<Interrupt>(asked));
        accepted(im_call_set_interrupt(call_.get(), detail::asks_to_stop<Kept>, kept.get()));
        interrupt_ = std::move(kept);
        return *this;
    }
    template <class Interrupt>
    call interrupt(Interrupt&& asked) && {
        return std::move(interrupt(std::forward<Interrupt>(asked)));
    }

    /// Cancels the call that uses these options, now or later: it ends at once, with the exception cancelled. Any
    /// thread, any number of times, but not from a signal handler.
    void cancel() const noexcept { im_call_cancel(call_.get()); }

    /// The handle of the C interface, which stays this object's; NULL when it was moved from.
    im_call* handle() const noexcept { return call_.get(); }

private:
    static void accepted(im_status status) {
        if (status != IM_OK)
            throw misuse("wrong use of libimtag: this imtag::call is in use by a call, or was moved from",
                         "set the options before the call, and make an imtag::call for each");
    }

    std::shared_ptr<void> interrupt_;  // outlives the handle, which has its address
    std::unique_ptr<im_call, detail::freed_by<im_call_free>> call_;
};

namespace detail {

/// The last parameter of an operation: an imtag::call, or none.
class optional_call {
public:
    optional_call() = default;
    optional_call(const call& options) : handle(options.handle()) {
        if (!handle)
            throw misuse("wrong use of libimtag, nothing was sent: the imtag::call was moved from",
                         "make an imtag::call for each call");
    }
    im_call* handle = nullptr;
};

}  // namespace detail

}  // namespace imtag

#endif
