/* SPDX-License-Identifier: BSD-3-Clause */
/* The rows of conf.def as data: for conf.c, conf_page.c and the tests of every row. */
#ifndef WEIR_CONF_TABLE_H
#define WEIR_CONF_TABLE_H

#include <stddef.h>
#include <stdint.h>

enum conf_type {
	CONF_LIST,
	CONF_BOOL,         /* bool */
	CONF_NUMBER,       /* uint16_t, uint32_t or uint64_t, by size */
	CONF_BYTES,        /* the same, with Ki, Mi, Gi */
	CONF_BYTES_OR_OFF, /* the same, or "off": the largest uint64_t */
	CONF_TIME,         /* uint64_t microseconds, written 1.5s, 10ms, 200us */
	CONF_MODE,         /* uint32_t, written in octal */
	CONF_LEVEL,        /* uint32_t enum log_level */
	CONF_OFFLOAD,      /* uint8_t enum offload_level */
	CONF_TEXT,         /* const char * in the arena */
	CONF_ADDRESS,      /* struct ip_addr */
	CONF_BIND,         /* struct ip_addr, "*" is all zero */
	CONF_PREFIX,       /* struct node_prefix */
};

struct conf_key {
	const char *path; /* "ports[].mtu" */
	enum conf_type type;
	uint32_t off,
		size; /* in the struct that holds it: conf, or an element of the list above it */
	uint64_t min, max;
	const char *def; /* NULL: required. LIST: the word that may stand instead of it */
	const char *unit, *help;
	uint32_t n_off;  /* LIST: where the uint32_t count is */
	uint32_t stride; /* LIST: bytes of an element; size / stride elements fit */
};

extern const struct conf_key conf_keys[];
extern const size_t conf_n_keys;

/** "576 to 9000 bytes", "true or false", ...: what a value of this key may be; out >= 160 bytes. */
const char *conf_expect(const struct conf_key *key, char *out, size_t size);

#endif
