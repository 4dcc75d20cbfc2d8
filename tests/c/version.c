/*
 * The header, the library that was loaded and Cargo agree on the version: version CARGO_VERSION.
 */

#include "support/check.h"

#include <stdio.h>

int main(int count, char **arguments) {
    char parts[64];
    begin("version", 120);
    snprintf(parts, sizeof parts, "%d.%d.%d", IM_VERSION_MAJOR, IM_VERSION_MINOR, IM_VERSION_PATCH);
    CHECK_TEXT(IM_VERSION, parts);
    CHECK_TEXT(im_version(), IM_VERSION);
    if (count > 1)
        CHECK_TEXT(im_version(), arguments[1]);
    return end();
}
