// What the library decides, as records: read by a thread of the program, or passed to a function on a thread of its own.

#ifndef IMTAG_LOG_HPP
#define IMTAG_LOG_HPP

#include "call.hpp"
#include "error.hpp"
#include "submissions.hpp"
#include "version.hpp"

#include <chrono>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <thread>

namespace imtag {

/// How much a record matters.
enum class log_level : std::int32_t {
    /// Something is broken. The library has no such record today, as its exceptions say what failed.
    error = IM_LOG_ERROR,
    /// Something to act on, or that cost time: an outage, no UserSig, a call that was rejected as too frequent.
    warn = IM_LOG_WARN,
    /// A few a minute: the service is back, a new UserSig, a bulk run began or ended.
    info = IM_LOG_INFO,
    /// A few for each call: its attempts, waits and retries, connections.
    debug = IM_LOG_DEBUG,
    /// All that there is.
    trace = IM_LOG_TRACE
};

/// A record of what the library decided. Moved, not copied; its texts live as long as it does, also without the log.
class log_record {
public:
    log_level level() const noexcept { return static_cast<log_level>(im_log_record_level(handle())); }
    std::chrono::system_clock::time_point time() const noexcept {
        const std::chrono::microseconds since_epoch(im_log_record_time_us(handle()));
        return std::chrono::system_clock::time_point(since_epoch);
    }
    /// What happened, in a few words that are the same each time: "attempt ended".
    std::string_view message() const noexcept { return im_log_record_message(handle()); }
    /// What is known of it, as one JSON object with strings, numbers and booleans: {"attempt":1,"operation":"add",...}.
    /// No key, UserSig, account or tag is in it. Fields may come and go with a minor version.
    std::string_view fields() const noexcept { return im_log_record_fields(handle()); }

    /// The handle of the C interface, which stays this object's; NULL when it was moved from.
    im_log_record* handle() const noexcept { return record_.get(); }

private:
    friend class log_queue;

    explicit log_record(im_log_record* record) noexcept : record_(record) {}

    std::unique_ptr<im_log_record, detail::freed_by<im_log_record_free>> record_;
};

/// Records of all clients of this process, from now until close(), for a thread that reads them. The library never waits
/// for a reader: while the queue is full new records are dropped, and one in their place says how many.
///
/// Any number of threads may use it at once, and there may be several, each with a level of its own. It is moved, not
/// copied; do not move or destroy it while another thread uses it. After fork() it is the parent's: next() throws misuse
/// in the child, and the destructor does nothing: make one there.
class log_queue {
public:
    static constexpr std::size_t default_capacity = 10'000;

    /// least     the least important record that it takes
    /// capacity  how many records wait to be read, some hundred bytes each
    explicit log_queue(log_level least, std::size_t capacity = default_capacity) {
        detail::check_version();
        log_.reset(detail::made_by<im_log>(im_log_new, static_cast<im_log_level>(least), capacity));
    }

    /// The next record, in the order in which they came. Waits for it, at most for this time (milliseconds::max(): as
    /// long as it takes); none: the time is up, or the log is closed and all its records are read. Each record wakes
    /// one of several threads that wait.
    [[nodiscard]] std::optional<log_record> next(
        std::chrono::milliseconds timeout = std::chrono::milliseconds::max()) const {
        const std::uint64_t ms =
            timeout == std::chrono::milliseconds::max() ? UINT64_MAX : detail::as_ms(timeout);
        im_log_record* record = nullptr;
        im_error* left = nullptr;
        const im_status status = im_log_next(checked(), ms, &record, &left);
        if (record)
            return log_record(record);  // without an allocation, which could fail and lose it
        if (status != IM_OK && status != IM_CLOSED)
            detail::raise(status, left);
        im_error_free(left);
        return std::nullopt;
    }

    /// Takes no more records, and ends all waits; those that are there can be read. Any number of times.
    void close() const noexcept { im_log_close(handle()); }

