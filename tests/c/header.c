/*
 * The header alone, before any other: as C99 and as C++17, without a warning at the strictest level. Its macros work in
 * both, also to initialise a static variable.
 */

#include "imtag.h"

static const im_str TAG = IM_STR_INIT("vip");
static const im_str TAGS[] = {IM_STR_INIT("a"), IM_STR_INIT("北京")};
static const im_user_tags USERS[] = {{IM_STR_INIT("xiaojun012"), TAGS, 2}, {IM_STR_INIT(""), NULL, 0}};

static size_t length(im_str text) {
    return text.len;
}

static bool ends_with_nul(im_str text) {
    return text.data[text.len] == '\0';
}

/* A callback of each kind is a function of each language. */
static void supply(void *context, im_credential *credential) {
    (void)context;
    im_credential_refuse(credential, IM_STR("none today"));
}

static void free_context(void *context) {
    (void)context;
}

static int32_t go_on(void *context) {
    (void)context;
    return 0;
}

static int32_t go_on_with(const im_bulk *bulk, void *context) {
    (void)context;
    return im_bulk_count(bulk, IM_COUNT_TAKEN) > 0 ? 0 : 1;
}

#if IM_VERSION_MAJOR == 0 && IM_VERSION_MINOR < 1
#error "the version's macros are numbers for the preprocessor"
#endif

int main(void) {
    im_str local = IM_STR("北京");
    im_credential_callback callback = supply;
    im_context_free context_free = free_context;
    im_interrupt interrupt = go_on;
    im_progress progress = go_on_with;
    const im_operation operations[] = {IM_ADD, IM_REMOVE, IM_CLEAR, IM_REPLACE};
    bool holds = length(IM_STR("")) == 0 && length(IM_STR("vip")) == 3 && local.len == 6 && ends_with_nul(local);
    holds = holds && TAG.len == 3 && TAGS[1].len == 6 && USERS[0].account.len == 10 && USERS[1].account.len == 0;
    holds = holds && length(im_str_from("vip")) == 3 && length(im_str_from(NULL)) == 0;
    holds = holds && length(IM_STR("with\0NUL")) == 8 && sizeof(IM_VERSION) > 5;

    im_config *config = im_config_new();
    im_call *call = im_call_new();
    holds = holds && im_config_set_credential_callback(config, callback, NULL, context_free) == IM_OK;
    holds = holds && im_call_set_interrupt(call, interrupt, NULL) == IM_OK;
    holds = holds && operations[2] == 3 && progress(NULL, NULL) == 1;
    im_call_free(call);
    im_config_free(config);
    return holds ? 0 : 1;
}
