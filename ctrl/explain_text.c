/* SPDX-License-Identifier: BSD-3-Clause */
/* The explanation for people: what was looked at in order, then what happens. */
#include "explain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static long long number(const json_t *o, const char *key)
{
	return (long long)json_integer_value(json_object_get(o, key));
}

static void print_http(FILE *f, const json_t *request)
{
	const char *query = text(request, "query");

	fprintf(f, "Request    %s %s%s%s, Host: %s\n", text(request, "method"),
	        text(request, "path"), *query ? "?" : "", query, text(request, "authority"));
}

static void print_connection(FILE *f, const json_t *request)
{
	const char *protocol = text(request, "protocol"), *name = text(request, "name");
	const json_t *alpn = json_object_get(request, "alpn"), *word;
	size_t i;

	fprintf(f, "Connection %s to port %lld", protocol, number(request, "port"));
	if (strcmp(protocol, "tls") == 0)
		fprintf(f, ", server name %s", *name ? name : "not sent");
	json_array_foreach(alpn, i, word)
		fprintf(f, "%s%s", i == 0 ? ", ALPN " : ",", json_string_value(word));
	fputc('\n', f);
}

static void print_request(FILE *f, const json_t *o)
{
	const json_t *request = json_object_get(o, "request");
	const json_t *listener = json_object_get(o, "listener");

	if (json_object_get(request, "protocol"))
		print_connection(f, request);
	else
		print_http(f, request);
	if (listener)
		fprintf(f, "Listener   %s (%s:%lld)\n", text(listener, "name"),
		        text(listener, "address"), number(listener, "port"));
	if (json_object_get(o, "host"))
		fprintf(f, "Host       %s\n", text(o, "host"));
}

/* "default/web canary (http[0].match[1]) at vs.yaml:9:5" */
static void print_rule(FILE *f, const json_t *rule)
{
	const json_t *match = json_object_get(rule, "match_index");
	const char *kind = text(rule, "kind");

	fprintf(f, "%s", text(rule, "virtual_service"));
	if (*text(rule, "rule"))
		fprintf(f, " %s", text(rule, "rule"));
	if (*text(rule, "match"))
		fprintf(f, ".%s", text(rule, "match"));
	if (json_object_get(rule, "rule_index"))
		fprintf(f, " %s[%lld]", *kind ? kind : "http", number(rule, "rule_index"));
	if (json_is_integer(match))
		fprintf(f, ".match[%lld]", number(rule, "match_index"));
	if (*text(rule, "source"))
		fprintf(f, " at %s", text(rule, "source"));
	fputc('\n', f);
}

static void print_tried(FILE *f, const json_t *tried)
{
	const json_t *rule;
	size_t i;

	json_array_foreach(tried, i, rule)
	{
		fprintf(f, "Not        ");
		print_rule(f, rule);
		fprintf(f, "           because %s\n", text(rule, "reason"));
	}
}

static void print_endpoints(FILE *f, const json_t *list)
{
	const json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
	{
		const char *address = text(one, "address"), *workload = text(one, "workload");
		bool v6 = strchr(address, ':') != NULL;

		fprintf(f, "             %s%s%s:%lld", v6 ? "[" : "", address, v6 ? "]" : "",
		        number(one, "port"));
		if (number(one, "weight") != 1)
			fprintf(f, " weight %lld", number(one, "weight"));
		if (*workload)
			fprintf(f, " (%s)", workload);
		fputc('\n', f);
	}
}

static void print_destination(FILE *f, const json_t *d)
{
	const char *subset = text(d, "subset"), *problem = text(d, "problem");
	double share = json_real_value(json_object_get(d, "share"));

	fprintf(f, "           %6.2f %%  %s%s%s port %lld", share * 100, text(d, "host"),
	        *subset ? " subset " : "", subset, number(d, "port"));
	if (*text(d, "policy"))
		fprintf(f, ", %s", text(d, "policy"));
	if (*text(d, "forward"))
		fprintf(f, ", %s", text(d, "forward"));
	if (number(d, "gue_port"))
		fprintf(f, " to port %lld", number(d, "gue_port"));
	if (*text(d, "proxy_protocol"))
		fprintf(f, ", PROXY protocol %s", text(d, "proxy_protocol"));
	fputc('\n', f);
	if (*problem)
		fprintf(f, "             %s\n", problem);
	print_endpoints(f, json_object_get(d, "endpoints"));
}

static void print_forward(FILE *f, const json_t *chosen)
{
	const json_t *rewrite = json_object_get(chosen, "rewrite"), *d;
	size_t i;

	if (*text(rewrite, "path"))
		fprintf(f, "Rewrite    path becomes %s\n", text(rewrite, "path"));
	if (*text(rewrite, "authority"))
		fprintf(f, "Rewrite    Host becomes %s\n", text(rewrite, "authority"));
	if (json_object_get(chosen, "timeout_ms"))
		fprintf(f, "Timeout    %lld ms\n", number(chosen, "timeout_ms"));
	fprintf(f, "Goes to\n");
	json_array_foreach(json_object_get(chosen, "destinations"), i, d) print_destination(f, d);
}

static void print_chosen(FILE *f, const json_t *chosen)
{
	const char *action = text(chosen, "action");

	fprintf(f, "Rule       ");
	print_rule(f, chosen);
	if (strcmp(action, "redirect") == 0)
		fprintf(f, "Redirect   %lld to %s\n", number(chosen, "status"),
		        text(chosen, "location"));
	else if (strcmp(action, "direct_response") == 0)
		fprintf(f, "Answer     %lld %s\n", number(chosen, "status"), text(chosen, "body"));
	else
		print_forward(f, chosen);
}

static void print_hosts(FILE *f, const json_t *o)
{
	const json_t *hosts = json_object_get(o, "hosts"), *host;
	size_t i;

	json_array_foreach(hosts, i, host) fprintf(
		f, "%s%s\n", i == 0 ? "Hosts      " : "           ", json_string_value(host));
	if ((long long)json_array_size(hosts) < number(o, "n_hosts"))
		fprintf(f, "           ... %lld in all\n", number(o, "n_hosts"));
}

char *explain_text(const json_t *explanation)
{
	char *out = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&out, &len);

	if (!f)
		abort();
	print_request(f, explanation);
	print_tried(f, json_object_get(explanation, "tried"));
	if (json_object_get(explanation, "chosen"))
		print_chosen(f, json_object_get(explanation, "chosen"));
	print_hosts(f, explanation);
	if (*text(explanation, "reason")) {
		fputs(strcmp(text(explanation, "outcome"), "refuse") == 0 ? "Refused    "
		                                                          : "Answer     ",
		      f);
		if (number(explanation, "status"))
			fprintf(f, "%lld: ", number(explanation, "status"));
		fprintf(f, "%s\n", text(explanation, "reason"));
	}
	fclose(f);
	return out;
}
