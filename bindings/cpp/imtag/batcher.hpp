// The batcher: changes of many threads share requests. Calls that wait are those of the C interface; submit() returns a
// std::future.

#ifndef IMTAG_BATCHER_HPP
#define IMTAG_BATCHER_HPP

#include "client.hpp"
#include "submissions.hpp"

namespace imtag {

/// What a batcher does with a change when it is full.
enum class when_full : std::int32_t {
    /// It waits for capacity, until the change's time is up.
    wait = IM_WAIT,
    /// It refuses the change at once: full_error.
    fail = IM_FAIL
};

/// Options of batchers, each with a default: `imtag::batcher_options{}.linger(20ms)`. It is a value.
class batcher_options {
public:
    /// How long a change waits for others to share its request; default: 10 ms.
    batcher_options& linger(std::chrono::milliseconds time) { return linger_ = time, *this; }

    /// The capacity: how many changes it holds before they are sent; default: 10,000, which the full quota sends in a
    /// second. With that many the batcher is full.
    batcher_options& capacity(std::size_t changes) { return capacity_ = changes, *this; }

    /// What happens to a change when the batcher is full; default: it waits.
    batcher_options& when_full(imtag::when_full action) { return when_full_ = action, *this; }

    /// The time for a change, with its waits and retries; default: 30 s.
    batcher_options& timeout(std::chrono::milliseconds time) { return timeout_ = time, *this; }

    /// The time for one attempt of a request; default: 10 s.
    batcher_options& attempt_timeout(std::chrono::milliseconds time) { return attempt_timeout_ = time, *this; }

    /// The late window, as bulk_options::late_window says; default: 10 s.
    batcher_options& late_window(std::chrono::milliseconds time) { return late_window_ = time, *this; }

private:
    friend class batcher;

    std::optional<std::chrono::milliseconds> linger_, timeout_, attempt_timeout_, late_window_;
    std::optional<std::size_t> capacity_;
    imtag::when_full when_full_ = imtag::when_full::wait;
};

/// For servers that tag one user per event: changes of many threads, of one user each, share requests. A change is sent
/// when there are 100 users, when its user has as many tags as one request takes of a user (10), or when its linger
/// time is over. The changes of an account are made in the order in which they were given.
///
/// Any number of threads may use it at once. It is moved, not copied. Do not move, abandon or destroy it while another
/// thread uses it. It may outlive its client. Its threads start with the first change, and sleep while there is nothing
/// to do. Call close() at the end: the destructor does not wait for outcomes. After fork() it is the parent's: the
/// child's calls throw misuse, and its destructor does nothing.
class batcher {
public:
    explicit batcher(const client& of, const batcher_options& options = {}) {
        detail::submissions::owner owner(detail::made_by<im_batcher>(im_batcher_new, of.checked()));
        set(owner.get(), options);
        all_ = std::make_unique<detail::submissions>(std::move(owner));
    }
    ~batcher() { abandon(); }
    batcher(batcher&&) noexcept = default;
    batcher& operator=(batcher&& other) noexcept {
        if (this != &other) {
            abandon();
            all_ = std::move(other.all_);
        }
        return *this;
    }

    /// Adds 1 to 100 tags to a user, and waits until the request that it shares is answered. Throws as client::add_tag
    /// does, or full_error or closed_error if the batcher does not take the change; error::undone() has the tags that
    /// are not known to be added. When the time of a call's options is up, or it is cancelled, a change that was not
    /// sent is withdrawn, and one that was sent is possibly applied. A call's attempt_timeout is not used here.
    void add_tag(str account, std::initializer_list<str> tags, detail::optional_call call = {}) const {
        wait(im_batcher_add_tag, account, tags.begin(), tags.size(), call);
    }
    template <class Tags>
    void add_tag(str account, Tags&& tags, detail::optional_call call = {}) const {
        wait_for_range(im_batcher_add_tag, account, tags, call);
    }

    /// Removes any number of tags from a user, and waits. All else as add_tag.
    void remove_tag(str account, std::initializer_list<str> tags, detail::optional_call call = {}) const {
        wait(im_batcher_remove_tag, account, tags.begin(), tags.size(), call);
    }
    template <class Tags>
    void remove_tag(str account, Tags&& tags, detail::optional_call call = {}) const {
        wait_for_range(im_batcher_remove_tag, account, tags, call);
    }

    /// Removes all tags of a user, and waits. All else as add_tag.
    void clear_tags(str account, detail::optional_call call = {}) const {
        run([&](im_batcher* handle, im_error** left) {
            return im_batcher_clear_tags(handle, account, call.handle, left);
        });
    }

