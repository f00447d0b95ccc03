/* SPDX-License-Identifier: BSD-3-Clause */
#include "hellos.h"
#include "test.h"
#include "wire.h"

#include <stdio.h>
#include <string.h>

#define LIMIT 65536

static struct bytes_out o;
static uint8_t room[LIMIT];
static struct tls_hello h;

static enum tls_hello_result read_it(void)
{
	return tls_hello_read(o.p, o.len, room, LIMIT, &h);
}

static void expect(const char *name, const char *alpn)
{
	assert_int_equal(read_it(), TLS_HELLO_DONE);
	assert_int_equal(h.used, o.len);
	assert_int_equal(h.server_name.len, strlen(name));
	assert_memory_equal(h.server_name.len ? h.server_name.p : "", name, strlen(name));
	assert_true((h.server_name.p != NULL) == (name[0] != 0));
	assert_string_equal(hello_alpn_text(h.alpn), alpn);
	hello_check(o.p, o.len, LIMIT, 1);
}

static void expect_bad(enum tls_hello_why why)
{
	assert_int_equal(read_it(), TLS_HELLO_BAD);
	assert_int_equal(h.why, why);
	hello_check(o.p, o.len, LIMIT, 1);
}

/* Take a hello of real bytes in one record apart and put it into records of another size. */
static void resize_records(size_t size)
{
	static struct bytes_out message;

	message.len = 0;
	out_bytes(&message, o.p + 5, o.len - 5);
	o.len = 0;
	hello_records(&o, &message, size);
}

static void reads_real_ones(void **state)
{
	static const size_t sizes[] = {16384, 100, 7, 4, 3, 1};
	const struct hello_real *real;

	(void)state;
	for (uint32_t i = 0; (real = hello_real(i)); i++)
		for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
			hello_real_bytes(&o, real);
			resize_records(sizes[k]);
			expect(real->name, real->alpn);
		}
}

/* Each bit of each real one, flipped: whatever comes of it, nothing is read that is not there. */
static void survives_mutations(void **state)
{
	const struct hello_real *real;

	(void)state;
	for (uint32_t i = 0; (real = hello_real(i)); i++) {
		hello_real_bytes(&o, real);
		for (size_t at = 0; at < o.len; at++) {
			uint8_t was = o.p[at];

			for (int bit = 0; bit < 8; bit++) {
				o.p[at] = (uint8_t)(was ^ 1 << bit);
				read_it();
			}
			o.p[at] = 0xff;
			(void)hello_check(o.p, o.len, LIMIT, at);
			o.p[at] = was;
		}
	}
}

static void reads_made_ones(void **state)
{
	static const size_t sizes[] = {16384, 1000, 5, 1};
	struct hello_spec post_quantum = {
		.name = "pq.example.com", .alpn = "h2,http/1.1", .key_share = 1216, .grease = true};
	struct hello_spec large = {.name = "x.y", .key_share = 9000};
	struct hello_spec bare = {.no_extensions = true};

	(void)state;
	for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
		hello_make(&o, &post_quantum, sizes[k]);
		expect("pq.example.com", "\x8a\x8a,h2,http/1.1");
		hello_make(&o, &large, sizes[k]);
		expect("x.y", "");
		hello_make(&o, &bare, sizes[k]);
		expect("", "");
	}
}

static void stops_at_the_end(void **state)
{
	struct hello_spec spec = {.name = "a.b"};
	size_t len;

	(void)state;
	hello_make(&o, &spec, 16384);
	len = o.len;
	out_bytes(&o, "early data", 10);
	assert_int_equal(read_it(), TLS_HELLO_DONE);
	assert_int_equal(h.used, len);
	/* another message in the same record: for the server to judge */
	hello_make(&o, &spec, 16384);
	wire_put16(o.p + 3, (uint16_t)(o.len - 5 + 4));
	out_bytes(&o, "\x0e\0\0\0", 4);
	assert_int_equal(read_it(), TLS_HELLO_DONE);
	assert_int_equal(h.used, len);
}

/* Bytes of the message behind the extensions. */
static void refuses_what_is_left_over(void **state)
{
	struct hello_spec spec = {.name = "a.b"};

	(void)state;
	hello_make(&o, &spec, 16384);
	out_number(&o, 1, 0);
	wire_put16(o.p + 3, (uint16_t)(o.len - 5));
	wire_put16(o.p + 7, (uint16_t)(o.len - 9));
	expect_bad(TLS_HELLO_MALFORMED);
}

/* What is wanted is never more than what it takes, and known as soon as it can be. */
static void says_what_it_wants(void **state)
{
	struct hello_spec spec = {.name = "a.b"};
	size_t len;

	(void)state;
	hello_make(&o, &spec, 16384);
	len = o.len;
	o.len = 0;
	assert_int_equal(read_it(), TLS_HELLO_MORE);
	assert_int_equal(h.want, 5);
	o.len = 5;
	assert_int_equal(read_it(), TLS_HELLO_MORE);
	assert_int_equal(h.want, 9);
	o.len = 9;
	assert_int_equal(read_it(), TLS_HELLO_MORE);
	assert_int_equal(h.want, len);
	hello_make(&o, &spec, 100);
	len = o.len;
	o.len = 9;
	assert_int_equal(read_it(), TLS_HELLO_MORE);
	assert_int_equal(h.want, len);
}

