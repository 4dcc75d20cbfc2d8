/*
 * The conformance runner in C: a case a line in, its outcome a line out. It compares nothing; what it must know of C
 * is how a text, a setting and an error look there.
 */

#ifndef RUNNER_H
#define RUNNER_H

#include <imtag.h>

#include <cjson/cJSON.h>
#include <stdio.h>

/* Reads a case; NULL if the line is no JSON. */
cJSON *case_of(char *line);

/* A text of a case: a string, or {"hex": "61ff"}. The bytes are the case's, which
   hold hex no more once they are read; static where there are none. */
im_str text_of(const cJSON *text);

/* A config of a case's settings. What it is given lives until the outcome is written. */
im_config *config_of(const cJSON *settings);

/* Makes a case's call. */
im_status call_of(const im_client *client, const cJSON *call, im_result **result, im_error **error);

/* Writes an outcome, and a line feed. */
void write_outcome(FILE *to, im_status status, const im_result *result, const im_error *error);

#endif
