/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ClientHellos for tests: real ones (hellos.def), made ones of any size and shape, and what must hold for
 * any bytes that are read as one.
 */
#ifndef WEIR_TESTS_HELLOS_H
#define WEIR_TESTS_HELLOS_H

#include "tls_hello.h"

#define HELLO_MAX (1u << 17)

/* Bytes being put together. */
struct bytes_out {
	uint8_t p[HELLO_MAX];
	size_t len;
};

void out_bytes(struct bytes_out *o, const void *p, size_t n);
void out_number(struct bytes_out *o, uint32_t size, uint32_t value);

/* What a made hello has in it. */
struct hello_spec {
	const char *name;   /* server name; NULL: no such extension */
	const char *alpn;   /* "h2,http/1.1"; NULL: no such extension */
	uint32_t key_share; /* bytes of the key share: X25519MLKEM768's is 1216; 0: none */
	bool grease; /* as browsers: cipher suite, extensions, protocol, and an encrypted hello */
	bool no_extensions;
};

/** Put the handshake message at the end of o. */
void hello_message(struct bytes_out *o, const struct hello_spec *spec);

/** Put one record with n bytes of content at the end of o. */
void hello_record(struct bytes_out *o, const uint8_t *content, size_t n);

/** Put a message at the end of o in records of `size` bytes of content. */
void hello_records(struct bytes_out *o, const struct bytes_out *message, size_t size);

/** A made hello, whole: its message in records of `size` bytes. */
void hello_make(struct bytes_out *o, const struct hello_spec *spec, size_t size);

struct hello_real {
	const char *client;
	const char *name; /* "": none */
	const char *alpn; /* as above; "": none */
	const char *hex;
};

/** The i-th real hello, or NULL after the last. */
const struct hello_real *hello_real(uint32_t i);
void hello_real_bytes(struct bytes_out *o, const struct hello_real *real);

/** The protocols of a list as text: "h2,http/1.1". Valid until the next call. */
const char *hello_alpn_text(struct str alpn);

/**
 * Read any bytes as a hello and abort with a line on standard error unless: strings lie within the bytes
 * or the room, the names are what they should be, no prefix is judged in another way, and bytes that
 * trickle in as seed says give the same after few calls.
 */
enum tls_hello_result hello_check(const void *data, size_t len, uint32_t limit, uint64_t seed);

#endif
