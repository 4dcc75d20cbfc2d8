// Why a call failed, as an exception for each status of the C interface. The library supplies the texts and the facts.

#ifndef IMTAG_ERROR_HPP
#define IMTAG_ERROR_HPP

#include "change.hpp"
#include "result.hpp"
#include "summary.hpp"

#include <exception>
#include <memory>
#include <utility>
#include <vector>

namespace imtag {

/// How a call ended: a number to switch over, one for each class of exception.
enum class status : std::int32_t {
    ok = IM_OK,
    partial = IM_PARTIAL,
    invalid = IM_INVALID,
    misuse = IM_MISUSE,
    settings = IM_SETTINGS,
    credentials = IM_CREDENTIALS,
    service = IM_SERVICE,
    http_status = IM_HTTP_STATUS,
    timeout = IM_TIMEOUT,
    cancelled = IM_CANCELLED,
    network = IM_NETWORK,
    tls = IM_TLS,
    not_understood = IM_NOT_UNDERSTOOD,
    defect = IM_DEFECT,
    full = IM_FULL,
    closed = IM_CLOSED,
    no_thread = IM_NO_THREAD
};

/// What is known of the effect on an account.
enum class effect : std::int32_t {
    /// The service did not carry it out.
    not_applied = IM_NOT_APPLIED,
    /// The service may have carried it out, or may do so later: a timeout, a cut connection, a refusal after sending.
    possibly_applied = IM_POSSIBLY_APPLIED,
    /// The service carried it out.
    applied = IM_APPLIED,
    /// For a get, which has no effect on any account: its tags were not read.
    not_read = IM_NOT_READ
};

/// A limit that the request breaks. The views live as long as the error, or a copy of it.
struct violation {
    /// Where, with positions counted from 0: `users[3].tags[2]`.
    std::string_view place;
    /// What, and the limit: `51 bytes, at most 50`.
    std::string_view problem;
    /// What to do about it.
    std::string_view remedy;
};

/// An account that failed in a partial success, or the one of a change of a bulk run or a batcher. The views live as
/// long as the error, or a copy of it.
struct failure {
    std::string_view account;
    /// The service's code for the account.
    std::int32_t code;
    /// The service's own text for the account, unchanged; may be empty.
    std::string_view text;
    /// What to do about the account.
    std::string_view remedy;
    imtag::effect effect;
    /// Whether the same call may succeed later for the account.
    bool retryable;
};

class error;

namespace detail {
void sum_up(error& ended, const summary& counts);
}

/// Any failure of the library. Copies share its contents; any thread may read it. It holds no secret.
class error : public std::exception {
public:
    /// Owns an error of the C interface, with the status that the function returned.
    error(im_status status, im_error* left) : error(status, std::shared_ptr<im_error>(left, im_error_free)) {}
    /// Shares an error of the C interface.
    error(im_status status, std::shared_ptr<im_error> shared) noexcept
        : error_(std::move(shared)), status_(status), message_(im_error_message(error_.get())),
          remedy_(im_error_remedy(error_.get())),
          effect_(static_cast<imtag::effect>(im_error_effect(error_.get()))) {}

    // A move copies: after a real move, the texts of the old object would point into what the new one owns and may
    // free.
    error(const error&) = default;
    error& operator=(const error&) = default;

    /// What went wrong, to what, what is known of the effect, and what to do: a sentence for a log.
    const char* what() const noexcept override { return message_; }

    /// How the call ended.
    imtag::status status() const noexcept { return static_cast<imtag::status>(status_); }

    /// What the caller can do.
    const char* remedy() const noexcept { return remedy_; }

    /// The service's code if the service refused the request, else 0. Of a partial success: that of the first account.
    std::int32_t code() const noexcept { return im_error_code(error_.get()); }

    /// The service's own text for the code (ErrorInfo), whole and unchanged; may be empty.
    std::string_view text() const noexcept { return str(im_error_text(error_.get())); }

    /// What is known of the effect on the accounts that failed, over all attempts.
    imtag::effect effect() const noexcept { return effect_; }

    /// Whether the same call may succeed later. Of a partial success: for any of the accounts that failed.
    bool retryable() const noexcept { return im_error_retryable(error_.get()); }

    /// How many attempts were made, including those that reached no server.
    std::uint32_t attempts() const noexcept { return im_error_attempts(error_.get()); }