static void refuse(const char *bytes, size_t n, enum tls_hello_why why)
{
	o.len = 0;
	out_bytes(&o, bytes, n);
	expect_bad(why);
}

#define REFUSE(text, why) refuse(text, sizeof(text) - 1, TLS_HELLO_##why)

static void refuses_what_is_no_hello(void **state)
{
	(void)state;
	REFUSE("G", NOT_TLS);
	REFUSE("GET / HTTP/1.1\r\nHost: a\r\n\r\n", NOT_TLS);
	REFUSE("\x80\x2e\x01\x03\x01\0\x15\0\0\0\x10", NOT_TLS); /* SSLv2 */
	REFUSE("SSH-2.0-OpenSSH_9.2\r\n", NOT_TLS);
	REFUSE("\0", NOT_TLS);
	REFUSE("\x19", NOT_TLS);
	REFUSE("\x16\x02", NOT_TLS);
	REFUSE("\x16\xfe\xfd\0\0", NOT_TLS);     /* DTLS */
	REFUSE("\x16\x03\x01\0\0", NOT_TLS);     /* an empty record */
	REFUSE("\x16\x03\x01\x40\x01", NOT_TLS); /* more than a record may have */
	REFUSE("\x15\x03\x01\0\x02\x02\x28", NOT_HELLO);
	REFUSE("\x14\x03\x03\0\x01\x01", NOT_HELLO);
	REFUSE("\x17", NOT_HELLO);
	REFUSE("\x16\x03\x01\0\x04\x02", NOT_HELLO); /* ServerHello */
	REFUSE("\x16\x03\x01\0\x01\0", NOT_HELLO);
	REFUSE("\x16\x03\x01\0\x04\x01\0\0\0", MALFORMED);             /* says nothing */
	REFUSE("\x16\x03\x01\0\x02\x01\0\x16\x03\x01\0\0", MALFORMED); /* an empty record later */
	REFUSE("\x16\x03\x01\0\x02\x01\0\x15\x03\x01\0\x02\x01\0", MALFORMED);
	REFUSE("\x16\x03\x01\0\x02\x01\0\x16\x02", MALFORMED);
}

/* The version of the record says nothing (RFC 8446 section 5.1), except that it is TLS. */
static void takes_any_record_version(void **state)
{
	struct hello_spec spec = {.name = "a.b"};

	(void)state;
	for (int minor = 0; minor < 256; minor++) {
		hello_make(&o, &spec, 16384);
		o.p[2] = (uint8_t)minor;
		expect("a.b", "");
	}
}

static void bounds_the_length(void **state)
{
	struct hello_spec spec = {.key_share = 60000};
	size_t len;

	(void)state;
	hello_make(&o, &spec, 16384);
	expect("", "");
	len = o.len;
	assert_int_equal(tls_hello_read(o.p, o.len, room, (uint32_t)len, &h), TLS_HELLO_DONE);
	assert_int_equal(tls_hello_read(o.p, o.len, room, (uint32_t)len - 1, &h), TLS_HELLO_BAD);
	assert_int_equal(h.why, TLS_HELLO_TOO_LONG);
	/* known from the first nine bytes on */
	REFUSE("\x16\x03\x01\x40\0\x01\x01\0\0", TOO_LONG);
	REFUSE("\x16\x03\x01\x40\0\x01\xff\xff\xff", TOO_LONG);
	/* in records of one byte it takes six times as many: known when a sixth of them is there */
	spec.key_share = 12000;
	hello_make(&o, &spec, 1);
	o.len = 65000;
	expect_bad(TLS_HELLO_TOO_LONG);
}

/* A hello with extensions as given. */
static void make_with(const char *extensions, size_t n)
{
	static struct bytes_out message;

	o.len = 0;
	message.len = 0;
	out_number(&message, 1, 1);
	out_number(&message, 3, (uint32_t)(2 + 32 + 1 + 4 + 2 + 2 + n));
	out_number(&message, 2, 0x0303);
	for (int i = 0; i < 8; i++)
		out_number(&message, 4, 0);
	out_number(&message, 1, 0);
	out_number(&message, 4, 0x00021301);
	out_number(&message, 2, 0x0100);
	out_number(&message, 2, (uint32_t)n);
	out_bytes(&message, extensions, n);
	hello_records(&o, &message, 16384);
}

#define GOOD_WITH(text, name, alpn)                \
	do {                                       \
		make_with(text, sizeof(text) - 1); \
		expect(name, alpn);                \
	} while (0)
#define BAD_WITH(text)                             \
	do {                                       \
		make_with(text, sizeof(text) - 1); \
		expect_bad(TLS_HELLO_MALFORMED);   \
	} while (0)

