// Requests as the C interface takes them, borrowed from any range. Arrays and braced lists of im_user_tags or im_str
// are passed on as they are. For other ranges the arrays are made, on the stack for a small request, else by at most
// two allocations. No text is copied.

#ifndef IMTAG_REQUEST_HPP
#define IMTAG_REQUEST_HPP

#include "text.hpp"

#include <initializer_list>
#include <memory_resource>
#if __cplusplus > 201703L
#include <ranges>
#endif
#include <stdexcept>
#include <tuple>
#include <vector>

namespace imtag {

/// A user and its tags, for requests that a program collects: `std::vector<imtag::user_tags>`.
struct user_tags {
    std::string account;
    std::vector<std::string> tags;
};

namespace detail {

template <class...>
inline constexpr bool never = false;

/// A user of a braced list, {"xiaojun012", {"a", "b"}}. It borrows the inner list, which lives until the call has
/// returned; it cannot be copied, so no container can keep it longer.
struct listed_user : im_user_tags {
    listed_user(str name, const std::initializer_list<str>& list) noexcept
        : im_user_tags{name, std::data(list), list.size()} {}
    template <class Tags>
    listed_user(str, const Tags&) {
        static_assert(never<Tags>, "in a braced list of users, tags are a braced list too: if they are in a "
                                   "container, pass std::array{std::tie(account, tags)}, a map, or any other range");
    }
    listed_user(const listed_user&) = delete;
    listed_user& operator=(const listed_user&) = delete;
};

static_assert(sizeof(listed_user) == sizeof(im_user_tags) && std::is_standard_layout_v<listed_user>);
static_assert(sizeof(str) == sizeof(im_str) && std::is_standard_layout_v<str>);

template <class Range, class = void>
inline constexpr bool is_range = false;
template <class Range>
inline constexpr bool
    is_range<Range, std::void_t<decltype(std::begin(std::declval<Range&>()) != std::end(std::declval<Range&>()))>> =
        true;

/// What a range returns for each element: a reference, or a value that it makes at that moment.
template <class Range>
using given = decltype(*std::begin(std::declval<Range&>()));
template <class Range>
using element = std::remove_cv_t<std::remove_reference_t<given<Range>>>;

/// Whether the range is an array, vector or span of items of the C interface, which can be passed on as it is.
template <class Raw, class Range, class = void>
inline constexpr bool is_made_of = false;
template <class Raw, class Range>
inline constexpr bool is_made_of<
    Raw, Range, std::enable_if_t<std::is_convertible_v<decltype(std::data(std::declval<Range&>())), const Raw*>>> =
    sizeof(*std::data(std::declval<Range&>())) == sizeof(Raw);

template <class Iterator, class = void>
inline constexpr bool has_concept = false;
template <class Iterator>
inline constexpr bool has_concept<Iterator, std::void_t<typename Iterator::iterator_concept>> = true;
template <class Iterator, class = void>
inline constexpr bool has_category = false;
template <class Iterator>
inline constexpr bool
    has_category<Iterator, std::void_t<typename std::iterator_traits<Iterator>::iterator_category>> = true;

/// Whether an iterator says that its range can be iterated again. For C++17 an iterator that returns values is only an
/// input iterator, so its C++20 concept is asked first. An iterator that says nothing may allow only one pass.
template <class Iterator>
constexpr bool is_multi_pass() {
    if constexpr (has_concept<Iterator>)
        return std::is_base_of_v<std::forward_iterator_tag, typename Iterator::iterator_concept>;
    else if constexpr (has_category<Iterator>)
        return std::is_base_of_v<std::forward_iterator_tag,
                                 typename std::iterator_traits<Iterator>::iterator_category>;
    else
        return false;
}
template <class Range>
inline constexpr bool can_be_iterated_twice =
    is_multi_pass<std::decay_t<decltype(std::begin(std::declval<Range&>()))>>();

/// Whether a text is a view, whose bytes are elsewhere. Any other type may own its bytes.
template <class Text>
inline constexpr bool is_view = std::is_same_v<Text, std::string_view> || std::is_same_v<Text, im_str> ||
                                std::is_same_v<Text, str> || std::is_same_v<Text, const char*> ||
                                std::is_same_v<Text, char*>;

/// Whether views into the texts of a range are valid until the call returns: the range owns them, or they are views.
template <class Range>
inline constexpr bool texts_last =
    can_be_iterated_twice<Range> && (std::is_lvalue_reference_v<given<Range>> || is_view<element<Range>>);

template <class Range>
constexpr bool are_texts() {
    if constexpr (is_range<Range>)
        return is_text<element<Range>> && texts_last<Range>;
    else
        return false;
}

template <class User, class = void>
inline constexpr bool has_members = false;
template <class User>
inline constexpr bool
    has_members<User, std::void_t<decltype(std::declval<User&>().account), decltype(std::declval<User&>().tags)>> =
        true;

template <class User, class = void>
inline constexpr bool is_pair = false;
template <class User>
inline constexpr bool is_pair<User, std::void_t<decltype(std::tuple_size<User>::value)>> =
    std::tuple_size<User>::value == 2;

template <class User>
const auto& account_of(const User& user) {
    if constexpr (has_members<User>)
        return user.account;
    else
        return std::get<0>(user);
}

template <class User>
const auto& tags_of(const User& user) {
    if constexpr (has_members<User>)
        return user.tags;
    else
        return std::get<1>(user);
}

template <class User>
constexpr bool is_user() {
    if constexpr (has_members<User> || is_pair<User>)
        return is_text<std::decay_t<decltype(account_of(std::declval<const User&>()))>> &&
               are_texts<std::remove_reference_t<decltype(tags_of(std::declval<const User&>()))>>();
    else
        return false;
}

/// Whether the elements of a range outlive it.
template <class Range>
inline constexpr bool is_borrowed = false;
template <class Raw>
inline constexpr bool is_borrowed<list_view<Raw>> = true;
#if defined(__cpp_lib_ranges)
template <class Range>
constexpr bool borrows() {
    return is_borrowed<std::remove_cv_t<Range>> || std::ranges::enable_borrowed_range<std::remove_cv_t<Range>>;
}
#else
template <class Range>
constexpr bool borrows() {
    return is_borrowed<std::remove_cv_t<Range>>;
}
#endif

/// Whether account and tags outlive a user that the range returns by value. Each must be a reference or a view; views
/// in a container that the user owns are fine, as they are copied.
template <class Account, class Tags>
constexpr bool outlives_user() {
    constexpr bool account = std::is_lvalue_reference_v<Account> || is_view<std::remove_cv_t<Account>>;
    if constexpr (std::is_lvalue_reference_v<Tags>)
        return account;
    else if constexpr (std::is_lvalue_reference_v<given<const Tags>>)
        return account && (borrows<Tags>() || is_view<element<const Tags>>);
    else
        return account && borrows<Tags>();
}

/// Whether views into the users of a range are valid until the call returns.
template <class Range>
constexpr bool users_last() {
    using User = element<Range>;
    if constexpr (!can_be_iterated_twice<Range>)
        return false;
    else if constexpr (std::is_lvalue_reference_v<given<Range>>)
        return true;
    else if constexpr (has_members<User>)
        return outlives_user<decltype(std::declval<User&>().account), decltype(std::declval<User&>().tags)>();
    else
        return outlives_user<std::tuple_element_t<0, User>, std::tuple_element_t<1, User>>();
}

template <class Range, class = void>
inline constexpr bool has_size = false;
template <class Range>
inline constexpr bool has_size<Range, std::void_t<decltype(std::size(std::declval<Range&>()))>> = true;

template <class Range>
std::size_t count(Range& range) {
    if constexpr (has_size<Range>) {
        return static_cast<std::size_t>(std::size(range));
    } else {
        std::size_t counted = 0;
        for (auto at = std::begin(range); at != std::end(range); ++at)
            ++counted;
        return counted;
    }
}

/// The memory of a request: 2 KiB of the stack first.
class memory {
public:
    memory() : arena_(space_, sizeof space_) {}
    std::pmr::memory_resource* get() noexcept { return &arena_; }

private:
    std::byte space_[2048];
    std::pmr::monotonic_buffer_resource arena_;
};

/// The texts of any range as an array.
template <class Texts>
std::pmr::vector<im_str> array_of_texts(Texts& texts, memory& of) {
    std::pmr::vector<im_str> array(of.get());
    array.reserve(count(texts));
    for (const auto& text : texts)
        array.push_back(to_str(text));
    return array;
}

/// The users of any range as an array, with an array of all their tags.
class array_of_users {
public:
    template <class Users>
    array_of_users(Users& users, memory& of) : users_(of.get()), tags_(of.get()) {
        std::size_t tags = 0;
        for (const auto& user : users)
            tags += count(tags_of(user));
        users_.reserve(count(users));
        tags_.resize(tags);
        im_str* next = tags_.data();
        for (const auto& user : users) {
            const im_str* const first = next;
            for (const auto& tag : tags_of(user)) {
                if (next == tags_.data() + tags)
                    throw std::logic_error("imtag: the users have more tags than when they were counted");
                *next++ = to_str(tag);
            }
            users_.push_back({to_str(account_of(user)), first, static_cast<std::size_t>(next - first)});
        }
    }

