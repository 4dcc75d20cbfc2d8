// What was done, as the library left it: nothing is copied out of it.

#ifndef IMTAG_RESULT_HPP
#define IMTAG_RESULT_HPP

#include "text.hpp"

#include <cstdint>
#include <memory>

namespace imtag {

/// What a call has done. Moved, not copied; read by any number of threads at once. All views and lists that it gives
/// live as long as it does, also when it is moved. One that was moved from answers as for a result of nothing.
class result {
public:
    result() = default;
    /// Takes over what a function of the C interface left.
    explicit result(im_result* left) noexcept : result_(left) {}

    /// The accounts that it was done for.
    std::size_t accounts() const noexcept { return im_result_accounts(result_.get()); }

    /// Attempts that were made: the one that was answered, and those before it.
    std::uint32_t attempts() const noexcept { return im_result_attempts(result_.get()); }

    /// Attempts of which any byte left this machine: what the app's quota may have been charged.
    std::uint32_t attempts_sent() const noexcept { return im_result_attempts_sent(result_.get()); }

    /// The service's number for the request, for its support; empty where it gave none.
    std::string_view request_id() const noexcept { return str(im_result_request_id(result_.get())); }

    /// What get_tag read: `for (auto [account, tags] : result.users())`, in the service's order. Empty for the other
    /// operations.
    list_view<im_user_tags> users() const& noexcept {
        std::size_t size = 0;
        const im_user_tags* first = im_result_users(result_.get(), &size);
        return {first, size};
    }

    /// The accounts that get_tag asked for and the answer does not name. No page says whether such an account has no
    /// tags or could not be read; it is in no other count.
    list_view<im_str> unanswered() const& noexcept {
        std::size_t size = 0;
        const im_str* first = im_result_unanswered(result_.get(), &size);
        return {first, size};
    }

    // Of a result that is gone at the end of the statement, or before a loop begins: keep it in a variable first.
    list_view<im_user_tags> users() const&& = delete;
    list_view<im_str> unanswered() const&& = delete;

private:
    std::unique_ptr<im_result, detail::freed_by<im_result_free>> result_;
};

}  // namespace imtag

#endif
