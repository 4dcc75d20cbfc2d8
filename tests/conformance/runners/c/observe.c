/*
 * What a case that is observed answers too: the figures, and the log's records.
 */

#include "runner.h"

#include <stdlib.h>

/* Of the case that is played; NULL where it is not observed. */
static im_log *log_of_case;
static char *figures;
static size_t length;
static FILE *figures_to;

void observe_begin(void) {
    if (im_log_new(IM_LOG_TRACE, 10000, &log_of_case, NULL) != IM_OK)
        abort();
    figures_to = open_memstream(&figures, &length);
}

bool observes(void) {
    return log_of_case != NULL;
}

void observe_stats(im_stats *stats) {
    for (size_t i = 0; i < im_stats_count(stats); i++) {
        char name[256];
        const char *labels = im_stats_labels(stats, i);
        snprintf(name, sizeof name, labels[0] ? "%s{%s}" : "%s%s", im_stats_name(stats, i), labels);
        fprintf(figures_to, "%s", ftell(figures_to) ? ", " : "");
        write_text(figures_to, im_str_from(name));
        fprintf(figures_to, ": %.17g", im_stats_value(stats, i));
    }
    im_stats_free(stats);
}

void observe_end(FILE *to) {
    static const char *const LEVELS[] = {"", "error", "warn", "info", "debug", "trace"};
    const char *between = "";
    im_log_record *record;
    fclose(figures_to);
    fprintf(to, ", \"stats\": {%s}, \"events\": [", figures);
    im_log_close(log_of_case);
    while (im_log_next(log_of_case, 0, &record, NULL) == IM_OK) {
        fprintf(to, "%s{\"level\": \"%s\", \"message\": ", between, LEVELS[im_log_record_level(record)]);
        write_text(to, im_str_from(im_log_record_message(record)));
        fprintf(to, ", \"fields\": %s}", im_log_record_fields(record));
        im_log_record_free(record);
        between = ", ";
    }
    putc(']', to);
    im_log_free(log_of_case);
    free(figures);
    log_of_case = NULL;
}