    const std::pmr::vector<im_user_tags>& users() const noexcept { return users_; }

private:
    std::pmr::vector<im_user_tags> users_;
    std::pmr::vector<im_str> tags_;
};

/// Whether a range is one of users; if not, `why_not_users` says why in a sentence.
template <class Users>
constexpr bool are_users() {
    if constexpr (is_range<Users>) {
        if constexpr (is_user<element<Users>>())
            return users_last<Users>();
    }
    return false;
}

template <class Users>
void why_not_users() {
    if constexpr (!is_range<Users>)
        static_assert(never<Users>, "users are a braced list, {{account, {tag, tag}}}, or a range of such pairs");
    else if constexpr (!is_user<element<Users>>())
        static_assert(never<Users>, "each user is a pair or tuple of a text and a range of texts that outlive the "
                                    "call, or has the members account and tags; im_user_tags are in an array, "
                                    "vector or span");
    else
        static_assert(never<Users>, "this range makes its users as it is iterated, or can be iterated only once, and "
                                    "they would be destroyed before they are sent: make a container of them first");
}

/// Calls `send` with a range as an array of im_user_tags: the first, and how many.
template <class Users, class Send>
auto with_users(Users& users, Send send) {
    if constexpr (is_made_of<im_user_tags, Users>) {
        return send(std::data(users), std::size(users));
    } else if constexpr (are_users<Users>()) {
        memory of;
        const array_of_users array(users, of);
        return send(array.users().data(), array.users().size());
    } else {
        why_not_users<Users>();
        return send(nullptr, 0);
    }
}

/// Whether a range can be borrowed as an array of im_str.
template <class Texts>
inline constexpr bool can_be_borrowed = is_made_of<im_str, Texts> || are_texts<Texts>();

/// Calls `send` with a range that can be borrowed, as an array of im_str: the first, and how many.
template <class Texts, class Send>
auto with_texts(Texts& texts, Send send) {
    if constexpr (is_made_of<im_str, Texts>) {
        return send(std::data(texts), std::size(texts));
    } else {
        memory of;
        const auto array = array_of_texts(texts, of);
        return send(array.data(), array.size());
    }
}

template <class Accounts, class Send>
auto with_accounts(Accounts& accounts, Send send) {
    static_assert(can_be_borrowed<Accounts>,
                  "accounts are a braced list of texts, {\"xiaojun012\"}, or a range of texts that outlive the call, "
                  "strings in a container or views; if it makes them as it is iterated, or can be iterated only once, "
                  "make a container of them first");
    if constexpr (can_be_borrowed<Accounts>)
        return with_texts(accounts, send);
    else
        return send(nullptr, 0);
}

template <class Tags, class Send>
auto with_tags(Tags& tags, Send send) {
    static_assert(can_be_borrowed<Tags>,
                  "tags are a braced list of texts, {\"vip\"}, or a range of texts that outlive the call, strings in a "
                  "container or views; if it makes them as it is iterated, or can be iterated only once, make a "
                  "container of them first");
    if constexpr (can_be_borrowed<Tags>)
        return with_texts(tags, send);
    else
        return send(nullptr, 0);
}

}  // namespace detail

}  // namespace imtag

#endif
