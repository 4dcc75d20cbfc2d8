#include "operations.h"
#include "check.h"

#include <stdlib.h>
#include <string.h>

/* The users as one buffer: what a binding makes. */
struct flat {
    char *text;
    size_t text_len, *lengths, length_count, *tag_counts;
};

static void append(struct flat *flat, im_str text) {
    flat->text = realloc(flat->text, flat->text_len + text.len + 1);
    flat->lengths = realloc(flat->lengths, (flat->length_count + 1) * sizeof *flat->lengths);
    memcpy(flat->text + flat->text_len, text.len ? text.data : "", text.len);
    flat->text_len += text.len;
    flat->lengths[flat->length_count++] = text.len;
}

static struct flat flatten(const im_user_tags *users, size_t count, bool tags) {
    struct flat flat = {0};
    flat.tag_counts = calloc(count + 1, sizeof *flat.tag_counts);
    for (size_t i = 0; i < count; i++) {
        append(&flat, users[i].account);
        for (size_t j = 0; tags && j < users[i].tag_count; j++)
            append(&flat, users[i].tags[j]);
        flat.tag_counts[i] = users[i].tag_count;
    }
    return flat;
}

static void free_flat(struct flat *flat) {
    free(flat->text);
    free(flat->lengths);
    free(flat->tag_counts);
}

#define OF_USERS(name)                                                                                                 \
    static im_status name##_with(const im_client *client, const im_user_tags *users, size_t count, im_call *call,      \
                                 im_result **result, im_error **error) {                                               \
        return im_##name(client, users, count, call, result, error);                                                   \
    }                                                                                                                  \
    static im_status name##_at(const im_client *client, const void *list, size_t count, im_error **error) {            \
        return im_##name(client, list, count, NULL, NULL, error);                                                      \
    }                                                                                                                  \
    static im_status name##_flat_with(const im_client *client, const im_user_tags *users, size_t count, im_call *call, \
                                      im_result **result, im_error **error) {                                          \
        struct flat flat = flatten(users, count, true);                                                                \
        im_status status = im_##name##_flat(client, flat.text, flat.text_len, flat.lengths, flat.length_count,         \
                                            flat.tag_counts, count, call, result, error);                              \
        free_flat(&flat);                                                                                              \
        return status;                                                                                                 \
    }                                                                                                                  \
    static im_status name##_flat_at(const im_client *client, const void *list, size_t count, im_error **error) {       \
        return im_##name##_flat(client, NULL, 0, list, count, NULL, 0, NULL, NULL, error);                             \
    }

#define OF_ACCOUNTS(name)                                                                                              \
    static im_status name##_with(const im_client *client, const im_user_tags *users, size_t count, im_call *call,      \
                                 im_result **result, im_error **error) {                                               \
        im_str *accounts = calloc(count + 1, sizeof *accounts);                                                        \
        for (size_t i = 0; i < count; i++)                                                                             \
            accounts[i] = users[i].account;                                                                            \
        im_status status = im_##name(client, accounts, count, call, result, error);                                    \
        free(accounts);                                                                                                \
        return status;                                                                                                 \
    }                                                                                                                  \
    static im_status name##_at(const im_client *client, const void *list, size_t count, im_error **error) {            \
        return im_##name(client, list, count, NULL, NULL, error);                                                      \
    }                                                                                                                  \
    static im_status name##_flat_with(const im_client *client, const im_user_tags *users, size_t count, im_call *call, \
                                      im_result **result, im_error **error) {                                          \
        struct flat flat = flatten(users, count, false);                                                               \
        im_status status =                                                                                             \
            im_##name##_flat(client, flat.text, flat.text_len, flat.lengths, flat.length_count, call, result, error);  \
        free_flat(&flat);                                                                                              \
        return status;                                                                                                 \
    }                                                                                                                  \
    static im_status name##_flat_at(const im_client *client, const void *list, size_t count, im_error **error) {       \
        return im_##name##_flat(client, NULL, 0, list, count, NULL, NULL, error);                                      \
    }

OF_USERS(add_tag)
OF_USERS(remove_tag)
OF_USERS(replace_tags)
OF_ACCOUNTS(get_tag)
OF_ACCOUNTS(clear_tags)

#define STRUCTS(name, place, tags) {"im_" #name, place, place, tags, false, name##_with, name##_at}
#define FLAT(name, place, tags) {"im_" #name "_flat", "lengths", place, tags, true, name##_flat_with, name##_flat_at}

const struct operation OPERATIONS[OPERATION_COUNT] = {
    STRUCTS(add_tag, "users", true),      STRUCTS(remove_tag, "users", true), STRUCTS(replace_tags, "users", true),
    STRUCTS(get_tag, "accounts", false),  STRUCTS(clear_tags, "accounts", false),
    FLAT(add_tag, "users", true),         FLAT(remove_tag, "users", true),    FLAT(replace_tags, "users", true),
    FLAT(get_tag, "accounts", false),     FLAT(clear_tags, "accounts", false),
};

const struct operation *operation_named(const char *name) {
    for (int i = 0; i < OPERATION_COUNT; i++)
        if (strcmp(OPERATIONS[i].name, name) == 0)
            return &OPERATIONS[i];
    give_up(name);
    return NULL;
}
