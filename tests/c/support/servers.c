#define _GNU_SOURCE
#include "servers.h"
#include "check.h"
#include "emulator.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sockaddr_in loopback(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

int server_listen(int backlog, int *port) {
    struct sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    int small = 4096;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    /* little room, so that a big request does not fit in */
    setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, backlog) ||
        getsockname(listener, (struct sockaddr *)&address, &size))
        give_up("cannot listen");
    *port = ntohs(address.sin_port);
    return listener;
}

int server_none(void) {
    int port;
    close(server_listen(1, &port));
    return port;
}

void server_fill(int listener, int port) {
    struct sockaddr_in address = loopback(port);
    (void)listener;
    for (int i = 0; i < 16; i++) {
        int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        connect(connection, (struct sockaddr *)&address, sizeof address);
        struct pollfd connected = {.fd = connection, .events = POLLOUT};
        /* the one that is not answered stays open with the others until the program ends */
        if (poll(&connected, 1, 200) == 0)
            return;
    }
    give_up("cannot fill the queue of a listener");
}

int server_accept(int listener) {
    int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (connection < 0)
        give_up("cannot accept");
    return connection;
}

int server_read_request(int connection) {
    static char request[1 << 16];
    size_t filled = 0;
    for (;;) {
        ssize_t came = read(connection, request + filled, sizeof request - 1 - filled);
        if (came <= 0)
            return 0;
        filled += (size_t)came;
        request[filled] = '\0';
        const char *body = strstr(request, "\r\n\r\n"), *length = strcasestr(request, "content-length:");
        if (body && length && filled >= (size_t)(body + 4 - request) + strtoul(length + 15, NULL, 10))
            return 1;
    }
}

void server_answer_done(int connection) {
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 55\r\n\r\n"
                                 "{\"ActionStatus\": \"OK\", \"ErrorInfo\": \"\", \"ErrorCode\": 0}";
    send(connection, answer, sizeof answer - 1, MSG_NOSIGNAL);
}

im_config *config_at(const char *scheme, int port) {
    char endpoint[64];
    snprintf(endpoint, sizeof endpoint, "%s://127.0.0.1:%d", scheme, port);
    im_config *config = im_config_new();
    im_config_set_app(config, 1400000000, IM_STR("administrator"));
    im_config_set_secret_key(config, IM_STR("0123456789abcdef"));
    im_config_set_endpoint(config, im_str_from(endpoint));
    return config;
}

im_client *client_at(const char *scheme, int port) {
    im_config *config = config_at(scheme, port);
    im_config_set_max_attempts(config, 1);
    im_config_set_timeout_ms(config, 30000);
    im_config_set_connect_timeout_ms(config, 30000);
    im_config_set_limit(config, IM_STR("tag_bytes"), SIZE_MAX);
    return client_of(config);
}

im_str server_big_tag(void) {
    static char tag[12 << 20];
    memset(tag, 'a', sizeof tag);
    return (im_str){tag, sizeof tag};
}
