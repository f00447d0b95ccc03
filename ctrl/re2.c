/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One pass over the pattern with the number of open groups and "is there something to repeat".
 * Source: RE2's syntax page (github.com/google/re2/wiki/Syntax); repetition limit 1000 is RE2's.
 */
#include "re2.h"

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define REPEAT_MAX 1000

struct scan {
	const char *p;
	int open;          /* groups */
	bool can_repeat;   /* something stands before that a quantifier may follow */
	const char *wrong; /* first problem */
};

static void fail(struct scan *s, const char *wrong)
{
	if (!s->wrong)
		s->wrong = wrong;
}

/* \pN, \p{Greek}: p stands behind the p. */
static void unicode_class(struct scan *s)
{
	if (*s->p != '{') {
		if (!isalpha((unsigned char)*s->p))
			fail(s, "\\p needs a class name; write \\p{Name}");
		else
			s->p++;
		return;
	}
	const char *end = strchr(s->p, '}');

	if (!end || end == s->p + 1)
		fail(s, "\\p{ is not closed; write \\p{Name}");
	else
		s->p = end + 1;
}

/* \x7F, \x{10FFFF}: p stands behind the x. */
static void hex_escape(struct scan *s)
{
	char *end;

	if (*s->p == '{') {
		unsigned long v =
			isxdigit((unsigned char)s->p[1]) ? strtoul(s->p + 1, &end, 16) : 0x110000;

		if (v > 0x10ffff || *end != '}')
			fail(s, "\\x{ needs a hexadecimal character number up to 10FFFF and '}'");
		else
			s->p = end + 1;
		return;
	}
	if (!isxdigit((unsigned char)s->p[0]) || !isxdigit((unsigned char)s->p[1]))
		fail(s, "\\x needs two hexadecimal digits");
	else
		s->p += 2;
}

/* p stands behind the backslash. */
static void escape(struct scan *s, bool in_class)
{
	static const char everywhere[] = "afnrtvdDsSwW";
	char c = *s->p;

	if (c == '\0') {
		fail(s, "it ends in a backslash; write \\\\ for a backslash");
		return;
	}
	s->p++;
	if (c == 'p' || c == 'P')
		unicode_class(s);
	else if (c == 'x')
		hex_escape(s);
	else if (c == 'v')
		fail(s, "\\v is a vertical tab, which no request can hold; leave it out");
	else if (c >= '1' && c <= '9' && !(c <= '7' && s->p[0] >= '0' && s->p[0] <= '7'))
		fail(s, "back-references (\\1) are not part of RE2; rewrite without them");
	else if (c == 'Q' && !in_class) {
		const char *end = strstr(s->p, "\\E");

		s->p = end ? end + 2 : s->p + strlen(s->p);
	} else if (isalpha((unsigned char)c) && !strchr(everywhere, c) &&
	           (in_class || !strchr("AbBzC", c)))
		fail(s, "it has an escape that RE2 does not know; RE2 has no \\Z, \\G, \\K, \\R, "
		        "\\h, \\k or \\u");
	else if ((unsigned char)c >= 0x80)
		fail(s, "a backslash stands before a letter that needs none; remove the backslash");
}

/* p stands behind the '['. */
static void class(struct scan *s)
{
	if (*s->p == '^')
		s->p++;
	for (bool first = true; *s->p && (first || *s->p != ']') && !s->wrong; first = false) {
		if (s->p[0] == '[' && s->p[1] == ':') {
			const char *end = strstr(s->p + 2, ":]");

			if (end) {
				s->p = end + 2;
				continue;
			}
		}
		const char *low = s->p;

		if (*s->p++ == '\\')
			escape(s, true);
		bool range = s->p[0] == '-' && s->p[1] && s->p[1] != ']';

		if (!range || s->wrong)
			continue;
		if (low[0] != '\\' && s->p[1] != '\\' &&
		    (unsigned char)s->p[1] < (unsigned char)low[0])
			fail(s, "a range in [ ] runs backwards; swap its ends");
		s->p++;
		if (*s->p++ == '\\')
			escape(s, true);
	}
	if (*s->p != ']')
		fail(s, "a '[' is not closed; add ']' or write \\[");
	else
		s->p++;
}

