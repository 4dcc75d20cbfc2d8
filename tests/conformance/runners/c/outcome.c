/*
 * The outcome of a case as JSON. Texts have a length and may hold a NUL, so they are written here and not
 * by cJSON.
 */

#include "runner.h"

#include <stdlib.h>

static const char *const STATUSES[] = {
    "ok",         "partial", "invalid",   "misuse",  "settings", "credentials",    "service",
    "http_status", "timeout", "cancelled", "network", "tls",      "not_understood", "defect",
    "full",       "closed",  "no_thread",
};

static const char *const EFFECTS[] = {"not applied", "possibly applied", "applied", "not read"};

void write_text(FILE *to, im_str text) {
    putc('"', to);
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if (byte == '"' || byte == '\\')
            fprintf(to, "\\%c", byte);
        else if (byte < 0x20)
            fprintf(to, "\\u%04x", byte);
        else
            putc(byte, to);
    }
    putc('"', to);
}

static void member(FILE *to, const char *name, im_str text) {
    fprintf(to, "\"%s\": ", name);
    write_text(to, text);
    fputs(", ", to);
}

static void write_texts(FILE *to, const im_str *texts, size_t count) {
    putc('[', to);
    for (size_t i = 0; i < count; i++) {
        fputs(i ? ", " : "", to);
        write_text(to, texts[i]);
    }
    putc(']', to);
}

static void write_result(FILE *to, const im_result *result) {
    size_t count;
    fprintf(to, ", \"result\": {\"accounts\": %zu, \"attempts\": %u, \"attempts_sent\": %u, ",
            im_result_accounts(result), im_result_attempts(result), im_result_attempts_sent(result));
    member(to, "request_id", im_result_request_id(result));
    const im_user_tags *users = im_result_users(result, &count);
    fputs("\"users\": [", to);
    for (size_t i = 0; i < count; i++) {
        fputs(i ? ", {" : "{", to);
        member(to, "account", users[i].account);
        fputs("\"tags\": ", to);
        write_texts(to, users[i].tags, users[i].tag_count);
        putc('}', to);
    }
    fputs("], \"unanswered\": ", to);
    const im_str *unanswered = im_result_unanswered(result, &count);
    write_texts(to, unanswered, count);
    putc('}', to);
}

static void write_left_out(FILE *to, const im_error *error) {
    fputs("\"failures\": [", to);
    for (size_t i = 0; i < im_error_failure_count(error); i++) {
        fputs(i ? ", {" : "{", to);
        member(to, "account", im_error_failure_account(error, i));
        member(to, "text", im_error_failure_text(error, i));
        member(to, "remedy", im_str_from(im_error_failure_remedy(error, i)));
        fprintf(to, "\"code\": %d, \"effect\": \"%s\", \"retryable\": %s}", im_error_failure_code(error, i),
                EFFECTS[im_error_failure_effect(error, i)], im_error_failure_retryable(error, i) ? "true" : "false");
    }
    putc(']', to);
}

static void write_violations(FILE *to, const im_error *error) {
    fputs("\"violations\": [", to);
    for (size_t i = 0; i < im_error_violation_count(error); i++) {
        fputs(i ? ", {" : "{", to);
        member(to, "place", im_str_from(im_error_violation_place(error, i)));
        member(to, "problem", im_str_from(im_error_violation_problem(error, i)));
        fputs("\"remedy\": ", to);
        write_text(to, im_str_from(im_error_violation_remedy(error, i)));
        putc('}', to);
    }
    putc(']', to);
}

/* What an error of a call says, and one of a change. */
static void write_why(FILE *to, const im_error *error) {
    member(to, "message", im_str_from(im_error_message(error)));
    member(to, "remedy", im_str_from(im_error_remedy(error)));
    member(to, "text", im_error_text(error));
    fprintf(to, "\"code\": %d, \"effect\": \"%s\", \"retryable\": %s, ", im_error_code(error),
            EFFECTS[im_error_effect(error)], im_error_retryable(error) ? "true" : "false");
    write_violations(to, error);
}

static const char *name_of(im_status status) {
    bool known = status >= 0 && (size_t)status < sizeof STATUSES / sizeof *STATUSES;
    return known ? STATUSES[status] : "unknown";
}

void write_end(FILE *to, im_status status, const im_error *error) {
    fprintf(to, "{\"status\": \"%s\"", name_of(status));
    if (!error)
        return;
    fputs(", \"error\": {", to);
    write_why(to, error);
    fputs(", ", to);
    member(to, "request_id", im_error_request_id(error));
    fprintf(to, "\"attempts\": %u, \"attempts_sent\": %u, ", im_error_attempts(error), im_error_attempts_sent(error));
    write_left_out(to, error);
    putc('}', to);
}

void write_outcome(FILE *to, im_status status, const im_result *result, const im_error *error) {
    write_end(to, status, error);
    if (result)
        write_result(to, result);
    putc('}', to);
}

char *failure_of(const im_error *error) {
    char *failure = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&failure, &size);
    fprintf(to, "\"status\": \"%s\", ", name_of(im_error_status(error)));
    member(to, "account", im_error_failure_account(error, 0));
    write_why(to, error);
    fputs(", \"undone\": [", to);
    for (size_t i = 0; i < im_error_undone_count(error); i++) {
        fputs(i ? ", " : "", to);
        write_text(to, im_error_undone(error, i));
    }
    putc(']', to);
    fclose(to);
    return failure;
}

void write_failures(FILE *to, const char *position, char *const *failures, size_t count) {
    const char *between = "";
    fputs(", \"failures\": [", to);
    for (size_t i = 0; i < count; i++) {
        if (!failures[i])
            continue;
        fprintf(to, "%s{\"%s\": %zu, %s}", between, position, i, failures[i]);
        between = ", ";
    }
    putc(']', to);
}
