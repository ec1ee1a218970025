/* Loop#bind, #listen, #shutdown, #getsockopt and #setsockopt: calls that never wait; and what other
 * verbs ask about sockets. */
#ifndef ROTA_SOCKET_H
#define ROTA_SOCKET_H

#include "runtime/descriptor.h"

/* A packed sockaddr, from a String or from what has to_sockaddr (Addrinfo); TypeError. */
VALUE rota_socket_address(VALUE address);

/* Does a receive of nothing mean the end? Not where a datagram may be empty. True for what is no
 * socket. */
bool rota_socket_has_end(int fd);

/* Is a receive one message, whose rest is lost? */
bool rota_socket_has_messages(int fd);

/* AF_*, and SOCK_*; -1 for what is no socket. */
int rota_socket_family(int fd);
int rota_socket_type(int fd);

/* A number, or a name as Ruby's Socket takes it: with or without the prefix ("AF_", "SOCK_").
 * SocketError when it is unknown; `what` is for its message. */
int rota_socket_constant(VALUE value, const char *prefix, const char *what);

void rota_init_socket(VALUE loop_class);

#endif