    /// Replaces all tags of a user, as change::replace does, and waits. All else as add_tag.
    void replace_tags(str account, std::initializer_list<str> tags, detail::optional_call call = {}) const {
        wait(im_batcher_replace_tags, account, tags.begin(), tags.size(), call);
    }
    template <class Tags>
    void replace_tags(str account, Tags&& tags, detail::optional_call call = {}) const {
        wait_for_range(im_batcher_replace_tags, account, tags, call);
    }

    /// Submits a change without waiting for its outcome; the future has it, as a value or an exception. Waits for
    /// capacity if the batcher is full and set to wait. Throws if the change is not taken: full_error, closed_error, or
    /// timeout_error if there was no capacity within the batcher's time for a change. A change that breaks the limits
    /// is taken, and its future has invalid_request.
    [[nodiscard]] std::future<void> submit(const change& given) const { return checked().submit(given); }

    /// Sends the changes that it holds without waiting for more, and waits until every change that was given before has
    /// its outcome, also in its future. Throws timeout_error or cancelled if a call's options end the wait: the changes
    /// stay under way, are sent without waiting all the same, and nothing is lost. Changes that are given later wait for
    /// others as ever.
    void flush(detail::optional_call call = {}) const {
        const std::vector<std::uint64_t> given = checked().taken();
        run([&](im_batcher* handle, im_error** left) { return im_batcher_flush(handle, call.handle, left); });
        all_->wait_for(given);
    }

    /// Takes no more changes, sends those that it holds, and waits until all have their outcomes, also in their
    /// futures. All else as flush(); if it throws, it may be called again.
    void close(detail::optional_call call = {}) const {
        run([&](im_batcher* handle, im_error** left) { return im_batcher_close(handle, call.handle, left); });
        all_->wait_for_all();
    }

    /// How many changes have no outcome yet.
    std::size_t unsettled() const noexcept { return im_batcher_unsettled(handle()); }

    /// Its figures, imtag_batcher_..., also when it is closed; imtag.h lists them at im_bulk_stats.
    [[nodiscard]] imtag::stats stats() const { return detail::stats_of(im_batcher_stats, checked().batcher()); }

    /// Ends it without waiting for outcomes, as the destructor does: requests under way are cancelled, and nothing more
    /// is sent. Returns how many changes had no outcome, 0 after close(). Their futures throw cancelled, with account
    /// and tags: possibly applied if the change was sent, else not applied. While futures are pending it may
    /// take 50 ms.
    std::size_t abandon() noexcept {
        if (!all_)
            return 0;
        if (all_->is_of_another_process()) {
            all_.release()->leave_to_parent();  // its thread and locks are not in this process
            return 0;
        }
        const std::size_t unsettled = all_->end();
        all_.reset();
        return unsettled;
    }

    /// The handle of the C interface, which stays this object's; NULL when it was abandoned or moved from.
    im_batcher* handle() const noexcept { return all_ ? all_->batcher() : nullptr; }

private:
    static void set(im_batcher* handle, const batcher_options& options) noexcept {
        detail::set_time(handle, im_batcher_set_linger_ms, options.linger_);
        detail::set_time(handle, im_batcher_set_timeout_ms, options.timeout_);
        detail::set_time(handle, im_batcher_set_attempt_timeout_ms, options.attempt_timeout_);
        detail::set_time(handle, im_batcher_set_late_window_ms, options.late_window_);
        if (options.capacity_)
            im_batcher_set_capacity(handle, *options.capacity_);
        im_batcher_set_when_full(handle, static_cast<im_when_full>(options.when_full_));
    }

    detail::submissions& checked() const {
        if (!all_)
            throw misuse("wrong use of libimtag, nothing was sent: the imtag::batcher was abandoned or moved from",
                         "make a new imtag::batcher");
        if (all_->is_of_another_process())
            refuse_in_child();
        return *all_;
    }

    /// The library has the message, and takes no lock that a thread of the parent may hold.
    [[noreturn]] void refuse_in_child() const {
        im_completions* none = nullptr;
        im_error* left = nullptr;
        const im_status status = im_batcher_poll(all_->batcher(), 0, &none, &left);
        detail::raise(status, left);
    }

    template <class Act>
    void run(Act act) const {
        im_batcher* const handle = checked().batcher();
        im_error* left = nullptr;
        const im_status status = act(handle, &left);
        if (status != IM_OK)
            detail::raise(status, left);
    }

    template <class Operation>
    void wait(Operation operation, str account, const im_str* tags, std::size_t count,
              detail::optional_call call) const {
        run([&](im_batcher* handle, im_error** left) {
            return operation(handle, account, tags, count, call.handle, left);
        });
    }

    template <class Operation, class Tags>
    void wait_for_range(Operation operation, str account, Tags& tags, detail::optional_call call) const {
        detail::with_tags(
            tags, [&](const im_str* first, std::size_t count) { wait(operation, account, first, count, call); });
    }

    std::unique_ptr<detail::submissions> all_;
};

}  // namespace imtag

#endif
