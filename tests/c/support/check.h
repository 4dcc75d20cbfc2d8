/*
 * Test programs of the C interface: checks that name their place, a time limit for the whole program, and silence. The
 * library prints nothing, so the programs redirect standard output and standard error when they begin, and check at the
 * end that nothing was written; their own messages go to the terminal all the same.
 */

#ifndef CHECK_H
#define CHECK_H

#include "imtag.h"

/* Begins a program: it is killed when it takes longer than that many seconds. */
void begin(const char *name, unsigned seconds);

/* Ends it: the exit code, 0 if all checks held. */
int end(void);

/* Ends at once with the reason: for what the test itself needs and cannot get. */
void give_up(const char *what);

void check_at(const char *file, int line, bool holds, const char *what);
void expect_at(const char *file, int line, im_status got, im_status wanted, im_error **error, const char *start,
               const char *message);
void expect_text_at(const char *file, int line, const char *got, const char *wanted);

/* The condition holds, or is named. */
#define CHECK(condition) check_at(__FILE__, __LINE__, (condition), #condition)

/* A text is this one. */
#define CHECK_TEXT(got, wanted) expect_text_at(__FILE__, __LINE__, (got), (wanted))

/* The status, and an error of that status with this message, whole. Frees the error and sets it to NULL. */
#define EXPECT(got, wanted, error, message) expect_at(__FILE__, __LINE__, (got), (wanted), (error), "", (message))

/* The same for a wrong use, without the words that all such messages begin with. */
#define EXPECT_MISUSE(got, error, message)                                                                             \
    expect_at(__FILE__, __LINE__, (got), IM_MISUSE, (error), "wrong use of libimtag, nothing was sent: ", (message))

/* Done, and no error. */
#define EXPECT_OK(got, error) expect_at(__FILE__, __LINE__, (got), IM_OK, (error), "", NULL)

/* Milliseconds of the monotonic clock. */
long now_ms(void);

/* Whether a view is this text. */
bool same(im_str got, const char *wanted);

#endif
