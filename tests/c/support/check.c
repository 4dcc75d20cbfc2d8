#define _GNU_SOURCE
#include "check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

static const char *program;
static int checks, failures;
/* Where standard output and error went before, and where they go now. */
static int terminal, printed;

void begin(const char *name, unsigned seconds) {
    program = name;
    alarm(seconds);
    terminal = dup(2);
    printed = memfd_create("printed", MFD_CLOEXEC);
    if (terminal < 0 || printed < 0 || dup2(printed, 1) < 0 || dup2(printed, 2) < 0)
        give_up("cannot redirect the output");
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_set_report_fd((void *)(intptr_t)terminal);
#endif
}

int end(void) {
    fflush(NULL);
    char start[200] = "";
    ssize_t length = pread(printed, start, sizeof start - 1, 0);
    check_at(program, 0, length == 0, "the library prints nothing");
    if (length > 0)
        dprintf(terminal, "printed: %s\n", start);
    dprintf(terminal, "%s: %d checks, %d failed\n", program, checks, failures);
    return failures ? 1 : 0;
}

void give_up(const char *what) {
    dprintf(program ? terminal : 2, "%s: %s (%s)\n", program ? program : "test", what, strerror(errno));
    _exit(2);
}

void check_at(const char *file, int line, bool holds, const char *what) {
    __atomic_add_fetch(&checks, 1, __ATOMIC_SEQ_CST);
    if (!holds) {
        __atomic_add_fetch(&failures, 1, __ATOMIC_SEQ_CST);
        dprintf(terminal, "%s:%d: does not hold: %s\n", file, line, what);
    }
}

void expect_text_at(const char *file, int line, const char *got, const char *wanted) {
    bool holds = got && strcmp(got, wanted) == 0;
    check_at(file, line, holds, "the text that is expected");
    if (!holds)
        dprintf(terminal, "  got:      %s\n  expected: %s\n", got ? got : "NULL", wanted);
}

void expect_at(const char *file, int line, im_status got, im_status wanted, im_error **error, const char *start,
               const char *message) {
    if (got != wanted)
        dprintf(terminal, "%s:%d: status %d instead of %d: %s\n", file, line, got, wanted,
                error ? im_error_message(*error) : "");
    check_at(file, line, got == wanted, "the status that is expected");
    if (!error)
        return;
    check_at(file, line, (*error != NULL) == (got != IM_OK), "an error is left unless the status is IM_OK");
    check_at(file, line, im_error_status(*error) == got, "the error's status is the function's");
    if (message && *error) {
        char whole[2048];
        snprintf(whole, sizeof whole, "%s%s", start, message);
        expect_text_at(file, line, im_error_message(*error), whole);
    }
    im_error_free(*error);
    *error = NULL;
}

long now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000L + now.tv_nsec / 1000000;
}

bool same(im_str got, const char *wanted) {
    return got.len == strlen(wanted) && (got.len == 0 || memcmp(got.data, wanted, got.len) == 0);
}