    /// The handle of the C interface, which stays this object's; NULL when it was moved from.
    im_log* handle() const noexcept { return log_.get(); }

private:
    im_log* checked() const {
        if (!log_)
            throw misuse("wrong use of libimtag, nothing was sent: the imtag::log_queue was moved from",
                         "make a new imtag::log_queue");
        return log_.get();
    }

    std::unique_ptr<im_log, detail::freed_by<im_log_free>> log_;
};

/// Passes records to a function, on a thread of its own, which blocks all signals:
///
///     imtag::log log(imtag::log_level::info, [](const imtag::log_record& record) {
///         std::clog << record.message() << ' ' << record.fields() << '\n';
///     });
///
/// The function is called with one record at a time, in their order, and holds up no call of a client. It may make calls:
/// what that thread does is in no log, else each record would bring more; what bulk runs and batchers do on their own
/// threads stays in. An exception of the function is dropped, and the next record comes. close() and the destructor take
/// no more records, and wait until the function has had those that are there; called in the function they do not wait.
/// It is moved, not copied. After fork() the child has no such thread: make one there; the destructor does nothing.
class log {
public:
    /// least     the least important record that the function gets
    /// function  is called with a const imtag::log_record&; destroyed with this, or by its thread
    /// capacity  how many records wait for it, some hundred bytes each; while it is full, new ones are dropped, and one
    ///           in their place says how many
    ///
    /// Throws no_thread_error if the system has no thread.
    template <class Function>
    explicit log(log_level least, Function&& function, std::size_t capacity = log_queue::default_capacity)
        : all_(std::make_shared<state>(least, capacity)) {
        using Kept = std::decay_t<Function>;
        static_assert(std::is_invocable_v<Kept&, const log_record&>,
                      "the function of a log takes a const imtag::log_record &");
        auto kept = std::make_shared<Kept>(std::forward<Function>(function));  // it may not be copyable
        const detail::signals_blocked here;
        const std::lock_guard until_it_is_kept(all_->starts);
        try {
            all_->thread = std::thread([all = all_, kept] {
                all->starts.lock();  // the function may close this
                all->starts.unlock();
                pass_on(all->queue, *kept);
            });
        } catch (const std::system_error&) {
            throw no_thread_error("the system has no thread for a log", "raise the limit of threads or of memory");
        }
    }
    ~log() { close(); }
    log(log&&) noexcept = default;
    log& operator=(log&& other) noexcept {
        if (this != &other) {
            close();
            all_ = std::move(other.all_);
        }
        return *this;
    }

    /// Takes no more records, and waits until the function has had those that are there. Any number of times; one thread
    /// at a time.
    void close() noexcept {
        if (!all_)
            return;
        if (all_->owner != getpid()) {  // its thread and locks are not in this process: it is left as it is
            static_cast<void>(new (std::nothrow) std::shared_ptr<state>(std::move(all_)));
            return;
        }
        all_->queue.close();
        if (!all_->thread.joinable())
            return;
        if (all_->thread.get_id() == std::this_thread::get_id())
            all_->thread.detach();  // it has all that it needs
        else
            all_->thread.join();
    }

private:
    struct state {
        state(log_level least, std::size_t capacity) : queue(least, capacity) {}
        const pid_t owner = getpid();
        const log_queue queue;
        std::mutex starts;
        std::thread thread;
    };

    /// The thread.
    template <class Function>
    static void pass_on(const log_queue& queue, Function& function) noexcept {
        im_log_leave_out_thread(true);
        while (const std::optional<log_record> record = next_of(queue)) {
            try {
                function(*record);
            } catch (...) {  // the next record is to come all the same
            }
        }
    }

    static std::optional<log_record> next_of(const log_queue& queue) noexcept {
        try {
            return queue.next();
        } catch (...) {  // a defect: nobody would read what it goes on to keep
            queue.close();
            return std::nullopt;
        }
    }

    std::shared_ptr<state> all_;
};

}  // namespace imtag

#endif
