// The client of the service: each operation, with users or accounts in any range, and bulk runs.

#ifndef IMTAG_CLIENT_HPP
#define IMTAG_CLIENT_HPP

#include "bulk.hpp"
#include "config.hpp"
#include "request.hpp"
#include "stats.hpp"
#include "version.hpp"

namespace imtag {

/// A client of the service: connections, quota, UserSig and retry budget, which all threads share. Moved, not copied.
/// Do not move, close or destroy it while one of its calls runs: wait for them, or cancel them.
///
/// Each operation sends at most one request, checked first, blocks up to the deadline, and throws unless it was done
/// for every account. It takes its users or accounts in one of two forms:
///
/// - a braced list, {{"xiaojun012", {"a", "b"}}} or {"xiaojun012"};
/// - a range: of pairs or tuples of an account and a range of tags, or of anything with the members account and tags
///   (imtag::user_tags); accounts are a range of texts. It is iterated twice. Arrays, vectors and spans of im_user_tags
///   or im_str are passed on as they are.
///
/// The last argument may be an imtag::call, with time limits and cancellation.
class client {
public:
    /// Makes a client; nothing is sent yet. Throws settings_error with all settings that are needed and not set, or the
    /// first that cannot be used, and version_mismatch if the library that was loaded does not fit the header.
    /// It reads the environment as getenv does, for a proxy and the platform's roots: see im_client_new. No other thread
    /// may change it meanwhile.
    explicit client(const config& settings) {
        detail::check_version();
        if (!settings.handle())
            throw misuse("wrong use of libimtag, nothing was sent: the imtag::config was moved from",
                         "make a new imtag::config");
        client_.reset(detail::made_by<im_client>(im_client_new, settings.handle()));
    }

    /// Adds tags: at most 100 users, each once, with at most 10 tags each. A tag that an account has already changes
    /// nothing.
    result add_tag(std::initializer_list<detail::listed_user> users, detail::optional_call call = {}) const {
        return run(im_add_tag, users.begin(), users.size(), call);
    }
    template <class Users>
    result add_tag(Users&& users, detail::optional_call call = {}) const {
        return run_users(im_add_tag, users, call);
    }

    /// Removes tags: limits as add_tag. A tag that an account does not have changes nothing.
    result remove_tag(std::initializer_list<detail::listed_user> users, detail::optional_call call = {}) const {
        return run(im_remove_tag, users.begin(), users.size(), call);
    }
    template <class Users>
    result remove_tag(Users&& users, detail::optional_call call = {}) const {
        return run_users(im_remove_tag, users, call);
    }

    /// Replaces tags: afterwards each user has these tags and no others, at most 100. Only the timpush paths can do
    /// this (config::generation); on the other paths it is an invalid_request.
    result replace_tags(std::initializer_list<detail::listed_user> users, detail::optional_call call = {}) const {
        return run(im_replace_tags, users.begin(), users.size(), call);
    }
    template <class Users>
    result replace_tags(Users&& users, detail::optional_call call = {}) const {
        return run_users(im_replace_tags, users, call);
    }

    /// Reads tags of at most 100 accounts, each once: result::users() has the tags, result::unanswered() the accounts
    /// that the answer does not mention.
    [[nodiscard]] result get_tag(std::initializer_list<str> accounts, detail::optional_call call = {}) const {
        return run(im_get_tag, accounts.begin(), accounts.size(), call);
    }
    template <class Accounts>
    [[nodiscard]] result get_tag(Accounts&& accounts, detail::optional_call call = {}) const {
        return run_accounts(im_get_tag, accounts, call);
    }

    /// Removes all tags of at most 100 accounts, each once.
    result clear_tags(std::initializer_list<str> accounts, detail::optional_call call = {}) const {
        return run(im_clear_tags, accounts.begin(), accounts.size(), call);
    }
    template <class Accounts>
    result clear_tags(Accounts&& accounts, detail::optional_call call = {}) const {
        return run_accounts(im_clear_tags, accounts, call);
    }

    /// Makes any number of changes: a bulk run, which packs them into few requests and sends these at the full quota,
    /// by threads of its own.
    ///
    /// changes any range of imtag::change, also one that can be iterated only once. This thread iterates it, as there
    ///             is capacity, and stops if the run ends early. It is never held as a whole
    /// on_outcome  this thread calls it with the imtag::outcome of each change that came out of the range, in the order
    ///             in which outcomes arrive. A change that came after the run had ended has that as its error, and is
    ///             in no count, as it was not taken
    /// options     time limits, linger, capacity, progress, cancel
    ///
    /// Returns when every change has its outcome, also if some failed: `on_outcome` was called with each. Throws if the
    /// run was cancelled, or ended early because the app is rejected or the service became unavailable;
    /// error::summary() has the counts. An exception of the range, `on_outcome` or the progress function cancels the
    /// run, and is rethrown once requests under way have completed; `on_outcome` is still called for these, unless it
    /// threw itself.
    template <class Changes, class OnOutcome>
    [[nodiscard]] summary bulk(Changes&& changes, OnOutcome&& on_outcome, const bulk_options& options = {}) const {
        return detail::bulk_run<std::remove_reference_t<OnOutcome>>(checked(), on_outcome, options).over(changes);
    }

    /// The figures of this client in this process, imtag_calls_total and others, also of the requests of its bulk runs and
    /// batchers; imtag.h lists them at im_client_stats. It holds up no call. A forked child begins with zeros.
    [[nodiscard]] imtag::stats stats() const { return detail::stats_of(im_client_stats, checked()); }

    /// Closes the connections and forgets the credentials, as the destructor does; calls throw misuse afterwards.
    void close() noexcept { client_.reset(); }

    /// The handle of the C interface, which stays this object's; NULL when it was closed or moved from.
    im_client* handle() const noexcept { return client_.get(); }

private:
    friend class batcher;

    /// The handle, which is there.
    im_client* checked() const {
        if (!client_)
            throw misuse("wrong use of libimtag, nothing was sent: the imtag::client was closed or moved from",
                         "make a new imtag::client");
        return client_.get();
    }

    /// One call of a function of the C interface.
    template <class Operation, class Item>
    result run(Operation operation, const Item* items, std::size_t count, detail::optional_call call) const {
        im_client* const handle = checked();
        im_result* done = nullptr;
        im_error* left = nullptr;
        const im_status status = operation(handle, items, count, call.handle, &done, &left);
        result owned(done);
        if (status != IM_OK)
            detail::raise(status, left, std::move(owned));
        return owned;
    }

    template <class Operation, class Users>
    result run_users(Operation operation, Users& users, detail::optional_call call) const {
        return detail::with_users(
            users, [&](const im_user_tags* first, std::size_t count) { return run(operation, first, count, call); });
    }

    template <class Operation, class Accounts>
    result run_accounts(Operation operation, Accounts& accounts, detail::optional_call call) const {
        return detail::with_accounts(
            accounts, [&](const im_str* first, std::size_t count) { return run(operation, first, count, call); });
    }

    std::unique_ptr<im_client, detail::freed_by<im_client_free>> client_;
};

}  // namespace imtag

#endif