    /// Attempts of which any byte left this machine: what the app's quota may have been charged.
    std::uint32_t attempts_sent() const noexcept { return im_error_attempts_sent(error_.get()); }

    /// The service's id of the request, for its support; empty if it sent none.
    std::string_view request_id() const noexcept { return str(im_error_request_id(error_.get())); }

    /// All limits that the request breaks; empty unless it is an invalid_request.
    std::vector<violation> violations() const {
        std::vector<violation> all(im_error_violation_count(error_.get()));
        for (std::size_t i = 0; i < all.size(); ++i)
            all[i] = {im_error_violation_place(error_.get(), i), im_error_violation_problem(error_.get(), i),
                      im_error_violation_remedy(error_.get(), i)};
        return all;
    }

    /// The accounts that failed in a partial_failure, or the account of a change of a bulk run or a batcher. Empty for
    /// any other error, which concerns all accounts of the request.
    std::vector<failure> failures() const {
        std::vector<failure> all(im_error_failure_count(error_.get()));
        for (std::size_t i = 0; i < all.size(); ++i)
            all[i] = {str(im_error_failure_account(error_.get(), i)),
                      im_error_failure_code(error_.get(), i),
                      str(im_error_failure_text(error_.get(), i)),
                      im_error_failure_remedy(error_.get(), i),
                      static_cast<imtag::effect>(im_error_failure_effect(error_.get(), i)),
                      im_error_failure_retryable(error_.get(), i)};
        return all;
    }

    /// The tags of a change of a bulk run or a batcher that are not known to be added or removed. The change's other
    /// tags are done. Example: a change of 25 tags goes in 3 requests; the last fails: 5 tags. Empty for a change that
    /// clears, and for any other error. The views live as long as the error.
    std::vector<std::string_view> undone() const {
        std::vector<std::string_view> all(im_error_undone_count(error_.get()));
        for (std::size_t i = 0; i < all.size(); ++i)
            all[i] = str(im_error_undone(error_.get(), i));
        return all;
    }

    /// The counts of a bulk run that ended early; null for any other error. They live as long as the error.
    const imtag::summary* summary() const noexcept { return summary_.get(); }

protected:
    /// For an error of this binding. The texts are literals.
    error(im_status status, const char* message, const char* remedy) noexcept
        : status_(status), message_(message), remedy_(remedy), effect_(imtag::effect::not_applied) {}

private:
    friend void detail::sum_up(error& ended, const imtag::summary& counts);

    std::shared_ptr<im_error> error_;
    std::shared_ptr<const imtag::summary> summary_;
    im_status status_;
    const char* message_;
    const char* remedy_;
    imtag::effect effect_;
};

/// The request breaks limits, and nothing was sent: violations() names each place.
class invalid_request : public error {
public:
    using error::error;
};

/// A handle was used wrongly: a client, config, call or batcher that is closed, moved from or in use. Nothing was sent.
class misuse : public error {
public:
    using error::error;
    /// For a misuse that the C interface does not know. Both are literals.
    misuse(const char* message, const char* remedy) noexcept : error(IM_MISUSE, message, remedy) {}
};

/// No client can be made with these settings; the message names all that are needed and not set, or the first that
/// cannot be used, its range and the remedy.
class settings_error : public error {
public:
    using error::error;
};

/// There is no UserSig. Earlier attempts may have been sent with one that had expired: see effect().
class credentials_error : public error {
public:
    using error::error;
};

/// The service refused the whole request: code() is its code.
class service_error : public error {
public:
    using error::error;
};

/// Done, except for the accounts that failures() names.
class partial_failure : public error {
public:
    partial_failure(std::shared_ptr<im_error> left, imtag::result done)
        : error(IM_PARTIAL, std::move(left)), result_(std::make_shared<const imtag::result>(std::move(done))) {}
    partial_failure(const partial_failure&) = default;
    partial_failure& operator=(const partial_failure&) = default;

