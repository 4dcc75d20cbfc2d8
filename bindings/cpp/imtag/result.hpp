// What a call did, as the library returned it: nothing is copied.

#ifndef IMTAG_RESULT_HPP
#define IMTAG_RESULT_HPP

#include "text.hpp"

#include <cstdint>
#include <memory>

namespace imtag {

/// What a call did. Moved, not copied; read by any number of threads at once. All views and lists that it returns are
/// valid as long as it exists, also when it is moved. After a move it is an empty result.
class result {
public:
    result() = default;
    /// Owns a result of the C interface.
    explicit result(im_result* made) noexcept : result_(made) {}

    /// How many accounts the call succeeded for.
    std::size_t accounts() const noexcept { return im_result_accounts(result_.get()); }

    /// How many attempts were made: the one that was answered, and those before it.
    std::uint32_t attempts() const noexcept { return im_result_attempts(result_.get()); }

    /// Attempts of which any byte left this machine: what the app's quota may have been charged.
    std::uint32_t attempts_sent() const noexcept { return im_result_attempts_sent(result_.get()); }

    /// The service's id of the request, for its support; empty if it sent none.
    std::string_view request_id() const noexcept { return str(im_result_request_id(result_.get())); }

    /// What get_tag read: `for (auto [account, tags] : result.users())`, in the service's order. Empty for the other
    /// operations.
    list_view<im_user_tags> users() const& noexcept {
        std::size_t size = 0;
        const im_user_tags* first = im_result_users(result_.get(), &size);
        return {first, size};
    }

    /// The accounts that get_tag asked for and the answer does not name. The service's documentation does not say
    /// whether such an account has no tags or could not be read. No other count has it.
    list_view<im_str> unanswered() const& noexcept {
        std::size_t size = 0;
        const im_str* first = im_result_unanswered(result_.get(), &size);
        return {first, size};
    }

    // Not of a temporary result, which is destroyed at the end of the statement: keep it in a variable first.
    list_view<im_user_tags> users() const&& = delete;
    list_view<im_str> unanswered() const&& = delete;

private:
    std::unique_ptr<im_result, detail::freed_by<im_result_free>> result_;
};

}  // namespace imtag

#endif
