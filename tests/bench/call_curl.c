/*
 libcurl, as a client of `cargo xtask bench call`: what a program in C uses that writes its request by hand. What it takes
 of libcurl is declared here, as its interface does not change, so that its headers need not be installed.
*/

#include "call.h"
#include <string.h>

enum {
    CURLOPT_POST = 47,
    CURLOPT_POSTFIELDSIZE = 60,
    CURLOPT_NOSIGNAL = 99,
    CURLOPT_WRITEDATA = 10001,
    CURLOPT_URL = 10002,
    CURLOPT_POSTFIELDS = 10015,
    CURLOPT_HTTPHEADER = 10023,
    CURLOPT_CAINFO = 10065,
    CURLOPT_WRITEFUNCTION = 20011
};

extern void *curl_easy_init(void);
extern int curl_easy_setopt(void *curl, int option, ...);
extern int curl_easy_perform(void *curl);
extern const char *curl_easy_strerror(int code);
extern void *curl_slist_append(void *list, const char *text);

static const char TARGET[] =
    "/v4/all_member_push/im_add_tag?sdkappid=1400000000&identifier=administrator&usersig="
    "eJwtzM0KgkAYheF7mXXIN*OMjkKLFm36U8loE4QxY3xZNuiUUXTviXo8z4H3S3bbzHvqmoSEeUAm-SOlb9Zgib23oCuscbC36ZaWdVkXxqAiIQUA"
    "Kv3hLDqdNhjXkzPfY0AFUBYwIYfB6m2w1m5XlCppRByogHMpJPM4zf6TIj4lq*bxnBR8ceHpyh6PbL-AWVUoJw_&random=1&contenttype=json";

static void *curl;
static char body[64 * 1024], answer[4096];
static size_t body_length, answer_length;

static size_t arrived(char *data, size_t size, size_t count, void *context) {
    size_t bytes = size * count;
    (void)context;
    if (bytes >= sizeof answer - answer_length) {
        return 0;
    }
    memcpy(answer + answer_length, data, bytes);
    answer_length += bytes;
    answer[answer_length] = '\0';
    return bytes;
}

static void connect_to(const char *endpoint, const char *ca_file) {
    char url[1024];
    snprintf(url, sizeof url, "%s%s", endpoint, TARGET);
    void *headers = curl_slist_append(NULL, "Content-Type: application/json");
    headers = curl_slist_append(headers, "Expect:"); /* it would wait for leave to send a long body */
    curl = curl_easy_init();
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_CAINFO, ca_file);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_POST, 1L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, arrived);
}

static void put(const char *text) {
    size_t length = strlen(text);
    memcpy(body + body_length, text, length);
    body_length += length;
}

static void call(void) {
    body_length = answer_length = 0;
    put("{\"UserTags\":[");
    for (size_t user = 0; user < user_count; user++) {
        put(user == 0 ? "{\"To_Account\":\"" : ",{\"To_Account\":\"");
        put(users[user].account);
        for (size_t tag = 0; tag < tag_count; tag++) {
            put(tag == 0 ? "\",\"Tags\":[\"" : "\",\"");
            put(users[user].tags[tag]);
        }
        put("\"]}");
    }
    put("]}");
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)body_length);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    int code = curl_easy_perform(curl);
    if (code != 0) {
        fail("call", curl_easy_strerror(code));
    }
    if (strstr(answer, "\"ErrorCode\":0") == NULL) {
        fail("call", answer);
    }
}

int main(int argc, char **argv) { return measure(argc, argv, connect_to, call); }
