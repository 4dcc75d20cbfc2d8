/*
 * Wrong pointers and lengths: NULL within structs, alignments that a type cannot have, lengths that no memory has,
 * numbers of the flat form that do not add up. All are found before anything is read through them, so that no test
 * touches invalid memory.
 */

#include "support/check.h"
#include "support/operations.h"
#include "support/servers.h"

#include <stdio.h>

static im_client *client;
static im_error *error;

/* More than any request has, though an array of that many bytes could exist. */
static const size_t TOO_MANY = ((size_t)1 << 30) + 1;
/* With elements of 16 bytes, the product wraps around to 0. */
static const size_t WRAPS = SIZE_MAX / 16 + 1;

static const im_str TAG[] = {IM_STR_INIT("a")};

static void in_a_user(im_user_tags user, const char *message) {
    const im_user_tags users[] = {{IM_STR_INIT("xiaojun012"), TAG, 1}, user};
    EXPECT_MISUSE(im_add_tag(client, users, 2, NULL, NULL, &error), &error, message);
    EXPECT_MISUSE(im_remove_tag(client, users, 2, NULL, NULL, &error), &error, message);
    EXPECT_MISUSE(im_replace_tags(client, users, 2, NULL, NULL, &error), &error, message);
}

static void pointers_in_structs(void) {
    const im_str account = IM_STR_INIT("xiaojun013"), nulls[] = {IM_STR_INIT("a"), {NULL, 2}};
    in_a_user((im_user_tags){{NULL, 10}, TAG, 1},
              "users[1].account: a NULL pointer with a length of 10: give both or neither");
    in_a_user((im_user_tags){account, NULL, 1},
              "users[1].tags: a NULL pointer with a length of 1: give both or neither");
    in_a_user((im_user_tags){account, nulls, 2},
              "users[1].tags[1]: a NULL pointer with a length of 2: give both or neither");
    in_a_user((im_user_tags){account, (const im_str *)((const char *)nulls + 1), 2},
              "users[1].tags: a pointer that is not aligned for its type");
    in_a_user((im_user_tags){{"x", SIZE_MAX}, TAG, 1},
              "users[1].account: a length of 18446744073709551615, more than any request has: was it set?");
    in_a_user((im_user_tags){account, TAG, TOO_MANY},
              "users[1].tags: a length of 1073741825, more than any request has: was it set?");
    in_a_user((im_user_tags){account, TAG, WRAPS},
              "users[1].tags: a length of 1152921504606846976, more than any request has: was it set?");

    EXPECT_MISUSE(im_get_tag(client, nulls, 2, NULL, NULL, &error), &error,
                  "accounts[1]: a NULL pointer with a length of 2: give both or neither");
    const im_str endless[] = {{"x", TOO_MANY}};
    EXPECT_MISUSE(im_clear_tags(client, endless, 1, NULL, NULL, &error), &error,
                  "accounts[0]: a length of 1073741825, more than any request has: was it set?");
}

static void lists(void) {
    char message[200];
    static const size_t space[8];
    for (int i = 0; i < OPERATION_COUNT; i++) {
        const struct operation *operation = &OPERATIONS[i];
        snprintf(message, sizeof message, "%s: a pointer that is not aligned for its type", operation->argument);
        EXPECT_MISUSE(operation->at(client, (const char *)space + 1, 1, &error), &error, message);
        const size_t absurd[] = {SIZE_MAX, SIZE_MAX / 2, TOO_MANY, WRAPS};
        for (int j = 0; j < 4; j++) {
            snprintf(message, sizeof message, "%s: a length of %zu, more than any request has: was it set?",
                     operation->argument, absurd[j]);
            EXPECT_MISUSE(operation->at(client, space, absurd[j], &error), &error, message);
            EXPECT_MISUSE(operation->at(client, NULL, absurd[j], &error), &error, message);
        }
    }
}

typedef im_status (*users_flat)(const im_client *, const char *, size_t, const size_t *, size_t, const size_t *, size_t,
                                im_call *, im_result **, im_error **);
typedef im_status (*accounts_flat)(const im_client *, const char *, size_t, const size_t *, size_t, im_call *,
                                   im_result **, im_error **);

