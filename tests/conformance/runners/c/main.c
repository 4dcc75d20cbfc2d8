/*
 * Standard input: a case a line. Standard output: its outcome, a line each. Exit code 0 at the end of input.
 *
 *     gcc *.c $(pkg-config --cflags --libs imtag libcjson) -pthread -o runner
 */

#include "runner.h"

#include <stdlib.h>

static void run(const cJSON *of) {
    im_client *client;
    im_result *result = NULL;
    im_error *error;
    im_config *config = config_of(cJSON_GetObjectItemCaseSensitive(of, "settings"));
    im_status status = im_client_new(config, &client, &error);
    im_config_free(config);
    if (status == IM_OK)
        status = call_of(client, cJSON_GetObjectItemCaseSensitive(of, "call"), &result, &error);
    im_client_free(client);
    write_outcome(stdout, status, result, error);
    im_result_free(result);
    im_error_free(error);
}

int main(void) {
    char *line = NULL;
    size_t size = 0;
    while (getline(&line, &size, stdin) > 0) {
        cJSON *of = case_of(line);
        if (!of) {
            fprintf(stderr, "not a case: %s", line);
            return 2;
        }
        run(of);
        cJSON_Delete(of);
    }
    free(line);
    return 0;
}
