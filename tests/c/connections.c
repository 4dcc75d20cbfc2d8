/*
 * Servers that do not exist, and connections that the peer closes: before a call, between two, and during a write.
 * SIGPIPE keeps its default action, which ends the program: the library must not raise it.
 */

#include "support/background.h"
#include "support/check.h"
#include "support/emulator.h"
#include "support/servers.h"

#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

static im_error *error;
static const im_str TAG = IM_STR_INIT("a");
static const im_user_tags USER = {IM_STR_INIT("xiaojun012"), &TAG, 1};

static void a_dead_server(void) {
    im_client *client = client_at("http", server_none());
    im_result *result;
    CHECK(im_add_tag(client, &USER, 1, NULL, &result, &error) == IM_NETWORK);
    CHECK(result == NULL && im_error_effect(error) == IM_NOT_APPLIED && im_error_retryable(error));
    CHECK(im_error_attempts(error) == 1 && im_error_attempts_sent(error) == 0);
    CHECK_TEXT(im_error_remedy(error), "check the endpoint and the network, and try again");
    CHECK_TEXT(im_error_message(error),
               "add: the network failed while connecting: Connection refused (os error 111) (not applied; check the "
               "endpoint and the network, and try again)");
    im_error_free(error);
    im_client_free(client);
}

/* Closes with a reset in place of an end. */
static void reset(int connection) {
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    setsockopt(connection, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(connection);
}

enum how { CLOSED_BETWEEN, RESET_BETWEEN, CLOSED_ON_REQUEST };

struct server {
    int listener;
    enum how how;
    pthread_barrier_t *closed;
};

/* Answers one request on its first connection, closes it, and answers one on the next. */
static void *serve(void *given) {
    struct server *server = given;
    int first = server_accept(server->listener);
    CHECK(server_read_request(first));
    server_answer_done(first);
    if (server->how == CLOSED_ON_REQUEST) {
        pthread_barrier_wait(server->closed);
        CHECK(server_read_request(first));
    }
    if (server->how == RESET_BETWEEN)
        reset(first);
    else
        close(first);
    if (server->how != CLOSED_ON_REQUEST)
        pthread_barrier_wait(server->closed);
    int second = server_accept(server->listener);
    CHECK(server_read_request(second));
    server_answer_done(second);
    close(second);
    return NULL;
}

/* The connection of the first call is dead when the second uses it: the second succeeds all the same. */
static void a_pooled_connection(enum how how, uint32_t sent) {
    pthread_barrier_t closed;
    pthread_t thread;
    int port;
    struct server server = {server_listen(8, &port), how, &closed};
    im_result *result;
    pthread_barrier_init(&closed, NULL, 2);
    pthread_create(&thread, NULL, serve, &server);
    im_client *client = client_of(config_at("http", port));
    EXPECT_OK(im_add_tag(client, &USER, 1, NULL, NULL, &error), &error);
    pthread_barrier_wait(&closed);
    EXPECT_OK(im_add_tag(client, &USER, 1, NULL, &result, &error), &error);
    CHECK(im_result_accounts(result) == 1 && im_result_attempts_sent(result) == sent);
    im_result_free(result);
    pthread_join(thread, NULL);
    im_client_free(client);
    close(server.listener);
    pthread_barrier_destroy(&closed);
}

/* Reads a little of the request, and closes. */
static void *hang_up(void *given) {
    char some[512];
    int listener = *(int *)given, connection = server_accept(listener);
    CHECK(read(connection, some, sizeof some) > 0);
    reset(connection);
    return NULL;
}

/* More than the buffers of both systems hold, so that the client is writing when its peer closes. */
static void a_peer_that_closes_during_a_write(const char *scheme) {
    int port, listener = server_listen(8, &port);
    pthread_t thread;
    struct sigaction pipe;
    sigaction(SIGPIPE, NULL, &pipe);
    CHECK(pipe.sa_handler == SIG_DFL);
    const im_str tag = server_big_tag();
    const im_user_tags user = {IM_STR("xiaojun012"), &tag, 1};
    im_client *client = client_at(scheme, port);
    pthread_create(&thread, NULL, hang_up, &listener);
    im_status status = im_add_tag(client, &user, 1, NULL, NULL, &error);
    bool tls = scheme[4] == 's';
    CHECK(status == IM_NETWORK);
    CHECK(im_error_effect(error) == (tls ? IM_NOT_APPLIED : IM_POSSIBLY_APPLIED));
    im_error_free(error);
    pthread_join(thread, NULL);
    im_client_free(client);
    close(listener);
    sigaction(SIGPIPE, NULL, &pipe);
    CHECK(pipe.sa_handler == SIG_DFL);
}

int main(void) {
    begin("connections", 120);
    signal(SIGPIPE, SIG_DFL);
    a_dead_server();
    a_pooled_connection(CLOSED_BETWEEN, 1);
    a_pooled_connection(RESET_BETWEEN, 1);
    a_pooled_connection(CLOSED_ON_REQUEST, 2);
    for (int i = 0; i < 5; i++) {
        a_peer_that_closes_during_a_write("http");
        a_peer_that_closes_during_a_write("https");
    }
    return end();
}
