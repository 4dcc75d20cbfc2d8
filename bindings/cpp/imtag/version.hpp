// The check that the loaded library fits the header that the program was compiled with, and what a code means.

#ifndef IMTAG_VERSION_HPP
#define IMTAG_VERSION_HPP

#include "error.hpp"

#include <charconv>
#include <stdexcept>

namespace imtag {

/// The version of the library that was loaded, as 0.1.0; IM_VERSION is that of the header.
inline std::string_view version() noexcept { return im_version(); }

/// The library that was loaded does not fit the header. A client's constructor throws it. Compile the program again, or
/// install the library that it was compiled with.
class version_mismatch : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// Whether a call that the service refused with a code may be made again.
enum class retry : std::int32_t {
    /// It would fail again.
    never = IM_RETRY_NEVER,
    /// It may succeed at once or a little later.
    backoff = IM_RETRY_BACKOFF,
    /// The calls came too fast: it may succeed once the second that the quota counts is over.
    after_window = IM_RETRY_AFTER_WINDOW,
    /// One more try is worth it.
    once_later = IM_RETRY_ONCE_LATER,
    /// One more try with a new UserSig is worth it.
    new_usersig = IM_RETRY_NEW_USERSIG
};

/// What a code of the service means. The texts are static.
struct explanation {
    /// False: the catalogue does not have the code, and the rest says what holds for every unknown code.
    bool known;
    std::string_view meaning;
    /// What the caller can do.
    std::string_view remedy;
    /// Whether a call that got it may be made again.
    imtag::retry retry;
    /// What is then known of its effect.
    imtag::effect effect;
};

/// Explains a code of the service.
inline explanation explain(std::int32_t code) noexcept {
    im_str meaning{}, remedy{};
    im_retry again{};
    im_effect known_effect{};
    const bool known = im_explain(code, &meaning, &remedy, &again, &known_effect);
    return {known, str(meaning), str(remedy), static_cast<retry>(again), static_cast<effect>(known_effect)};
}

namespace detail {

/// Takes the number at the start of a text, and the dot after it, off the text; -1 if there is none.
inline int next_number(std::string_view& text) noexcept {
    int number = -1;
    const char* end = text.data() + text.size();
    const char* behind = std::from_chars(text.data(), end, number).ptr;
    text = std::string_view(behind, static_cast<std::size_t>(end - behind));
    if (!text.empty() && text.front() == '.')
        text.remove_prefix(1);
    return number;
}

/// A program runs with the version that it was built with, or with a later one of the same major version; below 1.0, of
/// the same minor version.
inline bool fits(std::string_view library, int major, int minor, int patch) noexcept {
    const int library_major = next_number(library);
    const int library_minor = next_number(library);
    if (library_major != major || (major == 0 && library_minor != minor))
        return false;
    return library_minor > minor || (library_minor == minor && next_number(library) >= patch);
}

/// Throws unless the library fits. It checks once, and again only after it threw.
inline void check_version() {
    static const bool checked = [] {
        if (!fits(version(), IM_VERSION_MAJOR, IM_VERSION_MINOR, IM_VERSION_PATCH))
            throw version_mismatch("this program was compiled with imtag.h " IM_VERSION ", but libimtag " +
                                   std::string(version()) +
                                   " was loaded: compile it again, or install the library that it was compiled with");
        return true;
    }();
    static_cast<void>(checked);
}

}  // namespace detail

}  // namespace imtag

#endif
