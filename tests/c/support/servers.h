/*
 * Servers that misbehave, on ports of this machine: each does one thing.
 */

#ifndef SERVERS_H
#define SERVERS_H

#include "imtag.h"

/* Listens on a free port, with a queue of that many connections that are not accepted. */
int server_listen(int backlog, int *port);

/* A port without a server. */
int server_none(void);

/* Fills a listener's queue, so that the next connection gets no answer. */
void server_fill(int listener, int port);

/* Waits for a connection. */
int server_accept(int listener);

/* Reads a whole request: head, and a body of Content-Length bytes. 0 if the client closed before its end. */
int server_read_request(int connection);

/* Answers as the service does for success. */
void server_answer_done(int connection);

/* A config for http:// or https:// at this port; freed by the caller. */
im_config *config_at(const char *scheme, int port);

/* A client of such a config, which gives up after one attempt; a tag may have any length. */
im_client *client_at(const char *scheme, int port);

/* A tag of more bytes than the buffers of both ends of a connection hold; static. */
im_str server_big_tag(void);

#endif
