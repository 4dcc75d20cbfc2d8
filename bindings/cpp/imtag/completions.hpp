// Outcomes of changes as the C interface hands them out: many at once, with an error for those alone that failed.

#ifndef IMTAG_COMPLETIONS_HPP
#define IMTAG_COMPLETIONS_HPP

#include "error.hpp"

namespace imtag::detail {

/// Takes over what a poll left; null for none.
inline std::shared_ptr<im_completions> owned(im_completions* left) {
    return left ? std::shared_ptr<im_completions>(left, im_completions_free) : nullptr;
}

/// Calls something with the number of each change and why it is not done, null where it is. The reason keeps all of
/// them alive.
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
        // it is only read, though what reads an error of a call frees it too
        act(ids[i], std::shared_ptr<im_error>(known, const_cast<im_error*>(im_completions_error(known.get(), i))));
    }
}

}  // namespace imtag::detail

#endif
