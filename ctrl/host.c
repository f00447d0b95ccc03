/* SPDX-License-Identifier: BSD-3-Clause */
#include "host.h"

#include "weir/addr.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define LABEL_MAX      63
#define NAME_MAX_BYTES 255

static bool is_label(const char *s, size_t len)
{
	if (len == 0 || len > LABEL_MAX || s[0] == '-' || s[len - 1] == '-')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)s[i]) && s[i] != '-')
			return false;
	return true;
}

bool host_is_label(const char *s)
{
	return is_label(s, strlen(s));
}

bool host_is_name(const char *s)
{
	size_t len = strlen(s), label = 0;

	if (len > 0 && s[len - 1] == '.')
		len--;
	if (len == 0 || len > NAME_MAX_BYTES)
		return false;
	for (size_t i = 0; i <= len; i++) {
		if (i < len && s[i] != '.')
			continue;
		if (!is_label(s + label, i - label))
			return false;
		if (i < len)
			label = i + 1;
	}
	return strspn(s + label, "0123456789") < len - label;
}

bool host_is_pattern(const char *s)
{
	if (s[0] != '*')
		return host_is_name(s);
	if (strcmp(s, "*") == 0)
		return true;
	if (strcmp(s, "*.") == 0) /* no label behind the dot */
		return false;
	/* The star stands for the start of the first label: with a letter in its place it must be a name. */
	char name[NAME_MAX_BYTES + 2];
	size_t len = strlen(s);

	if (len > NAME_MAX_BYTES)
		return false;
	memcpy(name, s, len + 1);
	name[0] = 'a';
	return host_is_name(name);
}

bool host_is_ip(const char *s)
{
	struct ip_addr a;

	return ip_parse(s, &a);
}

bool host_is_wildcard(const char *s)
{
	return s[0] == '*';
}

static bool ends_with(const char *s, const char *suffix)
{
	size_t a = strlen(s), b = strlen(suffix);

	return a >= b && strcasecmp(s + a - b, suffix) == 0;
}

bool host_matches(const char *pattern, const char *name)
{
	if (!host_is_wildcard(pattern))
		return strcasecmp(pattern, name) == 0;
	return strlen(name) >= strlen(pattern) &&
	       ends_with(name, pattern + 1); /* the star stands for one byte or more */
}

bool host_overlaps(const char *a, const char *b)
{
	return host_intersect(a, b) != NULL;
}

const char *host_intersect(const char *a, const char *b)
{
	if (!host_is_wildcard(a))
		return host_matches(b, a) ? a : NULL;
	if (!host_is_wildcard(b))
		return host_matches(a, b) ? b : NULL;
	if (ends_with(a + 1, b + 1))
		return a;
	return ends_with(b + 1, a + 1) ? b : NULL;
}

const char *host_lower(struct arena *a, const char *host)
{
	char *name = arena_dup(a, host);
	size_t len = strlen(name);

	if (len > 0 && name[len - 1] == '.')
		name[len - 1] = '\0';
	for (char *p = name; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return name;
}

const char *host_expand(struct arena *a, const char *host, const char *ns, const char *domain)
{
	bool is_short = host[0] != '*' && !strchr(host, '.') && !host_is_ip(host);

	return host_lower(a, is_short ? arena_printf(a, "%s.%s.svc.%s", host, ns, domain) : host);
}
