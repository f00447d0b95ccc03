/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A stage for tests of the proxy: one worker between a client and two servers that say what a test tells
 * them, byte for byte, and remember what they hear.
 *
 *   client 10.0.0.1 --- Weir 10.0.0.2:8080 --- v1 10.0.0.11:80 (the first nine of ten requests)
 *                                          --- v2 10.0.0.12:80
 */
#ifndef WEIR_SIM_STAGE_H
#define WEIR_SIM_STAGE_H

#include "weir.h"

#define LINES  16
#define MS     1000ull
#define SECOND 1000000ull
#define HEARD  (4u << 20)
#define ANY_ID "~~~~~~~~-~~~~-~~~~-~~~~-~~~~~~~~~~~~"

/* One connection as its end sees it. */
struct line {
	struct end *end;
	struct tcp_conn *conn; /* NULL: closed */
	char *in;              /* [HEARD] what came and has not been asked for yet */
	size_t len;
	bool eof;         /* the other side ended in order */
	enum tcp_why why; /* of the end of the connection */
	bool deaf;        /* does not read */
};

struct end {
	struct stage *stage;
	struct host host;
	struct line lines[LINES];
	uint32_t n;
};

struct stage {
	struct world world;
	struct weir weir;
	struct worker *w;
	struct end client, v1, v2;
};

extern struct stage st;
extern enum weir_mode stage_mode; /* of the next stage_set_up() */

/* Something on the stage that does things by itself; zero: nothing. */
struct stage_machine {
	void (*turn)(void);
	uint64_t (*next)(void); /* a time before which turn() does nothing */
};

extern struct stage_machine stage_machine;

/* For cmocka; tear_down closes all, and fails when the books are not in order or a buffer is lost. */
int stage_set_up(void **state);
int stage_tear_down(void **state);

/** Let time pass. */
void stage_pass(uint64_t us);

/** Connect the client. */
struct line *stage_dial(void);

/** Send, end the sending half, or reset; then five milliseconds pass. */
void stage_say(struct line *l, const char *text);
void stage_say_bytes(struct line *l, const char *p, size_t n);
void stage_shut(struct line *l);
void stage_reset(struct line *l);

/** Take what a connection that was deaf has received. */
void stage_listen(struct line *l);

/** The i-th connection that came to v1. */
struct line *stage_v1(uint32_t i);

/** What came must be this text, or begin so; '~' stands for any byte. Forgets it. */
void stage_heard(struct line *l, const char *want);
void stage_heard_start(struct line *l, const char *want);

uint64_t stage_count(enum counter c);

/* ---- what is said ------------------------------------------------------------------------ */

#define OWN(attempt)                                                                           \
	"x-forwarded-for: 10.0.0.1\r\nx-forwarded-proto: http\r\nx-request-id: " ANY_ID "\r\n" \
	"x-envoy-internal: true\r\nx-envoy-attempt-count: " attempt "\r\n"
#define GET        "GET /p/ HTTP/1.1\r\nHost: a\r\n\r\n"
#define GET_UP(n)  "GET /p/ HTTP/1.1\r\nhost: a\r\n" OWN(n) "\r\n"
#define DATE       "date: Tue, 14 Nov 2023 22:13:20 GMT\r\n"
#define BACK       DATE "x-envoy-upstream-service-time: ~\r\nx-asked-host: a\r\nserver: istio-envoy\r\n"
#define OK(body)   "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" body
#define OK_DOWN(b) "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" BACK "\r\n" b
#define LOCAL      DATE "server: istio-envoy\r\n"
#define RESET(why) "upstream connect error or disconnect/reset before headers. reset reason: " why
#define NOT_FOUND  "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n" LOCAL "\r\n"

#define UPGRADE "GET /p/ HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
#define SWITCH \
	"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"

#define STAGE_TEST(f) cmocka_unit_test_setup_teardown(f, stage_set_up, stage_tear_down)

#endif
