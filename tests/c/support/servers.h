/*
 * Servers that do what no service should, on ports of this machine: each does one thing and nothing else.
 */

#ifndef SERVERS_H
#define SERVERS_H

#include "imtag.h"

/* Listens on a free port, with room for so many connections that nobody accepts. */
int server_listen(int backlog, int *port);

/* A port at which nobody listens. */
int server_none(void);

/* Fills a listener's queue, so that the next connection is left without an answer. */
void server_fill(int listener, int port);

/* Waits for a connection. */
int server_accept(int listener);

/* Reads a whole request: head, and the body that Content-Length announces. 0 if the client closed before. */
int server_read_request(int connection);

/* Answers as the service does: done. */
void server_answer_done(int connection);

/* A client of http:// or https:// at this port, which gives up after one attempt; a tag may have any length. */
im_client *client_at(const char *scheme, int port);

/* A tag of more bytes than the buffers of both ends of a connection take; static. */
im_str server_big_tag(void);

#endif
