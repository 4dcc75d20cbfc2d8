/*
 * Texts and their limits: bytes that are not UTF-8, an account of 33 bytes, a tag of 51, more than 100 users. Each is
 * named with its place, its limit and the remedy, in both forms of a request, and nothing is sent.
 */

#include "support/check.h"
#include "support/emulator.h"
#include "support/operations.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static im_client *client;
static im_error *error;

/* 50 bytes: sixteen characters of three, and two of one. 32 bytes: ten of three, and two of one. */
#define TAG_50 "北京上海广州深圳天津重庆成都武汉ab"
#define ACCOUNT_32 "北京上海广州深圳天津ab"

/* One user with one tag, refused by all that take tags or by all that take accounts, with one violation. */
static void refused(im_str account, im_str tag, bool of_tags, const char *place, const char *problem,
                    const char *remedy) {
    const im_user_tags user = {account, &tag, 1};
    for (int i = 0; i < OPERATION_COUNT; i++) {
        const struct operation *operation = &OPERATIONS[i];
        if (strstr(operation->name, "replace") || operation->tags != of_tags)
            continue;
        char message[300];
        snprintf(message, sizeof message, "invalid request, nothing was sent: %s: %s (%s)", place, problem, remedy);
        im_result *result = (im_result *)&result;
        CHECK(operation->with(client, &user, 1, NULL, &result, &error) == IM_INVALID);
        CHECK(result == NULL);
        CHECK_TEXT(im_error_message(error), message);
        CHECK_TEXT(im_error_remedy(error), remedy);
        CHECK(im_error_violation_count(error) == 1 && im_error_failure_count(error) == 0);
        CHECK_TEXT(im_error_violation_place(error, 0), place);
        CHECK_TEXT(im_error_violation_problem(error, 0), problem);
        CHECK_TEXT(im_error_violation_remedy(error, 0), remedy);
        CHECK_TEXT(im_error_violation_place(error, 1), "");
        int effect = strstr(operation->name, "get") ? IM_NOT_READ : IM_NOT_APPLIED;
        CHECK(im_error_effect(error) == effect && im_error_attempts(error) == 0);
        CHECK(im_error_code(error) == 0 && !im_error_retryable(error));
        im_error_free(error);
    }
}

static void one_too_much(void) {
    const im_str good = IM_STR("xiaojun012"), tag = IM_STR("a");
    refused(good, IM_STR(TAG_50 "c"), true, "users[0].tags[0]", "51 bytes, at most 50", "shorten it");
    refused(IM_STR(ACCOUNT_32 "c"), tag, true, "users[0].account", "33 bytes, at most 32", "shorten it");
    refused(IM_STR(ACCOUNT_32 "c"), tag, false, "accounts[0]", "33 bytes, at most 32", "shorten it");
    refused(good, IM_STR(""), true, "users[0].tags[0]", "empty, at least 1 byte", "leave it out, or fill it");
    refused(good, (im_str){NULL, 0}, true, "users[0].tags[0]", "empty, at least 1 byte", "leave it out, or fill it");
    refused((im_str){NULL, 0}, tag, false, "accounts[0]", "empty, at least 1 byte", "leave it out, or fill it");
}

