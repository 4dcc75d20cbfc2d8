// A program that was compiled with the header of another version. It is a program of its own, as the versions are in
// inline functions, of which a program has only one.

#include <imtag.h>

#undef IM_VERSION
#undef IM_VERSION_MINOR
#define IM_VERSION "0.99.0"
#define IM_VERSION_MINOR 99

#include "imtag.hpp"

#include <cstdio>

static bool fits(const char* library, int major, int minor, int patch) {
    return imtag::detail::fits(library, major, minor, patch);
}

int main() {
    const bool rule = fits("0.1.0", 0, 1, 0) && fits("0.1.12", 0, 1, 9) && !fits("0.1.8", 0, 1, 9) &&
                      !fits("0.2.0", 0, 1, 0) && !fits("1.1.0", 0, 1, 0) && fits("0.1.1-rc.1", 0, 1, 0) &&
                      !fits("", 0, 1, 0) && !fits("0.1", 0, 1, 0) && fits("1.2.3", 1, 2, 3) && fits("1.3.0", 1, 2, 3) &&
                      !fits("1.2.2", 1, 2, 3) && !fits("1.1.9", 1, 2, 3) && !fits("2.2.3", 1, 2, 3) &&
                      !fits("2.0.0", 1, 2, 3) && !fits("1", 1, 0, 0);
    if (!rule) {
        std::puts("the rule of versions does not hold");
        return 1;
    }
    for (int i = 0; i < 2; ++i) {  // also the second time
        try {
            imtag::client client{imtag::config{}};
            return 1;
        } catch (const imtag::version_mismatch& mismatch) {
            std::puts(mismatch.what());
        }
    }
    return 0;
}
