/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers, addresses and dates as text, without libc's formatting: they stand in every head. */
#include "http1_put.h"

void http1_put_number(struct http1_out *out, uint64_t n)
{
	char digits[20]; /* 2^64 - 1 has 20 */
	size_t i = sizeof(digits);

	if (n < 10) { /* milliseconds and attempts are, mostly */
		http1_put(out, &(char){(char)('0' + n)}, 1);
		return;
	}
	do
		digits[--i] = (char)('0' + n % 10);
	while (n /= 10);
	http1_put(out, digits + i, sizeof(digits) - i);
}

void http1_put_2digits(struct http1_out *out, uint32_t n)
{
	char digits[2] = {(char)('0' + n / 10 % 10), (char)('0' + n % 10)};

	http1_put(out, digits, sizeof(digits));
}

/* One part of a dotted quad; returns the end of it. */
static char *write_byte(char *p, uint8_t n)
{
	if (n >= 100)
		*p++ = (char)('0' + n / 100);
	if (n >= 10)
		*p++ = (char)('0' + n / 10 % 10);
	*p++ = (char)('0' + n % 10);
	return p;
}

void http1_put_addr(struct http1_out *out, const struct ip_addr *a)
{
	char text[IP_ADDR_TEXT_MAX], *p = text;

	if (!ip_is_v4(a)) {
		ip_format(a, text);
		http1_put(out, text, strlen(text));
		return;
	}
	for (int i = 12; i < 16; i++) {
		if (i > 12)
			*p++ = '.';
		p = write_byte(p, a->b[i]);
	}
	http1_put(out, text, (size_t)(p - text));
}

/*
 * Civil date from days since 1970, in the proleptic Gregorian calendar. Years begin in March here, so
 * that the leap day is the last of its year; 719468 days lie between 0000-03-01 and 1970-01-01, an era
 * of 400 years has 146097, and 153 days are five months from March on.
 */
static void put_day(struct http1_out *out, uint64_t days)
{
	static const char months[] = "MarAprMayJunJulAugSepOctNovDecJanFeb";
	uint64_t z = days + 719468, era = z / 146097;
	uint32_t of_era = (uint32_t)(z % 146097);
	uint32_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	uint32_t of_year = of_era - (365 * year + year / 4 - year / 100);
	uint32_t month = (5 * of_year + 2) / 153;
	uint64_t civil = era * 400 + year + (month >= 10);

	http1_put_2digits(out, of_year - (153 * month + 2) / 5 + 1);
	HTTP1_PUT(out, " ");
	http1_put(out, months + (size_t)3 * month, 3);
	HTTP1_PUT(out, " ");
	http1_put_2digits(out, (uint32_t)(civil / 100));
	http1_put_2digits(out, (uint32_t)(civil % 100));
}

void http1_put_date(struct http1_out *out, uint64_t unix_s)
{
	static const char names[] = "ThuFriSatSunMonTueWed"; /* 1970-01-01 was a Thursday */
	uint64_t days = unix_s / 86400;
	uint32_t s = (uint32_t)(unix_s % 86400);

	http1_put(out, names + 3 * (days % 7), 3);
	HTTP1_PUT(out, ", ");
	put_day(out, days);
	HTTP1_PUT(out, " ");
	http1_put_2digits(out, s / 3600);
	HTTP1_PUT(out, ":");
	http1_put_2digits(out, s / 60 % 60);
	HTTP1_PUT(out, ":");
	http1_put_2digits(out, s % 60);
	HTTP1_PUT(out, " GMT");
}
