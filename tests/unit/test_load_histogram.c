/* SPDX-License-Identifier: BSD-3-Clause */
/* The parts of the load generator that decide whether its figures are right. */
#include "draw.h"
#include "histogram.h"
#include "pace.h"
#include "reader.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- histogram --------------------------------------------------------------------------- */

static void quantiles_are_right_to_3_percent(void **state)
{
	static const double parts[] = {0.01, 0.5, 0.9, 0.99, 0.999};
	static struct histogram h;

	(void)state;
	for (uint64_t v = 1; v <= 100000; v++)
		histogram_add(&h, v * 17);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		double right = parts[i] * 100000 * 17;
		double got = (double)histogram_quantile(&h, parts[i]);

		assert_true(got <= right * 1.001 && got >= right * 0.968);
	}
	assert_int_equal(h.total, 100000);
}

static void small_values_are_exact_and_large_ones_have_a_place(void **state)
{
	static struct histogram h;

	(void)state;
	for (uint64_t v = 0; v < 32; v++)
		histogram_add(&h, v);
	assert_int_equal(histogram_quantile(&h, 0.5), 16);
	assert_int_equal(histogram_quantile(&h, 0), 0);
	histogram_add(&h, UINT64_MAX);
	assert_true(histogram_quantile(&h, 1) >= UINT64_MAX / 32 * 31);
}

static void the_largest_is_the_last_quantile(void **state)
{
	static struct histogram h, nothing;

	(void)state;
	histogram_add(&h, 3);
	histogram_add(&h, 31);
	assert_int_equal(histogram_quantile(&h, 1), 31);
	assert_int_equal(histogram_quantile(&nothing, 1), 0);
}

/* ---- coordinated omission ---------------------------------------------------------------- */

/*
 * A server takes 10 us a request and stands still from 1 s to 2 s; 1,000 requests a second are due for 10 s, one at a time.
 * A tenth of the requests meets the stall, half of them for more than 500 ms. Counted from the moment of sending only one
 * request would be slow.
 */
static uint64_t answer_at(uint64_t sent_us)
{
	return (sent_us >= 1000000 && sent_us < 2000000 ? 2000000 : sent_us) + 10;
}

static void a_stall_is_seen_by_all_that_were_due(void **state)
{
	static struct histogram from_due, from_sending;
	struct pace p = {.start = 0, .period = 1000};
	uint64_t now = 0, due;

	(void)state;
	while (p.taken < 10000) {
		if (!pace_take(&p, now, &due)) {
			now = pace_due(&p);
			continue;
		}
		histogram_add(&from_due, answer_at(now) - due);
		histogram_add(&from_sending, answer_at(now) - now);
		now = answer_at(now);
	}
	assert_int_equal(histogram_quantile(&from_due, 0.5), 10);
	assert_in_range(histogram_quantile(&from_due, 0.95), 450000, 520000);
	assert_int_equal(histogram_quantile(&from_sending, 0.999), 10);
}

static void due_times_do_not_drift(void **state)
{
	struct pace p = {.start = 7, .period = 1000.0 / 3};
	uint64_t due;

	(void)state;
	assert_false(pace_take(&p, 6, &due));
	for (int i = 0; i < 3000000; i++)
		assert_true(pace_take(&p, UINT64_MAX, &due));
	assert_int_equal(pace_due(&p), 1000000007);
}

/* ---- draw -------------------------------------------------------------------------------- */

static void zipf_halves_and_uniform_does_not(void **state)
{
	struct draw zipf, flat;
	uint32_t z[100] = {0}, f[100] = {0};

	(void)state;
	assert_int_equal(draw_init(&zipf, 100, 1, 1), 0);
	assert_int_equal(draw_init(&flat, 100, 0, 1), 0);
	for (uint32_t i = 0; i < 262144; i++) {
		z[draw_next(&zipf)]++;
		f[draw_next(&flat)]++;
	}
	/* the harmonic number of 100 is 5.19 */
	assert_in_range(z[0], 50000, 51000);
	assert_in_range(z[1], 24800, 25700);
	assert_in_range(z[99], 440, 580);
	for (int i = 0; i < 100; i++)
		assert_in_range(f[i], 2400, 2850);
	draw_fini(&zipf);
	draw_fini(&flat);
}

/* ---- reader ------------------------------------------------------------------------------ */

#define BODY 5000u

struct text {
	struct body body;
	struct reader_rules rules;
	struct reader reader;
	char bytes[3 * (BODY + 200)];
	uint32_t len;
};

static void add_response(struct text *t, uint32_t version)
{
	t->len += (uint32_t)sprintf(
		t->bytes + t->len,
		"HTTP/1.1 200 OK\r\nContent-Length: %u\r\nX-Version: v%u\r\n\r\n", BODY, version);
	body_write(&t->body, version, t->bytes + t->len, BODY);
	t->len += BODY;
}

static struct text *three_responses(void)
{
	struct text *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	body_init(&t->body);
	t->rules = (struct reader_rules){.body = &t->body, .body_bytes = BODY};
	add_response(t, 1);
	add_response(t, 2);
	add_response(t, 1);
	return t;
}

/* @return responses, or -1 */
static int take_in_pieces(struct text *t, uint32_t piece)
{
	int done = 0;

	reader_reset(&t->reader);
	for (uint32_t at = 0; at < t->len; at += piece) {
		uint32_t n = t->len - at < piece ? t->len - at : piece;
		int k = reader_take(&t->reader, &t->rules, t->bytes + at, n);

		if (k < 0)
			return -1;
		done += k;
	}
	return done;
}

static void responses_in_any_pieces(void **state)
{
	struct text *t = three_responses();

	(void)state;
	for (uint32_t piece = 1; piece <= 1500; piece += 1 + piece / 20)
		assert_int_equal(take_in_pieces(t, piece), 3);
	assert_int_equal(take_in_pieces(t, t->len), 3);
	assert_int_equal(t->rules.right[0], 2 * t->rules.right[1]);
	free(t);
}

static void one_wrong_byte_anywhere_is_seen(void **state)
{
	struct text *t = three_responses();

	(void)state;
	assert_int_equal(take_in_pieces(t, 1460), 3);
	for (uint32_t at = 60; at < t->len; at += 37) {
		char was = t->bytes[at];

		t->bytes[at] = '~';
		/* none of these places is in a reason phrase, which is not read */
		assert_true(take_in_pieces(t, 1460) < 3);
		reader_reset(&t->reader);
		t->bytes[at] = was;
	}
	memmove(t->bytes + 1000, t->bytes + 1001, t->len - 1001);
	assert_int_equal(take_in_pieces(t, 1460), -1);
	free(t->reader.part);
	free(t);
}

static void another_version_than_asked_for_is_wrong(void **state)
{
	struct text *t = three_responses();

	(void)state;
	t->reader.expected = 1;
	assert_int_equal(take_in_pieces(t, 1460), -1);
	assert_string_equal(t->rules.wrong, "another version than the request's");
	free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quantiles_are_right_to_3_percent),
		cmocka_unit_test(small_values_are_exact_and_large_ones_have_a_place),
		cmocka_unit_test(the_largest_is_the_last_quantile),
		cmocka_unit_test(a_stall_is_seen_by_all_that_were_due),
		cmocka_unit_test(due_times_do_not_drift),
		cmocka_unit_test(zipf_halves_and_uniform_does_not),
		cmocka_unit_test(responses_in_any_pieces),
		cmocka_unit_test(one_wrong_byte_anywhere_is_seen),
		cmocka_unit_test(another_version_than_asked_for_is_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