static void of_users(users_flat of) {
    const char *text = "xiaojun012ab"; /* an account of 10 bytes and two tags */
    const size_t lengths[] = {10, 1, 1}, tag_counts[] = {2}, wraps[] = {SIZE_MAX, 13};
    const size_t *odd = (const size_t *)((const char *)tag_counts + 4);
    EXPECT_MISUSE(of(client, NULL, 12, lengths, 3, tag_counts, 1, NULL, NULL, &error), &error,
                  "text: a NULL pointer with a length of 12: give both or neither");
    EXPECT_MISUSE(of(client, text, SIZE_MAX, lengths, 3, tag_counts, 1, NULL, NULL, &error), &error,
                  "text: a length of 18446744073709551615, more than any request has: was it set?");
    EXPECT_MISUSE(of(client, text, 12, lengths, 3, NULL, 1, NULL, NULL, &error), &error,
                  "tag_counts: a NULL pointer with a length of 1: give both or neither");
    EXPECT_MISUSE(of(client, text, 12, lengths, 3, odd, 1, NULL, NULL, &error), &error,
                  "tag_counts: a pointer that is not aligned for its type");
    EXPECT_MISUSE(of(client, text, 12, lengths, 3, tag_counts, TOO_MANY, NULL, NULL, &error), &error,
                  "tag_counts: a length of 1073741825, more than any request has: was it set?");

    EXPECT_MISUSE(of(client, text, 11, lengths, 3, tag_counts, 1, NULL, NULL, &error), &error,
                  "lengths: they do not add up to the 11 bytes of text");
    EXPECT_MISUSE(of(client, text, 12, lengths, 2, tag_counts, 1, NULL, NULL, &error), &error,
                  "lengths: they do not add up to the 12 bytes of text");
    /* the sum wraps around to 12 */
    EXPECT_MISUSE(of(client, text, 12, wraps, 2, tag_counts, 1, NULL, NULL, &error), &error,
                  "lengths: they do not add up to the 12 bytes of text");
    EXPECT_MISUSE(of(client, text, 12, NULL, 0, NULL, 0, NULL, NULL, &error), &error,
                  "lengths: they do not add up to the 12 bytes of text");

    const size_t fewer[] = {1}, more[] = {3}, endless[] = {SIZE_MAX}, wrapping[] = {SIZE_MAX, 2};
    EXPECT_MISUSE(of(client, text, 12, lengths, 3, fewer, 1, NULL, NULL, &error), &error,
                  "tag_counts: 1 users and their tags are not the 3 strings of lengths");
    EXPECT_MISUSE(of(client, text, 12, lengths, 3, more, 1, NULL, NULL, &error), &error,
                  "tag_counts: 1 users and their tags are not the 3 strings of lengths");
    EXPECT_MISUSE(of(client, text, 12, lengths, 3, NULL, 0, NULL, NULL, &error), &error,
                  "tag_counts: 0 users and their tags are not the 3 strings of lengths");
    EXPECT_MISUSE(of(client, text, 12, lengths, 3, endless, 1, NULL, NULL, &error), &error,
                  "tag_counts: 1 users and their tags are not the 3 strings of lengths");
    /* with the users the sum wraps around to 3 */
    EXPECT_MISUSE(of(client, text, 12, lengths, 3, wrapping, 2, NULL, NULL, &error), &error,
                  "tag_counts: 2 users and their tags are not the 3 strings of lengths");
}

static void of_accounts(accounts_flat of) {
    const char *text = "xiaojun012";
    const size_t lengths[] = {9};
    EXPECT_MISUSE(of(client, NULL, 9, lengths, 1, NULL, NULL, &error), &error,
                  "text: a NULL pointer with a length of 9: give both or neither");
    EXPECT_MISUSE(of(client, text, TOO_MANY, lengths, 1, NULL, NULL, &error), &error,
                  "text: a length of 1073741825, more than any request has: was it set?");
    EXPECT_MISUSE(of(client, text, 10, lengths, 1, NULL, NULL, &error), &error,
                  "lengths: they do not add up to the 10 bytes of text");
}

/* A wrong alignment shows that a pointer is no handle; nothing is read through it. */
static void handles(void) {
    static const double space[8];
    const char *odd = (const char *)space + 1;
    const im_user_tags user = {IM_STR_INIT("xiaojun012"), TAG, 1};
    im_client *made;
    EXPECT_MISUSE(im_add_tag((const im_client *)odd, &user, 1, NULL, NULL, &error), &error,
                  "client is not a pointer that this library made");
    EXPECT_MISUSE(im_add_tag(client, &user, 1, (im_call *)odd, NULL, &error), &error,
                  "call is not a pointer that this library made");
    EXPECT_MISUSE(im_client_new((const im_config *)odd, &made, &error), &error,
                  "config is not a pointer that this library made");
    CHECK(im_config_set_timeout_ms((im_config *)odd, 1) == IM_MISUSE);
    CHECK(im_call_set_timeout_ms((im_call *)odd, 1) == IM_MISUSE);
    CHECK(im_credential_refuse((im_credential *)odd, IM_STR("no")) == IM_MISUSE);
    im_call_cancel((const im_call *)odd);
}

int main(void) {
    begin("pointers", 120);
    client = client_at("http", server_none());
    pointers_in_structs();
    lists();
    of_users(im_add_tag_flat);
    of_users(im_remove_tag_flat);
    of_users(im_replace_tags_flat);
    of_accounts(im_get_tag_flat);
    of_accounts(im_clear_tags_flat);
    handles();
    im_client_free(client);
    return end();
}
