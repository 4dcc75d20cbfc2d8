/*
 * The library as a plug-in uses it: opened, used and closed again and again, also while a thread that used it ends
 * later. It stays loaded (-z nodelete), as the end of a thread runs destructors of the library's thread-locals.
 *
 *     with_emulator unload libimtag.so
 */

#define _GNU_SOURCE
#include <imtag.h>

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { ROUNDS = 20 };

static int terminal, printed;
static const char *library;

static void fail(const char *what) {
    dprintf(terminal, "unload: %s\n", what);
    _exit(1);
}

static im_str text(const char *name) {
    const char *value = getenv(name);
    im_str text = {value, value ? strlen(value) : 0};
    return text;
}

static void look_up(void *handle, const char *name, void *function) {
    void *found = dlsym(handle, name);
    if (!found)
        fail(name);
    memcpy(function, &found, sizeof found);
}

/* One function of the library, by the type that the header gives it. */
#define FUNCTION(name)                                                                                                 \
    __typeof__(&name) name##_;                                                                                         \
    look_up(handle, #name, &name##_)

static void call(void *handle) {
    FUNCTION(im_config_new);
    FUNCTION(im_config_set_app);
    FUNCTION(im_config_set_secret_key);
    FUNCTION(im_config_set_endpoint);
    FUNCTION(im_client_new);
    FUNCTION(im_add_tag);
    FUNCTION(im_error_message);
    FUNCTION(im_client_free);
    FUNCTION(im_config_free);
    char key[256];
    FILE *file = fopen(getenv("IMTAG_SECRET_KEY_FILE"), "r");
    if (!file || !fgets(key, sizeof key, file))
        fail("no key");
    fclose(file);
    im_config *config = im_config_new_();
    im_config_set_app_(config, (uint32_t)strtoul(getenv("IMTAG_SDKAPPID"), NULL, 10), text("IMTAG_IDENTIFIER"));
    im_config_set_secret_key_(config, (im_str){key, strlen(key)});
    im_config_set_endpoint_(config, text("IMTAG_ENDPOINT"));
    im_client *client;
    im_error *error;
    const im_str tag = IM_STR("a");
    const im_user_tags user = {IM_STR("xiaojun012"), &tag, 1};
    if (im_client_new_(config, &client, &error) != IM_OK ||
        im_add_tag_(client, &user, 1, NULL, NULL, &error) != IM_OK)
        fail(im_error_message_(error));
    im_client_free_(client);
    im_config_free_(config);
}

static void *open_library(void) {
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        fail(dlerror());
    return handle;
}

static void is_kept(void) {
    void *kept = dlopen(library, RTLD_NOW | RTLD_NOLOAD);
    if (!kept)
        fail("the library was unloaded: is it linked with -z nodelete?");
    dlclose(kept);
}

static void *call_and_end(void *handle) {
    call(handle);
    return NULL;
}

/* No thread has thread-locals of the library any more: without -z nodelete it would be unloaded now. */
static void a_thread_that_ends_before_the_close(void) {
    pthread_t thread;
    void *handle = open_library();
    pthread_create(&thread, NULL, call_and_end, handle);
    pthread_join(thread, NULL);
    dlclose(handle);
    is_kept();
}

static pthread_barrier_t called, closed;

static void *call_and_end_late(void *handle) {
    call(handle);
    pthread_barrier_wait(&called);
    pthread_barrier_wait(&closed);
    return NULL;
}

static void a_thread_that_ends_after_the_close(void) {
    pthread_t thread;
    void *handle = open_library();
    pthread_barrier_init(&called, NULL, 2);
    pthread_barrier_init(&closed, NULL, 2);
    pthread_create(&thread, NULL, call_and_end_late, handle);
    pthread_barrier_wait(&called);
    dlclose(handle);
    pthread_barrier_wait(&closed);
    pthread_join(thread, NULL);
    pthread_barrier_destroy(&called);
    pthread_barrier_destroy(&closed);
}

int main(int count, char **arguments) {
    char start[200] = "";
    alarm(60);
    terminal = dup(2);
    printed = memfd_create("printed", MFD_CLOEXEC);
    dup2(printed, 1);
    dup2(printed, 2);
    if (count < 2)
        fail("usage: unload LIBRARY");
    library = arguments[1];
    if (dlopen(library, RTLD_NOW | RTLD_NOLOAD))
        fail("the library is loaded before it is opened");
    /* first, as afterwards this thread keeps the library by itself */
    a_thread_that_ends_before_the_close();
    for (int i = 0; i < ROUNDS; i++) {
        void *handle = open_library();
        call(handle);
        dlclose(handle);
        a_thread_that_ends_after_the_close();
    }
    is_kept();
    fflush(NULL);
    if (pread(printed, start, sizeof start - 1, 0) != 0)
        fail(start);
    dprintf(terminal, "unload: %d rounds\n", 2 * ROUNDS);
    return 0;
}
