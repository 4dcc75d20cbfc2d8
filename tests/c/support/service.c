#define _GNU_SOURCE
#include "service.h"
#include "check.h"

#include <string.h>
#include <unistd.h>

struct emulator emulator;
im_client *client;

void service_begin(const char *name, unsigned seconds) {
    begin(name, seconds);
    emulator = emulator_start();
    client = client_of(emulator_config(&emulator));
}

int service_end(void) {
    im_client_free(client);
    emulator_stop(&emulator);
    return end();
}

im_bulk *new_bulk(void) {
    im_bulk *bulk;
    im_error *error;
    EXPECT_OK(im_bulk_new(client, &bulk, &error), &error);
    return bulk;
}

im_batcher *new_batcher(uint64_t linger_ms) {
    im_batcher *batcher;
    im_error *error;
    EXPECT_OK(im_batcher_new(client, &batcher, &error), &error);
    CHECK(im_batcher_set_linger_ms(batcher, linger_ms) == IM_OK);
    CHECK(im_batcher_set_late_window_ms(batcher, 0) == IM_OK);
    /* a request that hangs is not repeated, however slow the machine is */
    CHECK(im_batcher_set_timeout_ms(batcher, 120000) == IM_OK);
    CHECK(im_batcher_set_attempt_timeout_ms(batcher, 120000) == IM_OK);
    return batcher;
}

void until_request_in_flight(void) {
    while (!strstr(emulator_ask(&emulator, "GET", "/emulator/stats", ""), "\"faults_waiting\":0"))
        usleep(1000);
}
