/*
 * Tables with a row for each function of the library: what it does with NULL. With the names of the library's symbols,
 * a symbol without a row is a failure, and so is a row without a symbol.
 */

#ifndef ROWS_H
#define ROWS_H

#include "check.h"

struct row {
    const char *name;
    void (*check)(void);
};

/* The row of im_name, whose check is the function of that name. */
#define ROW(name) {"im_" #name, name}

/* Checks all rows, and with symbols that none is missing. */
void check_rows(const struct row *rows, size_t count, char **symbols, int symbol_count);

#define TAKES_NULL(name)                                                                                               \
    static void name(void) {                                                                                           \
        im_##name(NULL);                                                                                               \
        im_##name(NULL);                                                                                               \
    }

/* Readers of NULL return the same as for an empty object. */
#define READER(name, answer)                                                                                           \
    static void name(void) {                                                                                           \
        CHECK(im_##name(NULL) == (answer));                                                                            \
    }
#define TEXT_READER(name, answer)                                                                                      \
    static void name(void) {                                                                                           \
        CHECK_TEXT(im_##name(NULL), answer);                                                                           \
    }
#define VIEW_READER(name)                                                                                              \
    static void name(void) {                                                                                           \
        CHECK(im_##name(NULL).data == NULL && im_##name(NULL).len == 0);                                               \
    }
#define EACH_READER(name, answer)                                                                                      \
    static void name(void) {                                                                                           \
        CHECK(im_##name(NULL, 0) == (answer));                                                                         \
        CHECK(im_##name(NULL, SIZE_MAX) == (answer));                                                                  \
    }
#define EACH_TEXT_READER(name)                                                                                         \
    static void name(void) {                                                                                           \
        CHECK_TEXT(im_##name(NULL, 0), "");                                                                            \
        CHECK_TEXT(im_##name(NULL, SIZE_MAX), "");                                                                     \
    }
#define EACH_VIEW_READER(name)                                                                                         \
    static void name(void) {                                                                                           \
        CHECK(im_##name(NULL, 0).data == NULL && im_##name(NULL, SIZE_MAX).len == 0);                                  \
    }

#endif
