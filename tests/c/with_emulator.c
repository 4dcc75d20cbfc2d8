/*
 * Runs a program with the emulator's settings in its environment, as the lines of `imtag emulator` would set them in a
 * shell: with_emulator PROGRAM ARGUMENT…. Its exit code is that of the program.
 */

#include "support/check.h"
#include "support/emulator.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int count, char **arguments) {
    struct emulator emulator = emulator_start();
    char sdkappid[16];
    int status = 0;
    if (count < 2)
        give_up("usage: with_emulator PROGRAM ARGUMENT…");
    snprintf(sdkappid, sizeof sdkappid, "%u", emulator.sdkappid);
    setenv("IMTAG_SDKAPPID", sdkappid, 1);
    setenv("IMTAG_IDENTIFIER", emulator.identifier, 1);
    setenv("IMTAG_SECRET_KEY_FILE", emulator.key_file, 1);
    setenv("IMTAG_ENDPOINT", emulator.endpoint, 1);
    pid_t program = fork();
    if (program == 0) {
        alarm(100);
        execvp(arguments[1], arguments + 1);
        _exit(127);
    }
    waitpid(program, &status, 0);
    emulator_stop(&emulator);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
