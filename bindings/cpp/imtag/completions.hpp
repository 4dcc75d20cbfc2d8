// Outcomes of changes as a poll of the C interface returns them: many at once, with an error for each that failed.

#ifndef IMTAG_COMPLETIONS_HPP
#define IMTAG_COMPLETIONS_HPP

#include "error.hpp"

namespace imtag::detail {

/// Owns what a poll returned; null for none.
inline std::shared_ptr<im_completions> owned(im_completions* polled) {
    return polled ? std::shared_ptr<im_completions>(polled, im_completions_free) : nullptr;
}

/// Calls `act` with the id of each change and why it failed, null if it is done. The error keeps all completions alive.
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
        // the error is only read: an alias of the completions does not free it
        act(ids[i], std::shared_ptr<im_error>(known, const_cast<im_error*>(im_completions_error(known.get(), i))));
    }
}

}  // namespace imtag::detail

#endif
