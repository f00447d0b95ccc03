/* SPDX-License-Identifier: BSD-3-Clause */
#include "route.h"

#include "condition.h"
#include "path_tree.h"

#include <hs.h>

int route_listener(const struct snapshot *s, const struct ip_addr *addr, be16_t port)
{
	return route_listener_of(s, addr, port, false);
}

int route_listener_of(const struct snapshot *s, const struct ip_addr *addr, be16_t port, bool udp)
{
	int any = -1;

	for (uint32_t i = 0; i < s->n_listeners; i++) {
		const struct listener *l = &s->listeners[i];

		if (l->port != port || (l->kind == LISTENER_UDP) != udp)
			continue;
		if (ip_eq(&l->addr, addr))
			return (int)i;
		if (ip_is_any(&l->addr))
			any = (int)i;
	}
	return any;
}

/* ---- virtual host ----------------------------------------------------------------------- */

/* Without the port: digits, maybe none, behind a ':'. The parser has let nothing else through. */
static struct str strip_port(struct str authority)
{
	uint32_t i = authority.len;

	while (i && authority.p[i - 1] >= '0' && authority.p[i - 1] <= '9')
		i--;
	if (i && authority.p[i - 1] == ':')
		authority.len = i - 1;
	return authority;
}

/* Is this the name of the row, which is in lower case? */
static bool is_named(struct str row, struct str name)
{
	uint64_t a, b;
	uint32_t i = 0;

	if (row.len != name.len)
		return false;
	for (; i + 8 <= name.len; i += 8) {
		memcpy(&a, name.p + i, 8);
		memcpy(&b, row.p + i, 8);
		if (host_lower8(a) != b)
			return false;
	}
	for (; i < name.len; i++)
		if (str_lower(name.p[i]) != row.p[i])
			return false;
	return true;
}

static const struct vhost *find_row(const struct host_row *rows, uint32_t mask, struct str name)
{
	uint64_t hash = host_hash(name);

	for (uint32_t i = (uint32_t)hash & mask; rows[i].vhost; i = (i + 1) & mask)
		if (rows[i].hash == hash && is_named(rows[i].name, name))
			return rows[i].vhost;
	return NULL;
}

/* The longest "*suffix" that leaves at least one byte for the star. */
static const struct vhost *find_suffix(const struct host_table *t, struct str host)
{
	for (uint32_t i = 0; i < t->n_suffix_lens; i++) {
		uint32_t len = t->suffix_lens[i];
		const struct vhost *v;

		if (len >= host.len)
			continue;
		v = find_row(t->suffix, t->suffix_mask, (struct str){host.p + host.len - len, len});
		if (v)
			return v;
	}
	return NULL;
}

const struct vhost *route_name(const struct listener *l, struct str name)
{
	const struct host_table *t = &l->hosts;
	const struct vhost *v = NULL;

	if (t->exact)
		v = find_row(t->exact, t->exact_mask, name);
	if (!v && t->suffix)
		v = find_suffix(t, name);
	return v ? v : t->any;
}

const struct vhost *route_host(const struct listener *l, struct str authority)
{
	return route_name(l, strip_port(authority));
}

/* ---- clause ----------------------------------------------------------------------------- */

static const struct clause *match_directly(const struct vhost *v, const struct condition_env *env)
{
	for (uint32_t i = 0; i < v->n_clauses; i++) {
		const struct clause *c = &v->clauses[i];

		if (condition_uri(env, c) && condition_rest(env, c))
			return c;
	}
	return NULL;
}

static int set_bit(unsigned int id, unsigned long long from, unsigned long long to,
                   unsigned int flags, void *context)
{
	(void)from, (void)to, (void)flags;
	route_bits_set(context, id);
	return 0;
}

/* The lowest set bit, cleared; UINT32_MAX when none is left. */
static uint32_t take_bit(struct route_bits *bits, uint32_t n_clauses)
{
	for (uint32_t d = 0; d <= (n_clauses - 1) / 4096; d++) {
		if (!bits->dirty[d])
			continue;
		uint32_t w = d * 64 + (uint32_t)__builtin_ctzll(bits->dirty[d]);
		uint32_t bit = (uint32_t)__builtin_ctzll(bits->words[w]);

		bits->words[w] &= bits->words[w] - 1;
		if (!bits->words[w])
			bits->dirty[d] &= bits->dirty[d] - 1;
		return w * 64 + bit;
	}
	return UINT32_MAX;
}

static void clear_bits(struct route_bits *bits, uint32_t n_clauses)
{
	while (take_bit(bits, n_clauses) != UINT32_MAX)
		;
}

/*
 * Two ascending sequences of clauses are walked as one: those whose uri was found, and those whose uri
 * was not looked for.
 */
static const struct clause *match_found(const struct vhost *v, const struct condition_env *env)
{
	uint32_t found = take_bit(env->bits, v->n_clauses), direct = 0;

	for (;;) {
		uint32_t other = direct < v->n_direct ? v->direct[direct] : UINT32_MAX;
		uint32_t i = found < other ? found : other;

		if (i == UINT32_MAX)
			return NULL;
		const struct clause *c = &v->clauses[i];

		if ((i == found || condition_uri(env, c)) && condition_rest(env, c)) {
			clear_bits(env->bits, v->n_clauses);
			return c;
		}
		if (i == found)
			found = take_bit(env->bits, v->n_clauses);
		else
			direct++;
	}
}

const struct clause *route_match(const struct vhost *v, const struct http1_request *r,
                                 struct hs_scratch *scratch, struct route_bits *bits)
{
	const struct condition_env env = {.request = r, .scratch = scratch, .bits = bits};

	if (v->paths) {
		path_tree_find(v->paths, r->path, bits);
		return match_found(v, &env);
	}
	if (!v->db || v->n_clauses == 0 || !condition_is_utf8(r->path))
		return match_directly(v, &env);
	/* Cannot fail: the callback never stops it, and the scratch was made for this database. */
	if (hs_scan(v->db, r->path.p, r->path.len, 0, scratch, set_bit, bits) != HS_SUCCESS) {
		clear_bits(bits, v->n_clauses);
		return NULL;
	}
	return match_found(v, &env);
}
