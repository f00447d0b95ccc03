/* SPDX-License-Identifier: BSD-3-Clause */
#include "resolve.h"

#include "log.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

/* A name that is kept. A lookup in flight holds it, so a swept name goes when its lookup is over. */
struct resolve_name {
	uv_getaddrinfo_t req;
	struct resolver *resolver;
	struct resolve_name *next;
	char *host;
	bool marked, in_flight, swept;
	bool tried;        /* looked up at least once */
	const char *error; /* of the last lookup; NULL: good */
	char resolved[32]; /* when the addresses below were last confirmed; "": never */
	uint32_t n_addrs;
	struct ip_addr addrs[RESOLVE_ADDRS_MAX]; /* sorted */
};

/* ---- tables ----------------------------------------------------------------------------- */

struct name_row {
	char *host;
	uint32_t n_addrs;
	struct ip_addr *addrs;
};

struct names {
	uint32_t n;
	struct name_row rows[];
};

uint32_t names_find(void *names, const char *name, const struct ip_addr **addrs)
{
	const struct names *t = names;

	for (uint32_t i = 0; t && i < t->n; i++) {
		if (strcmp(t->rows[i].host, name) != 0)
			continue;
		*addrs = t->rows[i].addrs;
		return t->rows[i].n_addrs;
	}
	return 0;
}

void names_free(struct names *names)
{
	for (uint32_t i = 0; names && i < names->n; i++) {
		free(names->rows[i].host);
		free(names->rows[i].addrs);
	}
	free(names);
}

struct names *resolver_names(const struct resolver *r)
{
	const struct resolve_name *name;
	struct names *t;
	uint32_t n = 0;

	for (name = r->list; name; name = name->next)
		n++;
	t = calloc(1, sizeof(*t) + n * sizeof(t->rows[0]));
	for (name = r->list; t && name; name = name->next) {
		struct name_row *row = &t->rows[t->n];
		size_t bytes = name->n_addrs * sizeof(name->addrs[0]);

		row->host = strdup(name->host);
		row->addrs = malloc(bytes + 1);
		if (!row->host || !row->addrs) {
			free(row->host);
			free(row->addrs);
			break;
		}
		row->n_addrs = name->n_addrs;
		memcpy(row->addrs, name->addrs, bytes);
		t->n++;
	}
	return t;
}

/* ---- lookups ---------------------------------------------------------------------------- */

static void name_free(struct resolve_name *name)
{
	free(name->host);
	free(name);
}

static int compare_addrs(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct ip_addr));
}

/* The addresses of an answer, sorted, each once. */
static uint32_t take_addrs(const struct addrinfo *info, struct ip_addr *out)
{
	uint32_t n = 0, kept = 0;

	for (; info && n < RESOLVE_ADDRS_MAX; info = info->ai_next) {
		const void *sa = info->ai_addr;

		if (info->ai_family == AF_INET)
			out[n++] = ip_from_v4(((const struct sockaddr_in *)sa)->sin_addr.s_addr);
		else if (info->ai_family == AF_INET6)
			memcpy(out[n++].b, &((const struct sockaddr_in6 *)sa)->sin6_addr, 16);
	}
	qsort(out, n, sizeof(*out), compare_addrs);
	for (uint32_t i = 0; i < n; i++)
		if (i == 0 || !ip_eq(&out[i], &out[kept - 1]))
			out[kept++] = out[i];
	return kept;
}

/* Tell who waits, once no name is left that was never looked up. */
static void check_ready(struct resolver *r)
{
	void (*ready)(void *) = r->ready;

	if (!ready)
		return;
	for (const struct resolve_name *name = r->list; name; name = name->next)
		if (!name->tried)
			return;
	r->ready = NULL;
	uv_timer_stop(&r->patience);
	ready(r->ready_arg);
}

static void lookup_done(uv_getaddrinfo_t *req, int status, struct addrinfo *info)
{
	struct resolve_name *name = req->data;
	struct resolver *r = name->resolver;
	struct ip_addr addrs[RESOLVE_ADDRS_MAX];
	uint32_t n = status == 0 ? take_addrs(info, addrs) : 0;
	bool first = !name->tried, differs;

	uv_freeaddrinfo(info);
	name->in_flight = false;
	if (name->swept) {
		name_free(name);
		return;
	}
	name->tried = true;
	name->error = status < 0 ? uv_strerror(status) : n == 0 ? "no addresses" : NULL;
	differs = n > 0 &&
	          (n != name->n_addrs || memcmp(addrs, name->addrs, n * sizeof(addrs[0])) != 0);
	if (name->error)
		log_warning("name-not-resolved", "host=%s error=\"%s\" addresses_kept=%u",
		            name->host, name->error, name->n_addrs);
	else
		log_now(name->resolved);
	if (differs) {
		name->n_addrs = n;
		memcpy(name->addrs, addrs, n * sizeof(addrs[0]));
	}
	/* what waits for the first answer takes it from there; a late one is a change */
	if (differs && !(first && r->ready) && r->changed)
		r->changed(r->arg);
	check_ready(r);
}

