/*
 * The emulator of the service, one for each program that needs one: `$IMTAG_BIN emulator`, on a free port. It ends with
 * the program, also if that crashes.
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
    /* The certificate of its authority; "" for plain HTTP. */
    char ca_file[256];
};

struct emulator emulator_start(void);

/* The same with TLS. Its admin API cannot be used from here. */
struct emulator emulator_start_tls(void);

void emulator_stop(struct emulator *emulator);

/* A UserSig for it; static. */
const char *emulator_usersig(const struct emulator *emulator);

/* A config for it, with the secret key; freed by the caller. */
im_config *emulator_config(const struct emulator *emulator);

/* Makes a client from a config, and frees the config. */
im_client *client_of(im_config *config);

/* Queues faults of a route: faults(&emulator, "add", "{\"kind\": \"cut_after\"}"). */
void emulator_faults(const struct emulator *emulator, const char *route, const char *faults);

/* Calls its admin API; the body of the answer is static, and valid until the next call. */
const char *emulator_ask(const struct emulator *emulator, const char *method, const char *path, const char *body);

#endif
