/*
 * What most test programs need: one emulator, one client of it, bulk runs and batchers of that client, and a request
 * that hangs.
 */

#ifndef SERVICE_H
#define SERVICE_H

#include "emulator.h"

extern struct emulator emulator;
extern im_client *client;

/* Begins a program with an emulator and a client: it is killed when it takes longer than that many seconds. */
void service_begin(const char *name, unsigned seconds);

/* Frees the client, stops the emulator and ends the program: the exit code, 0 if all checks held. */
int service_end(void);

im_bulk *new_bulk(void);

/* A batcher without a late window. */
im_batcher *new_batcher(uint64_t linger_ms);

/* A fault: the request is answered after a minute. */
#define HANGS "{\"kind\": \"delay\", \"delay_ms\": 60000}"

/* Returns when the request that takes the fault has arrived. */
void until_request_in_flight(void);

#endif
