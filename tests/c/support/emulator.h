/*
 * The emulator of the service, one for each program that needs one: `$IMTAG_BIN emulator`, on a free port. It ends
 * with the program, also with one that crashes.
 */

#ifndef EMULATOR_H
#define EMULATOR_H

#include "imtag.h"

#include <sys/types.h>

struct emulator {
    pid_t process;
    int port;
    unsigned sdkappid;
    char endpoint[64], identifier[64], key_file[256], key[256];
};

struct emulator emulator_start(void);
void emulator_stop(struct emulator *emulator);

/* A config that leads to it, with the secret key; freed by the caller. */
im_config *emulator_config(const struct emulator *emulator);

/* A client of a config, which is freed. */
im_client *client_of(im_config *config);

/* Queues faults of a route: faults(&emulator, "add", "{\"kind\": \"cut_after\"}"). */
void emulator_faults(const struct emulator *emulator, const char *route, const char *faults);

/* Asks its admin API; the answer's body is static, and good until the next call. */
const char *emulator_ask(const struct emulator *emulator, const char *method, const char *path, const char *body);

#endif
