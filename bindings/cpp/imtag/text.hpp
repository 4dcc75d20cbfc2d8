// Texts across the C interface, in both directions, without a copy: an argument is borrowed until the call returns, and
// what a result or an error returns is a view into it.

#ifndef IMTAG_TEXT_HPP
#define IMTAG_TEXT_HPP

#include <imtag.h>

#include <cstddef>
#include <iterator>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace imtag {

/// A borrowed text, UTF-8: an im_str, made from whatever a program has. It is valid as long as what it was made from. A
/// null pointer is the empty text, so that what std::getenv returns can be passed on as it is.
struct str : im_str {
    str(std::string_view text) noexcept : im_str{text.data(), text.size()} {}
    str(const std::string& text) noexcept : im_str{text.data(), text.size()} {}
    str(const char* text) noexcept : str(text ? std::string_view(text) : std::string_view()) {}
    str(im_str text) noexcept : im_str(text) {}

    operator std::string_view() const noexcept { return len ? std::string_view(data, len) : std::string_view(); }
};

struct user_view;

namespace detail {

/// An item of the C interface as C++ reads it: a text as a view, a user as its account and its tags.
inline std::string_view shown(const im_str& text) noexcept { return str(text); }
inline user_view shown(const im_user_tags& user) noexcept;

/// Whether a type is a text: convertible to a view or an im_str without a temporary copy.
template <class Text>
inline constexpr bool is_text =
    std::is_convertible_v<const Text&, std::string_view> || std::is_convertible_v<const Text&, im_str>;

/// Any text as one of the C interface.
template <class Text>
str to_str(const Text& text) noexcept {
    if constexpr (std::is_convertible_v<const Text&, im_str>)
        return str(static_cast<im_str>(text));
    else if constexpr (std::is_convertible_v<const Text&, const char*>)
        return str(static_cast<const char*>(text));
    else
        return str(static_cast<std::string_view>(text));
}

/// Frees a handle with its function of the C interface.
template <auto Free>
struct freed_by {
    template <class Handle>
    void operator()(Handle* handle) const noexcept {
        Free(handle);
    }
};

}  // namespace detail

/// Items that belong to a result, to be iterated or read by position. It is valid as long as the result. `data` is the
/// array of the C interface, so that a list can be passed to a client again without a copy.
template <class Raw>
class list_view {
public:
    /// Iterates over the items; dereferencing makes the value.
    class iterator {
    public:
        using iterator_category = std::input_iterator_tag;    // C++17's others return references
        using iterator_concept = std::forward_iterator_tag;  // it can be iterated again
        using value_type = decltype(detail::shown(std::declval<const Raw&>()));
        using difference_type = std::ptrdiff_t;
        using pointer = void;
        using reference = value_type;

        iterator() = default;
        explicit iterator(const Raw* at) noexcept : at_(at) {}
        value_type operator*() const noexcept { return detail::shown(*at_); }
        iterator& operator++() noexcept {
            ++at_;
            return *this;
        }
        iterator operator++(int) noexcept { return iterator(at_++); }
        friend bool operator==(iterator left, iterator right) noexcept { return left.at_ == right.at_; }
        friend bool operator!=(iterator left, iterator right) noexcept { return left.at_ != right.at_; }

    private:
        const Raw* at_ = nullptr;
    };
    using value_type = typename iterator::value_type;

    list_view() = default;
    list_view(const Raw* data, std::size_t size) noexcept : data_(data), size_(size) {}

    const Raw* data() const noexcept { return data_; }
    std::size_t size() const noexcept { return size_; }
    bool empty() const noexcept { return size_ == 0; }
    iterator begin() const noexcept { return iterator(data_); }
    iterator end() const noexcept { return iterator(data_ + size_); }
    /// The item at a position, counted from 0, which must be below `size()`.
    value_type operator[](std::size_t position) const noexcept { return detail::shown(data_[position]); }

private:
    const Raw* data_ = nullptr;
    std::size_t size_ = 0;
};

/// A user that was read, with its tags.
struct user_view {
    std::string_view account;
    list_view<im_str> tags;
};

namespace detail {

inline user_view shown(const im_user_tags& user) noexcept {
    return {shown(user.account), {user.tags, user.tag_count}};
}

}  // namespace detail

}  // namespace imtag

#endif
