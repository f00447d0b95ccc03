/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a plain scalar means: YAML 1.1 as kubectl reads it (its table of words, Go's number forms),
 * so that a document means here what it means there.
 */
#include "tree.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_TEXT_MAX 64 /* longer plain scalars are text */

static bool is_one_of(const struct tree_node *node, const char *const *words)
{
	if (!node || node->kind != TREE_SCALAR || node->quoted)
		return false;
	for (; *words; words++)
		if (strcmp(node->text, *words) == 0)
			return true;
	return false;
}

bool tree_is_null(const struct tree_node *node)
{
	static const char *const words[] = {"", "~", "null", "Null", "NULL", NULL};

	return is_one_of(node, words);
}

bool tree_as_bool(const struct tree_node *node, bool *out)
{
	static const char *const yes[] = {"true", "True", "TRUE", "y",  "Y",  "yes",
	                                  "Yes",  "YES",  "on",   "On", "ON", NULL};
	static const char *const no[] = {"false", "False", "FALSE", "n",   "N",   "no",
	                                 "No",    "NO",    "off",   "Off", "OFF", NULL};

	*out = is_one_of(node, yes);
	return *out || is_one_of(node, no);
}

/* The text of a plain scalar that begins like a number, without the '_' that may stand between digits. */
static bool number_text(const struct tree_node *node, char out[NUMBER_TEXT_MAX])
{
	size_t n = 0;

	if (!node || node->kind != TREE_SCALAR || node->quoted ||
	    strlen(node->text) >= NUMBER_TEXT_MAX)
		return false;
	if (!strchr("+-.0123456789", node->text[0]) || node->text[0] == '\0')
		return false;
	for (const char *p = node->text; *p; p++)
		if (*p != '_')
			out[n++] = *p;
	out[n] = '\0';
	return true;
}

static const char *digits_of(const char *digits, int *base)
{
	if (digits[0] != '0' || digits[1] == '\0')
		return digits;
	switch (digits[1]) {
	case 'x':
	case 'X': *base = 16; return digits + 2;
	case 'o':
	case 'O': *base = 8; return digits + 2;
	case 'b':
	case 'B': *base = 2; return digits + 2;
	default: *base = 8; return digits + 1;
	}
}

bool tree_as_int(const struct tree_node *node, int64_t *out)
{
	char buf[NUMBER_TEXT_MAX];
	int base = 10;
	char *end;

	if (!number_text(node, buf))
		return false;
	bool negative = buf[0] == '-';
	const char *digits = digits_of(buf + (negative || buf[0] == '+'), &base);

	if (strspn(digits, "0123456789abcdefABCDEF") == 0) /* no second sign, no space */
		return false;
	errno = 0;
	unsigned long long v = strtoull(digits, &end, base);

	if (*end || errno || end == digits || v > (unsigned long long)INT64_MAX + negative)
		return false;
	*out = negative ? (int64_t)(0 - v) : (int64_t)v;
	return true;
}

bool tree_as_double(const struct tree_node *node, double *out)
{
	char buf[NUMBER_TEXT_MAX];
	int64_t i;
	char *end;

	if (tree_as_int(node, &i)) {
		*out = (double)i;
		return true;
	}
	if (!number_text(node, buf) || strspn(buf, "+-.0123456789eE") != strlen(buf) ||
	    !strpbrk(buf, "0123456789"))
		return false;
	*out = strtod(buf, &end);
	return *end == '\0' && end != buf && isfinite(*out);
}

bool tree_is_text(const struct tree_node *node)
{
	bool flag;
	double number;

	if (!node || node->kind != TREE_SCALAR)
		return false;
	return node->quoted ||
	       !(tree_is_null(node) || tree_as_bool(node, &flag) || tree_as_double(node, &number));
}

const char *tree_kind_text(const struct tree_node *node)
{
	bool flag;

	switch (node->kind) {
	case TREE_LIST: return "a list";
	case TREE_MAP: return "a map";
	default: break;
	}
	if (tree_is_null(node))
		return "nothing (null)";
	if (tree_is_text(node))
		return "text";
	return tree_as_bool(node, &flag) ? "a boolean" : "a number";
}
