/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which NUMA socket a thing is on, and what to say when two that work together are on different ones.
 *
 * A worker is where its CPU is, a port where its slot is. Memory is asked for by socket: the worker's for its
 * buffers, its tables and the rings it empties, the port's for the queues that the device reads and writes.
 *
 * EAL is not asked where a worker is: it takes the number of an lcore for that of a CPU, and ours differ.
 */
#ifndef WEIR_IO_PLACE_H
#define WEIR_IO_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLACE_SYSTEM  "/sys/devices/system"
#define PLACE_UNKNOWN (-1) /* also of a virtual port, which is nowhere */

/**
 * The socket of a CPU.
 *
 * @param system  PLACE_SYSTEM, or a folder of the same shape
 * @return        PLACE_UNKNOWN when the kernel does not say
 */
int place_of_cpu(const char *system, unsigned int cpu);

/** Does what passes between the two cross from one socket to another? What is unknown is near. */
static inline bool place_is_far(int a, int b)
{
	return a >= 0 && b >= 0 && a != b;
}

/**
 * Are workers far from a port that they poll? Then say so in a sentence.
 *
 * @param name     of the port
 * @param port     its socket
 * @param workers  socket of each worker
 * @param pollers  bit w: worker w polls a queue of the port
 * @param out      written only when the answer is yes
 */
bool place_tell_port(const char *name, int port, const int *workers, uint64_t pollers, char *out,
                     size_t size);

/** Say that the buffers for the workers on this socket had to be taken from elsewhere. */
void place_tell_buffers(unsigned int socket, char *out, size_t size);

/**
 * Zero pages that the kernel gives when they are first touched, on this socket as long as it has any,
 * whoever touches them.
 *
 * @return NULL: no memory
 */
void *place_map(size_t bytes, int socket);

/** NULL is fine. */
void place_unmap(void *memory, size_t bytes);

#endif
