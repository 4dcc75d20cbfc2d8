/*
 * Texts, numbers and changes of a case. In JSON a text may hold a NUL, which cJSON's strings cannot: it travels as
 * U+F8FF, which no case uses.
 */

#include "runner.h"

#include <stdlib.h>
#include <string.h>

static const char NUL_IN_JSON[] = "\\u0000", STAND_IN_IN_JSON[] = "\\uf8ff", STAND_IN[] = "\xef\xa3\xbf";

const cJSON *member_of(const cJSON *object, const char *name) {
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

cJSON *case_of(char *line) {
    for (char *at = line; (at = strchr(at, '\\')); at += at[1] ? 2 : 1)
        if (strncmp(at, NUL_IN_JSON, 6) == 0)
            memcpy(at, STAND_IN_IN_JSON, 6);
    return cJSON_Parse(line);
}

/* In place, as it only gets shorter. */
static size_t with_nuls(char *text) {
    size_t length = 0;
    for (const char *at = text; *at; length++) {
        bool nul = strncmp(at, STAND_IN, 3) == 0;
        text[length] = nul ? '\0' : *at;
        at += nul ? 3 : 1;
    }
    text[length] = '\0';
    return length;
}

static size_t from_hex(char *text) {
    size_t length = 0;
    for (const char *at = text; at[0] && at[1]; at += 2) {
        const char digits[] = {at[0], at[1], '\0'};
        text[length++] = (char)strtoul(digits, NULL, 16);
    }
    return length;
}

im_str text_of(const cJSON *text) {
    const cJSON *hex = member_of(text, "hex");
    char *string = cJSON_GetStringValue(hex ? hex : text);
    if (!string)
        return IM_STR("");
    im_str view = {string, hex ? from_hex(string) : with_nuls(string)};
    return view;
}

im_str *texts_of(const cJSON *array, size_t *count) {
    *count = (size_t)cJSON_GetArraySize(array);
    im_str *texts = calloc(*count + 1, sizeof *texts);
    const cJSON *text;
    size_t at = 0;
    cJSON_ArrayForEach(text, array) texts[at++] = text_of(text);
    return texts;
}

uint64_t number_of(const cJSON *number) {
    double value = number ? cJSON_GetNumberValue(number) : 0;
    return value >= 18446744073709551616.0 ? UINT64_MAX : (uint64_t)value;
}

struct change change_of(const cJSON *change) {
    const char *operation = cJSON_GetStringValue(member_of(change, "operation"));
    struct change it = {.operation = IM_CLEAR, .account = text_of(member_of(change, "account"))};
    if (operation && strcmp(operation, "add") == 0)
        it.operation = IM_ADD;
    else if (operation && strcmp(operation, "remove") == 0)
        it.operation = IM_REMOVE;
    else if (operation && strcmp(operation, "replace") == 0)
        it.operation = IM_REPLACE;
    it.tags = texts_of(member_of(change, "tags"), &it.tag_count);
    return it;
}
