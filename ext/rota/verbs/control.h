/* Control data of messages: Socket::AncillaryData to and from what the kernel reads. Descriptors
 * that came with a message belong to the process from then on: each is wrapped, or closed. */
#ifndef ROTA_CONTROL_H
#define ROTA_CONTROL_H

#include "runtime/shim.h"

#include <sys/socket.h>

/* Controls ([level, type, data] or Socket::AncillaryData) as one String; nil for none. */
VALUE rota_control_pack(VALUE controls);

/* The same for one descriptor. */
VALUE rota_control_pack_descriptor(int fd);

/* An Array of Socket::AncillaryData for what came with a message on a socket of the family.
 * Descriptors are wrapped in IOs, which +unix_rights+ gives; when this raises they are closed. */
VALUE rota_control_unpack(const struct msghdr *header, int family);

/* Takes the first descriptor out of it, and closes others; -1: there is none. */
int rota_control_take_descriptor(const struct msghdr *header);

/* Closes the descriptors that came with a message. */
void rota_control_close(const struct msghdr *header);

/* Puts duplicates in place of the descriptors that are to be sent, for rota_control_close later. 0
 * or -errno, and then none is left. */
int rota_control_duplicate(const struct msghdr *header);

/* One of Ruby's own objects for a descriptor: BasicSocket or IO. Closes it when this raises. */
VALUE rota_control_wrap(int fd);

void rota_init_control(void);

#endif
