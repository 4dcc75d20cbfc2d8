/*
 * The one thing that a runner asks while it plays a case: a line out, and the line that answers it.
 */

#include "runner.h"

#include <stdlib.h>

void await_arrivals(const cJSON *count) {
    /* one thread at a time, so that the line which comes is its own */
    static pthread_mutex_t asking = PTHREAD_MUTEX_INITIALIZER;
    char *line = NULL;
    size_t size = 0;
    pthread_mutex_lock(&asking);
    printf("{\"await_arrivals\": %d}\n", (int)cJSON_GetNumberValue(count));
    fflush(stdout);
    if (getline(&line, &size, stdin) < 0) {
        fputs("the input ends while arrivals are awaited\n", stderr);
        exit(2);
    }
    pthread_mutex_unlock(&asking);
    free(line);
}