    /// What was done. It lives as long as the error, or a copy of it.
    const imtag::result& result() const noexcept { return *result_; }

private:
    std::shared_ptr<const imtag::result> result_;
};

/// An HTTP status other than 200: the answer is not the service's own.
class http_status_error : public error {
public:
    using error::error;
};

/// The time was up.
class timeout_error : public error {
public:
    using error::error;
};

/// The call or the change was cancelled; effect() is what is known of it.
class cancelled : public error {
public:
    using error::error;
};

/// The network failed.
class network_error : public error {
public:
    using error::error;
};

/// The server could not prove that it is the one that was called, or TLS failed otherwise.
class tls_error : public error {
public:
    using error::error;
};

/// An answer that is not one of the service's.
class not_understood : public error {
public:
    using error::error;
};

/// The batcher is full, and set to fail then: the change was not taken.
class full_error : public error {
public:
    using error::error;
};

/// The batcher is closed: the change was not taken.
class closed_error : public error {
public:
    using error::error;
};

/// The system has no thread to send with: a limit of threads or memory is reached.
class no_thread_error : public error {
public:
    using error::error;
    /// For a thread of this binding. Both are literals.
    no_thread_error(const char* message, const char* remedy) noexcept : error(IM_NO_THREAD, message, remedy) {}
};

/// A defect of the library itself: please report its message.
class defect : public error {
public:
    using error::error;
};

namespace detail {

/// Throws the exception of a status other than IM_OK.
[[noreturn]] inline void raise(im_status status, std::shared_ptr<im_error> left, result done = {}) {
    switch (status) {
        case IM_PARTIAL: throw partial_failure(std::move(left), std::move(done));
        case IM_INVALID: throw invalid_request(status, std::move(left));
        case IM_MISUSE: throw misuse(status, std::move(left));
        case IM_SETTINGS: throw settings_error(status, std::move(left));
        case IM_CREDENTIALS: throw credentials_error(status, std::move(left));
        case IM_SERVICE: throw service_error(status, std::move(left));
        case IM_HTTP_STATUS: throw http_status_error(status, std::move(left));
        case IM_TIMEOUT: throw timeout_error(status, std::move(left));
        case IM_CANCELLED: throw cancelled(status, std::move(left));
        case IM_NETWORK: throw network_error(status, std::move(left));
        case IM_TLS: throw tls_error(status, std::move(left));
        case IM_NOT_UNDERSTOOD: throw not_understood(status, std::move(left));
        case IM_DEFECT: throw defect(status, std::move(left));
        case IM_FULL: throw full_error(status, std::move(left));
        case IM_CLOSED: throw closed_error(status, std::move(left));
        case IM_NO_THREAD: throw no_thread_error(status, std::move(left));
        default: throw error(status, std::move(left));  // a status of a later patch level
    }
}

/// The same, with an error of the C interface, which it owns.
[[noreturn]] inline void raise(im_status status, im_error* left, result done = {}) {
    raise(status, std::shared_ptr<im_error>(left, im_error_free), std::move(done));
}

/// What a function of the C interface makes. Throws if it fails.
template <class Made, class Make, class... Arguments>
Made* made_by(Make make, Arguments... arguments) {
    Made* made = nullptr;
    im_error* left = nullptr;
    const im_status status = make(arguments..., &made, &left);
    if (status != IM_OK)
        raise(status, left);
    return made;
}

/// Puts the counts of a bulk run into the error that ended it.
inline void sum_up(error& ended, const summary& counts) {
    ended.summary_ = std::make_shared<const summary>(counts);
}

/// Polls a bulk run or a batcher, and waits for the first outcome, at most timeout_ms; null if there is none.
template <class Poll, class Handle>
std::shared_ptr<im_completions> polled(Poll poll, Handle* handle, std::uint64_t timeout_ms) {
    auto* const made = made_by<im_completions>(poll, handle, timeout_ms);
    return made ? std::shared_ptr<im_completions>(made, im_completions_free) : nullptr;
}

/// Calls `act` with the id of each change and why it failed, null if it is done. The error keeps all completions alive.
template <class Act>
void for_each_outcome(const std::shared_ptr<im_completions>& known, Act act) {
    std::size_t count = 0, failures = 0;
    const std::uint64_t* const ids = im_completions_ids(known.get(), &count);
    const std::size_t* failed = im_completions_failed(known.get(), &failures);
    const std::size_t* const end = failed + failures;
    for (std::size_t i = 0; i < count; ++i) {
        if (failed == end || *failed != i) {
            act(ids[i], std::shared_ptr<im_error>());
            continue;
        }
        ++failed;
        // the error is only read: an alias of the completions does not free it
        act(ids[i], std::shared_ptr<im_error>(known, const_cast<im_error*>(im_completions_error(known.get(), i))));
    }
}

}  // namespace detail

}  // namespace imtag

#endif
