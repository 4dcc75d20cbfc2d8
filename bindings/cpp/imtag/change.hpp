// A change of one user's tags, for bulk runs and batchers. It owns its texts, in the form that the C interface takes,
// so that any range can return it, also one that makes it as it is iterated, and this binding copies nothing more.

#ifndef IMTAG_CHANGE_HPP
#define IMTAG_CHANGE_HPP

#include "request.hpp"

#include <cstdint>

namespace imtag {

/// What a change does.
enum class operation : std::int32_t { add = IM_ADD, remove = IM_REMOVE, clear = IM_CLEAR, replace = IM_REPLACE };

/// Adds, removes, clears or replaces tags of one user: `imtag::change::add("xiaojun012", {"a", "b"})`. It copies its texts.
/// The library checks it; a change that breaks limits has its outcome as any other. It is a value, to be copied, moved and
/// assigned; its views live until it is assigned to, moved from or destroyed.
class change {
public:
    /// Adds tags: 1 to 100. They are a braced list, or any range of texts.
    static change add(str account, std::initializer_list<str> tags) { return {operation::add, account, tags}; }
    template <class Tags>
    static change add(str account, Tags&& tags) {
        return {operation::add, account, tags};
    }

    /// Removes any number of tags.
    static change remove(str account, std::initializer_list<str> tags) { return {operation::remove, account, tags}; }
    template <class Tags>
    static change remove(str account, Tags&& tags) {
        return {operation::remove, account, tags};
    }

    /// Removes all tags.
    static change clear(str account) {
        const std::initializer_list<str> none;
        return {operation::clear, account, none};
    }

    /// Replaces all tags: afterwards the user has these and no others, 1 to 100. Only the timpush paths can do this. If
    /// it is possibly applied, the tags that the user had may be gone.
    static change replace(str account, std::initializer_list<str> tags) { return {operation::replace, account, tags}; }
    template <class Tags>
    static change replace(str account, Tags&& tags) {
        return {operation::replace, account, tags};
    }

    imtag::operation operation() const noexcept { return operation_; }
    std::string_view account() const noexcept {
        return std::string_view(text_).substr(0, lengths_.empty() ? 0 : lengths_.front());
    }
    /// The tags, as they were given.
    std::vector<std::string_view> tags() const {
        std::vector<std::string_view> all;
        all.reserve(tag_count());
        for_each_tag([&](std::string_view tag) { all.push_back(tag); });
        return all;
    }
    std::size_t tag_count() const noexcept { return lengths_.empty() ? 0 : lengths_.size() - 1; }

    /// Calls `act` with a view of each tag.
    template <class Act>
    void for_each_tag(Act&& act) const {
        std::size_t at = account().size();
        for (std::size_t i = 1; i < lengths_.size(); at += lengths_[i++])
            act(std::string_view(text_).substr(at, lengths_[i]));
    }

    /// The form that the C interface takes: account and tags with nothing between, and the bytes of each. A change that
    /// was moved from has none.
    const std::string& text() const noexcept { return text_; }
    const std::vector<std::size_t>& lengths() const noexcept { return lengths_; }

private:
    template <class Tags>
    change(imtag::operation what, str account, Tags& tags) : operation_(what) {
        constexpr bool is_range_of_texts = are_tags<Tags>();
        static_assert(is_range_of_texts,
                      "the tags of a change are a braced list of texts, {\"vip\"}, or a range of texts");
        if constexpr (is_range_of_texts) {
            if constexpr (detail::can_be_iterated_twice<Tags>)
                lengths_.reserve(1 + detail::count(tags));
            append(account);
            for (auto&& tag : tags)
                append(detail::to_str(tag));
        }
    }

    template <class Tags>
    static constexpr bool are_tags() {
        if constexpr (detail::is_range<Tags>)
            return detail::is_text<detail::element<Tags>>;
        else
            return false;
    }

    void append(str text) {
        text_.append(std::string_view(text));
        lengths_.push_back(text.len);
    }

    imtag::operation operation_;
    std::string text_;
    std::vector<std::size_t> lengths_;
};

}  // namespace imtag

#endif