static void look_up(struct resolve_name *name)
{
	static const struct addrinfo hints = {
		.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
	int rc;

	if (name->in_flight)
		return;
	name->req.data = name;
	rc = uv_getaddrinfo(name->resolver->loop, &name->req, lookup_done, name->host, NULL,
	                    &hints);
	name->in_flight = rc == 0;
	if (rc < 0) {
		name->tried = true; /* a name that cannot even be asked for, such as one too long */
		name->error = uv_strerror(rc);
	}
}

static void refresh(uv_timer_t *timer)
{
	struct resolver *r = timer->data;

	for (struct resolve_name *name = r->list; name; name = name->next)
		look_up(name);
}

static void patience_over(uv_timer_t *timer)
{
	struct resolver *r = timer->data;
	void (*ready)(void *) = r->ready;

	r->ready = NULL;
	if (ready)
		ready(r->ready_arg);
}

/* ---- names ------------------------------------------------------------------------------ */

void resolver_init(struct resolver *r, uv_loop_t *loop, uint64_t interval_us,
                   void (*changed)(void *arg), void *arg)
{
	*r = (struct resolver){
		.loop = loop, .interval_us = interval_us, .changed = changed, .arg = arg};
	uv_timer_init(loop, &r->refresh);
	uv_timer_init(loop, &r->patience);
	r->refresh.data = r;
	r->patience.data = r;
	uv_timer_start(&r->refresh, refresh, interval_us / 1000, interval_us / 1000);
}

void resolver_keep(struct resolver *r, const char *host)
{
	struct resolve_name *name;

	for (name = r->list; name; name = name->next)
		if (strcmp(name->host, host) == 0) {
			name->marked = true;
			return;
		}
	name = calloc(1, sizeof(*name));
	if (!name || !(name->host = strdup(host))) {
		free(name);
		return;
	}
	name->resolver = r;
	name->marked = true;
	name->next = r->list;
	r->list = name;
	look_up(name);
}

void resolver_mark(struct resolver *r)
{
	for (struct resolve_name *name = r->list; name; name = name->next)
		name->marked = false;
}

void resolver_sweep(struct resolver *r)
{
	struct resolve_name **at = &r->list;

	while (*at) {
		struct resolve_name *name = *at;

		if (name->marked) {
			at = &name->next;
			continue;
		}
		*at = name->next;
		name->swept = true;
		if (!name->in_flight)
			name_free(name);
	}
}

void resolver_wait(struct resolver *r, void (*ready)(void *arg), void *arg)
{
	r->ready = ready;
	r->ready_arg = arg;
	uv_timer_start(&r->patience, patience_over, RESOLVE_WAIT_MS, 0);
	check_ready(r);
}

json_t *resolver_json(const struct resolver *r)
{
	json_t *list = json_array();

	for (const struct resolve_name *name = r->list; name; name = name->next) {
		json_t *addrs = json_array();
		char text[IP_ADDR_TEXT_MAX];

		for (uint32_t i = 0; i < name->n_addrs; i++)
			json_array_append_new(addrs, json_string(ip_format(&name->addrs[i], text)));
		json_array_append_new(list, json_pack("{s:s, s:o, s:s?, s:s?}", "host", name->host,
		                                      "addresses", addrs, "resolved",
		                                      *name->resolved ? name->resolved : NULL,
		                                      "error", name->error));
	}
	return list;
}

void resolver_close(struct resolver *r)
{
	r->ready = NULL;
	r->changed = NULL;
	for (struct resolve_name *name = r->list; name; name = name->next)
		if (name->in_flight)
			uv_cancel((uv_req_t *)&name->req);
	resolver_mark(r);
	resolver_sweep(r);
	uv_close((uv_handle_t *)&r->refresh, NULL);
	uv_close((uv_handle_t *)&r->patience, NULL);
}