/* Flags of (?flags) and (?flags:: p stands behind the '?'. */
static void flags(struct scan *s)
{
	size_t n = strspn(s->p, "imsU-");
	const char *end = s->p + n;

	if (n > 0 && *end == ')') {
		s->p = end + 1;
		s->can_repeat = false;
	} else if (*end == ':') {
		s->p = end + 1;
		s->open++;
		s->can_repeat = false;
	} else
		fail(s,
		     "it has a group '(?...' that RE2 does not know; use (...), (?:...) or (?i)");
}

/* (?P<name> or (?<name>: p stands behind the '<'. */
static void group_name(struct scan *s)
{
	size_t n = 0;

	while (isalnum((unsigned char)s->p[n]) || s->p[n] == '_')
		n++;
	if (n == 0 || s->p[n] != '>') {
		fail(s, "a group name is not good; write (?P<name>...)");
		return;
	}
	s->p += n + 1;
	s->open++;
	s->can_repeat = false;
}

/* p stands behind the '('. */
static void group(struct scan *s)
{
	if (s->p[0] != '?') {
		s->open++;
		s->can_repeat = false;
		return;
	}
	const char *q = s->p + 1;

	if (q[0] == '=' || q[0] == '!' || (q[0] == '<' && (q[1] == '=' || q[1] == '!')))
		fail(s, "look-ahead and look-behind are not part of RE2; use several match blocks "
		        "or withoutHeaders");
	else if (q[0] == '>')
		fail(s, "atomic groups (?>...) are not part of RE2; use (?:...)");
	else if (q[0] == '<' || (q[0] == 'P' && q[1] == '<')) {
		s->p = strchr(q, '<') + 1;
		group_name(s);
	} else {
		s->p = q;
		flags(s);
	}
}

/* Is there {n}, {n,} or {n,m} at p? Otherwise RE2 takes '{' as itself. Gives the byte behind it. */
static const char *counted(struct scan *s)
{
	char *end;
	long low, high;

	if (!isdigit((unsigned char)s->p[1]))
		return NULL;
	low = high = strtol(s->p + 1, &end, 10);
	if (*end == ',') {
		end++;
		if (isdigit((unsigned char)*end))
			high = strtol(end, &end, 10);
	}
	if (*end != '}')
		return NULL;
	if (low > REPEAT_MAX || high > REPEAT_MAX)
		fail(s, "a repetition is above 1000; RE2 allows up to {1000}");
	else if (high < low)
		fail(s, "a repetition runs backwards; write {least,most}");
	return end + 1;
}

/* Something to repeat, a quantifier, or a plain character. Returns false when p is no quantifier. */
static bool quantifier(struct scan *s)
{
	const char *end = *s->p == '{' ? counted(s) : s->p + 1;

	if (!end || !strchr("*+?{", *s->p))
		return false;
	if (!s->can_repeat)
		fail(s, "a *, +, ? or {n} has nothing before it to repeat; write \\* for a star, "
		        ".* for anything");
	s->p = end;
	if (*s->p == '?')
		s->p++;
	if (*s->p == '+')
		fail(s, "possessive quantifiers (a++) are not part of RE2; drop the second '+'");
	else if (*s->p == '*' || *s->p == '?' || (*s->p == '{' && counted(s)))
		fail(s, "two quantifiers stand side by side; put the first into (...)");
	s->can_repeat = false;
	return true;
}

const char *re2_check(const char *pattern)
{
	struct scan s = {.p = pattern};

	if (strlen(pattern) > RE2_BYTES_MAX)
		return "it is longer than 1024 bytes; split it into several match blocks";
	while (*s.p && !s.wrong) {
		if (quantifier(&s))
			continue;
		char c = *s.p++;

		s.can_repeat = c != '|';
		if (c == '\\')
			escape(&s, false);
		else if (c == '[')
			class(&s);
		else if (c == '(')
			group(&s);
		else if (c == ')' && s.open-- == 0)
			fail(&s, "a ')' has no '('; write \\) for a bracket");
	}
	if (s.open > 0)
		fail(&s, "a '(' is not closed; add ')' or write \\(");
	return s.wrong;
}
