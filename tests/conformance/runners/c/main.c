/*
 * Standard input: a case a line. Standard output: its outcome, a line each. Exit code 0 at the end of input.
 *
 *     gcc *.c $(pkg-config --cflags --libs imtag libcjson) -pthread -o runner
 */

#include "runner.h"

#include <stdlib.h>

static void play(const cJSON *of, FILE *to) {
    im_client *client = NULL;
    im_error *error = NULL;
    im_config *config = NULL;
    im_status status = config_of(member_of(of, "settings"), &config, &error);
    if (status == IM_OK)
        status = im_client_new(config, &client, &error);
    im_config_free(config);
    const cJSON *bulk = member_of(of, "bulk"), *batcher = member_of(of, "batcher");
    if (status != IM_OK)
        write_outcome(to, status, NULL, error);
    else if (bulk)
        play_bulk(client, bulk, to);
    else if (batcher)
        play_batcher(client, batcher, to);
    else
        play_call(client, member_of(of, "call"), to);
    im_stats *stats = NULL;
    if (client && observes() && im_client_stats(client, &stats, NULL) == IM_OK)
        observe_stats(stats);
    im_client_free(client);
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
        /* written once all is over, as a case may have lines of its own before */
        char *outcome = NULL;
        size_t length = 0;
        FILE *to = open_memstream(&outcome, &length);
        bool is_observed = cJSON_IsTrue(member_of(of, "observe"));
        if (is_observed)
            observe_begin();
        play(of, to);
        if (is_observed) {
            fseek(to, -1, SEEK_CUR); /* the object goes on */
            observe_end(to);
            putc('}', to);
        }
        fclose(to);
        puts(outcome);
        fflush(stdout);
        free(outcome);
        cJSON_Delete(of);
    }
    free(line);
    return 0;
}