#define NAME_A                     \
	"\0\0\0\x06\0\x04\0\0\x01" \
	"a"

static void reads_server_names(void **state)
{
	char longest[9 + 256] = "\0\0\x01\x04\x01\x02\0\0\xff";

	(void)state;
	GOOD_WITH("", "", "");
	GOOD_WITH(NAME_A, "a", "");
	GOOD_WITH("\0\0\0\x0a\0\x08\x07\0\x01?\0\0\x01"
	          "b",
	          "b", ""); /* a type not yet known */
	GOOD_WITH("\0\0\0\x06\0\x04\x07\0\x01?", "", "");
	GOOD_WITH("\0\0\0\x06\0\x04\0\0\x01*", "*", "");
	BAD_WITH("\0\0\0\0");
	BAD_WITH("\0\0\0\x02\0\0");
	BAD_WITH("\0\0\0\x05\0\x03\0\0\0"); /* an empty name */
	BAD_WITH("\0\0\0\x06\0\x04\0\0\x01\0");
	BAD_WITH("\0\0\0\x06\0\x04\0\0\x01 ");
	BAD_WITH("\0\0\0\x06\0\x04\0\0\x01\x7f");
	BAD_WITH("\0\0\0\x06\0\x04\0\0\x01\x80");
	BAD_WITH("\0\0\0\x06\0\x04\0\0\x02"
	         "a");
	BAD_WITH("\0\0\0\x06\0\x03\0\0\x01"
	         "a");
	BAD_WITH("\0\0\0\x06\0\x05\0\0\x01"
	         "a");
	BAD_WITH("\0\0\0\x0a\0\x08\0\0\x01"
	         "a"
	         "\0\0\x01"
	         "a"); /* two host names */
	BAD_WITH(NAME_A NAME_A);
	BAD_WITH("\0\0\0\x06\0\x04\x07\0\x01?" NAME_A); /* twice, though the first names no host */
	BAD_WITH(NAME_A "\0");
	BAD_WITH(NAME_A "\0\x2a\0\x01");
	memset(longest + 9, 'x', 255);
	make_with(longest, 9 + 255);
	assert_int_equal(read_it(), TLS_HELLO_DONE);
	assert_int_equal(h.server_name.len, 255);
	memcpy(longest, "\0\0\x01\x05\x01\x03\0\x01\0", 9);
	longest[9 + 255] = 'x';
	make_with(longest, 9 + 256);
	expect_bad(TLS_HELLO_MALFORMED);
}

static void reads_protocols(void **state)
{
	(void)state;
	GOOD_WITH("\0\x10\0\x05\0\x03\x02h2", "", "h2");
	GOOD_WITH("\0\x10\0\x0e\0\x0c\x02h2\x08http/1.1", "", "h2,http/1.1");
	GOOD_WITH("\0\x10\0\x04\0\x02\x01\0", "", ""); /* any byte may be in a name */
	assert_int_equal(h.alpn.len, 2);
	BAD_WITH("\0\x10\0\0");
	BAD_WITH("\0\x10\0\x02\0\0");
	BAD_WITH("\0\x10\0\x03\0\x01\0"); /* an empty name */
	BAD_WITH("\0\x10\0\x05\0\x03\x03h2");
	BAD_WITH("\0\x10\0\x05\0\x02\x02h2");
	BAD_WITH("\0\x10\0\x05\0\x03\x01h2");
	BAD_WITH("\0\x10\0\x05\0\x03\x02h2\0\x10\0\x05\0\x03\x02h2");
}

/* The parts before the extensions. */
static void checks_lengths(void **state)
{
	struct hello_spec bare = {.no_extensions = true};

	(void)state;
	for (int at = 0; at < 6; at++) {
		static const uint8_t where[] = {9, 43, 76, 77, 81, 7};
		static const uint8_t what[] = {2, 33, 1, 3, 0, 0xff};

		hello_make(&o, &bare, 16384);
		if (where[at] == 77) /* an odd number of bytes of cipher suites */
			o.p[76] = 0;
		o.p[where[at]] = what[at];
		if (where[at] == 81) /* no compression method, so what was one is left over */
			o.p[80] = 0;
		assert_int_not_equal(read_it(), TLS_HELLO_DONE);
	}
	hello_make(&o, &bare, 16384);
	assert_int_equal(read_it(), TLS_HELLO_DONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_real_ones),
		cmocka_unit_test(survives_mutations),
		cmocka_unit_test(reads_made_ones),
		cmocka_unit_test(stops_at_the_end),
		cmocka_unit_test(refuses_what_is_left_over),
		cmocka_unit_test(says_what_it_wants),
		cmocka_unit_test(refuses_what_is_no_hello),
		cmocka_unit_test(takes_any_record_version),
		cmocka_unit_test(bounds_the_length),
		cmocka_unit_test(reads_server_names),
		cmocka_unit_test(reads_protocols),
		cmocka_unit_test(checks_lengths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
