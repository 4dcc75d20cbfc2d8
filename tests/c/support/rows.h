/*
 * A row for each function of the library: what it does with NULL. With the names of the library's symbols, a symbol
 * without a row is a failure, and so is a row without a symbol.
 */

#ifndef ROWS_H
#define ROWS_H

#include "check.h"

void add_row(const char *name, void (*check)(void));

/* Checks all rows, and that these symbols are theirs. */
void check_rows(char **symbols, int symbol_count);

/* The row of im_name: the body of its check follows. It adds itself before main, each in its place in the file. */
#define ROW(name)                                                                                                      \
    static void name(void);                                                                                            \
    __attribute__((constructor)) static void add_##name(void) {                                                        \
        add_row("im_" #name, name);                                                                                    \
    }                                                                                                                  \
    static void name(void)

#define TAKES_NULL(name)                                                                                               \
    ROW(name) {                                                                                                        \
        im_##name(NULL);                                                                                               \
        im_##name(NULL);                                                                                               \
    }

/* Readers of NULL return the same as for an empty object. */
#define READER(name, answer)                                                                                           \
    ROW(name) {                                                                                                        \
        CHECK(im_##name(NULL) == (answer));                                                                            \
    }
#define TEXT_READER(name, answer)                                                                                      \
    ROW(name) {                                                                                                        \
        CHECK_TEXT(im_##name(NULL), answer);                                                                           \
    }
#define VIEW_READER(name)                                                                                              \
    ROW(name) {                                                                                                        \
        CHECK(im_##name(NULL).data == NULL && im_##name(NULL).len == 0);                                               \
    }
#define EACH_READER(name, answer)                                                                                      \
    ROW(name) {                                                                                                        \
        CHECK(im_##name(NULL, 0) == (answer));                                                                         \
        CHECK(im_##name(NULL, SIZE_MAX) == (answer));                                                                  \
    }
#define EACH_TEXT_READER(name)                                                                                         \
    ROW(name) {                                                                                                        \
        CHECK_TEXT(im_##name(NULL, 0), "");                                                                            \
        CHECK_TEXT(im_##name(NULL, SIZE_MAX), "");                                                                     \
    }
#define EACH_VIEW_READER(name)                                                                                         \
    ROW(name) {                                                                                                        \
        CHECK(im_##name(NULL, 0).data == NULL && im_##name(NULL, SIZE_MAX).len == 0);                                  \
    }

#endif