/* What no encoder of UTF-8 writes: cut short, too long a form, a surrogate, past the last character. */
static void not_utf8(void) {
    const im_str good = IM_STR("xiaojun012"), tag = IM_STR("a");
    const struct {
        im_str text;
        const char *problem;
    } bad[] = {
        {IM_STR_INIT("\xff"), "not UTF-8 from byte 0 on"},
        {IM_STR_INIT("ab\xe5\x8c"), "not UTF-8 from byte 2 on"},
        {IM_STR_INIT("a\xc0\xaf"), "not UTF-8 from byte 1 on"},
        {IM_STR_INIT("\xed\xa0\x80"), "not UTF-8 from byte 0 on"},
        {IM_STR_INIT("\xf4\x90\x80\x80"), "not UTF-8 from byte 0 on"},
        {IM_STR_INIT("abc\x80"), "not UTF-8 from byte 3 on"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        refused(good, bad[i].text, true, "users[0].tags[0]", bad[i].problem, "convert it to UTF-8");
        refused(bad[i].text, tag, true, "users[0].account", bad[i].problem, "convert it to UTF-8");
        refused(bad[i].text, tag, false, "accounts[0]", bad[i].problem, "convert it to UTF-8");
    }
}

/* The longest that may be sent arrives, in both forms, byte by byte. */
static void the_longest(void) {
    const im_str tags[] = {IM_STR(TAG_50)};
    const im_user_tags user = {IM_STR(ACCOUNT_32), tags, 1};
    CHECK(user.account.len == 32 && tags[0].len == 50);
    for (int i = 0; i < OPERATION_COUNT; i += 5) {
        im_result *result;
        EXPECT_OK(OPERATIONS[i].with(client, &user, 1, NULL, &result, &error), &error);
        im_result_free(result);
        EXPECT_OK(OPERATIONS[i + 3].with(client, &user, 1, NULL, &result, &error), &error);
        size_t count = 0;
        const im_user_tags *read = im_result_users(result, &count);
        CHECK(count == 1 && same(read->account, ACCOUNT_32) && read->tag_count == 1 && same(read->tags[0], TAG_50));
        im_result_free(result);
        EXPECT_OK(OPERATIONS[i + 4].with(client, &user, 1, NULL, NULL, &error), &error);
    }
}

/* A NUL is a character like any other, in what is sent; in a message it is made visible. */
static void a_nul_within(void) {
    const im_str tag = IM_STR("a\0b");
    const im_user_tags user = {IM_STR("xiao\0jun"), &tag, 1};
    im_result *result;
    EXPECT_OK(im_add_tag(client, &user, 1, NULL, NULL, &error), &error);
    EXPECT_OK(im_get_tag(client, &user.account, 1, NULL, &result, &error), &error);
    size_t count = 0;
    const im_user_tags *read = im_result_users(result, &count);
    CHECK(count == 1 && read->account.len == 8 && memcmp(read->account.data, "xiao\0jun", 8) == 0);
    CHECK(read->tag_count == 1 && read->tags[0].len == 3 && memcmp(read->tags[0].data, "a\0b", 3) == 0);
    im_result_free(result);
}

/* In place of lengths there may be a NUL after each text. Where there are more or fewer of them than texts, the lengths were
 * forgotten. */
static void a_nul_after_each(void) {
    const char *text = "anna\0vip\0new\0bob\0old\0", *accounts = "bob\0anna\0";
    const size_t tag_counts[] = {2, 1};
    im_result *result;
    EXPECT_OK(im_add_tag_flat(client, text, 21, NULL, 5, tag_counts, 2, NULL, NULL, &error), &error);
    EXPECT_OK(im_get_tag_flat(client, accounts, 9, NULL, 2, NULL, &result, &error), &error);
    size_t count = 0;
    const im_user_tags *read = im_result_users(result, &count);
    CHECK(count == 2);
    CHECK(same(read[0].account, "bob") && read[0].tag_count == 1 && same(read[0].tags[0], "old"));
    CHECK(same(read[1].account, "anna") && read[1].tag_count == 2);
    CHECK(same(read[1].tags[0], "new") && same(read[1].tags[1], "vip"));
    im_result_free(result);

    EXPECT_MISUSE(im_add_tag_flat(client, text, 20, NULL, 5, tag_counts, 2, NULL, NULL, &error), &error,
                  "lengths: a NULL pointer with a length of 5: give both or neither");
    EXPECT_MISUSE(im_add_tag_flat(client, text, 17, NULL, 5, tag_counts, 2, NULL, NULL, &error), &error,
                  "lengths: a NULL pointer with a length of 5: give both or neither");
    EXPECT_MISUSE(im_add_tag_flat(client, "annavipnewbobold", 16, NULL, 5, tag_counts, 2, NULL, NULL, &error), &error,
                  "lengths: a NULL pointer with a length of 5: give both or neither");
    EXPECT_MISUSE(im_add_tag_flat(client, text, 17, NULL, 4, tag_counts, 2, NULL, NULL, &error), &error,
                  "tag_counts: 2 users and their tags are not the 4 strings of lengths");
    EXPECT_MISUSE(im_get_tag_flat(client, accounts, 9, NULL, 1, NULL, NULL, &error), &error,
                  "lengths: a NULL pointer with a length of 1: give both or neither");
}

static void users_past_100(void) {
    static char names[101][8];
    static im_user_tags users[101];
    const im_str tag = IM_STR("a");
    for (int i = 0; i < 101; i++) {
        snprintf(names[i], sizeof names[i], "user%03d", i);
        users[i] = (im_user_tags){im_str_from(names[i]), &tag, 1};
    }
    for (int i = 0; i < OPERATION_COUNT; i++) {
        const struct operation *operation = &OPERATIONS[i];
        if (strstr(operation->name, "replace"))
            continue;
        im_result *result;
        EXPECT_OK(operation->with(client, users, 100, NULL, &result, &error), &error);
        CHECK(im_result_accounts(result) == 100);
        im_result_free(result);
        char message[200];
        snprintf(message, sizeof message,
                 "invalid request, nothing was sent: %s: 101 given, at most 100 (split it into several requests)",
                 operation->place);
        EXPECT(operation->with(client, users, 101, NULL, NULL, &error), IM_INVALID, &error, message);
    }
}

/* All that is wrong is named at once, each by its place; the message shows ten. */
static void all_at_once(void) {
    const im_str bad[] = {IM_STR("a"), IM_STR(""), IM_STR(TAG_50 "c"), IM_STR("\xff")};
    const im_user_tags users[] = {{IM_STR("a"), bad, 4}, {IM_STR("b"), NULL, 0}, {IM_STR("a"), bad, 1}};
    const char *places[] = {"users[0].tags[1]", "users[0].tags[2]", "users[0].tags[3]", "users[1].tags",
                            "users[2].account"};
    const char *problems[] = {"empty, at least 1 byte", "51 bytes, at most 50", "not UTF-8 from byte 0 on",
                              "none given, at least 1", "the same account as at position 0, at most once a request"};
    for (int i = 0; i < OPERATION_COUNT; i += 5) {
        CHECK(OPERATIONS[i].with(client, users, 3, NULL, NULL, &error) == IM_INVALID);
        CHECK(im_error_violation_count(error) == 5);
        for (size_t j = 0; j < 5; j++) {
            CHECK_TEXT(im_error_violation_place(error, j), places[j]);
            CHECK_TEXT(im_error_violation_problem(error, j), problems[j]);
        }
        im_error_free(error);
        EXPECT(OPERATIONS[i + 2].with(client, users, 0, NULL, NULL, &error), IM_INVALID, &error,
               "invalid request, nothing was sent: replace: not possible on the all_member_push paths (choose the "
               "generation timpush, or clear the tags and add new ones); users: none given, at least 1 (leave it out, or "
               "fill it)");
    }
}

int main(void) {
    begin("texts", 120);
    struct emulator emulator = emulator_start();
    client = client_of(emulator_config(&emulator));
    one_too_much();
    not_utf8();
    all_at_once();
    CHECK(strcmp(emulator_ask(&emulator, "GET", "/emulator/requests", ""), "{\"requests\":[]}") == 0);
    the_longest();
    a_nul_within();
    a_nul_after_each();
    users_past_100();
    im_client_free(client);
    emulator_stop(&emulator);
    return end();
}
