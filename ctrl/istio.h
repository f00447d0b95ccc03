/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Istio's traffic API as typed documents: what a YAML tree becomes before anything is built from it.
 *
 * One struct per message, one member per field that Weir acts on, named as the protocol buffer names
 * it. istio_fields.def lists every field of the API, built or not; one generic walker (istio_decode.c)
 * fills these structs from that table, and docs/reference/routing.md is made from it. What each field
 * means is said there, once.
 *
 * Absent: pointers are NULL, texts have s == NULL, the other values have set == false, lists n == 0.
 * Every value and message knows where it stands. Strings are NUL-terminated without NULs inside.
 * Everything lives in the object's arena.
 *
 * Source: istio/api networking/v1alpha3; v1alpha3, v1beta1 and v1 are the same messages.
 */
#ifndef WEIR_ISTIO_H
#define WEIR_ISTIO_H

#include "arena.h"
#include "diag.h"
#include "tree.h"

#include "weir/snapshot.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* ---- values ----------------------------------------------------------------------------- */

struct istio_text {
	const char *s; /* NULL: absent */
	struct where at;
};

struct istio_number {
	int64_t v;
	bool set;
	struct where at;
};

struct istio_flag {
	bool v;
	bool set;
	struct where at;
};

struct istio_duration {
	uint64_t us;
	bool set;
	struct where at;
};

/* One of the enums below; 0 when absent, which is each enum's default. */
struct istio_enum {
	int v;
	bool set;
	struct where at;
};

/* Every list looks like this one, whatever its elements are: the decoder relies on it. */
struct istio_texts {
	struct istio_text *v;
	uint32_t n;
	struct where at;
};

/* map<string, string> */
struct istio_pair {
	struct istio_text key;
	struct istio_text value;
};

struct istio_pairs {
	struct istio_pair *v;
	uint32_t n;
	struct where at;
};

/* map<string, uint32> */
struct istio_named_number {
	struct istio_text key;
	struct istio_number value;
};

struct istio_named_numbers {
	struct istio_named_number *v;
	uint32_t n;
	struct where at;
};

/* At most one is set; none: presence is enough. */
struct istio_string_match {
	struct where at;
	struct istio_text exact;
	struct istio_text prefix;
	struct istio_text regex;
};

/* map<string, StringMatch> */
struct istio_named_match {
	struct istio_text key;
	struct istio_string_match match;
};

struct istio_named_matches {
	struct istio_named_match *v;
	uint32_t n;
	struct where at;
};

/* A list of messages. */
#define ISTIO_LIST(type)         \
	struct {                 \
		type *v;         \
		uint32_t n;      \
		struct where at; \
	}

/* ---- VirtualService --------------------------------------------------------------------- */

struct istio_port_selector {
	struct where at;
	struct istio_number number;
};

struct istio_destination {
	struct where at;
	struct istio_text host;
	struct istio_text subset;
	struct istio_port_selector *port;
};

struct istio_header_operations {
	struct where at;
	struct istio_pairs set;
	struct istio_pairs add;
	struct istio_texts remove;
};

struct istio_headers {
	struct where at;
	struct istio_header_operations *request;
	struct istio_header_operations *response;
};

struct istio_http_match {
	struct where at;
	struct istio_text name;
	struct istio_string_match *uri;
	struct istio_string_match *scheme;
	struct istio_string_match *method;
	struct istio_string_match *authority;
	struct istio_named_matches headers;
	struct istio_named_matches without_headers;
	struct istio_named_matches query_params;
	struct istio_flag ignore_uri_case;
	struct istio_number port;
	struct istio_texts gateways;
};

struct istio_http_destination {
	struct where at;
	struct istio_destination *destination; /* never NULL in a valid document */
	struct istio_number weight;
	struct istio_headers *headers;
};

struct istio_rewrite {
	struct where at;
	struct istio_text uri;
	struct istio_text authority;
};

enum istio_redirect_port {
	ISTIO_FROM_PROTOCOL_DEFAULT,
	ISTIO_FROM_REQUEST_PORT,
};

struct istio_redirect {
	struct where at;
	struct istio_text uri;
	struct istio_text authority;
	struct istio_number port;
	struct istio_enum derive_port; /* enum istio_redirect_port */
	struct istio_text scheme;
	struct istio_number redirect_code; /* absent: 301 */
};

struct istio_body {
	struct where at;
	struct istio_text string;
};

struct istio_direct_response {
	struct where at;
	struct istio_number status;
	struct istio_body *body;
};

struct istio_http_route {
	struct where at;
	struct istio_text name;
	ISTIO_LIST(struct istio_http_match) match; /* empty: matches everything */
	ISTIO_LIST(struct istio_http_destination) route;
	struct istio_redirect *redirect;
	struct istio_direct_response *direct_response;
	struct istio_rewrite *rewrite;
	struct istio_duration timeout; /* absent: none */
	struct istio_headers *headers;
};

struct istio_l4_destination {
	struct where at;
	struct istio_destination *destination; /* never NULL in a valid document */
	struct istio_number weight;
};

struct istio_tls_match {
	struct where at;
	struct istio_texts sni_hosts;
	struct istio_number port;
	struct istio_texts gateways;
};

struct istio_tls_route {
	struct where at;
	ISTIO_LIST(struct istio_tls_match) match;
	ISTIO_LIST(struct istio_l4_destination) route;
};

struct istio_l4_match {
	struct where at;
	struct istio_number port;
	struct istio_texts gateways;
};

struct istio_tcp_route {
	struct where at;
	ISTIO_LIST(struct istio_l4_match) match; /* empty: every server */
	ISTIO_LIST(struct istio_l4_destination) route;
};

struct istio_virtual_service {
	struct where at; /* of spec */
	struct istio_texts hosts;
	struct istio_texts gateways;
	ISTIO_LIST(struct istio_http_route) http;
	ISTIO_LIST(struct istio_tls_route) tls;
	ISTIO_LIST(struct istio_tcp_route) tcp; /* of TCP and UDP servers */
};

/* ---- DestinationRule -------------------------------------------------------------------- */

enum istio_simple_lb {
	ISTIO_LB_UNSPECIFIED,
	ISTIO_LB_LEAST_CONN, /* the old name of LEAST_REQUEST */
	ISTIO_LB_RANDOM,
	ISTIO_LB_PASSTHROUGH, /* never in a valid document */
	ISTIO_LB_ROUND_ROBIN,
	ISTIO_LB_LEAST_REQUEST,
};

struct istio_maglev {
	struct where at;
	struct istio_number table_size;
};

struct istio_consistent_hash {
	struct where at;
	struct istio_flag use_source_ip;
	struct istio_maglev *maglev;
};

struct istio_load_balancer {
	struct where at;
	struct istio_enum simple; /* enum istio_simple_lb */
	struct istio_consistent_hash *consistent_hash;
};

struct istio_tcp_settings {
	struct where at;
	struct istio_duration connect_timeout;
	struct istio_duration idle_timeout;
};

struct istio_connection_pool {
	struct where at;
	struct istio_tcp_settings *tcp;
};

enum istio_proxy_protocol_version {
	ISTIO_PROXY_PROTOCOL_V1,
	ISTIO_PROXY_PROTOCOL_V2,
};

struct istio_proxy_protocol {
	struct where at;
	struct istio_enum version; /* enum istio_proxy_protocol_version */
};

struct istio_traffic_policy {
	struct where at;
	struct istio_load_balancer *load_balancer;
	struct istio_connection_pool *connection_pool;
	struct istio_proxy_protocol *proxy_protocol;
};

struct istio_subset {
	struct where at;
	struct istio_text name;
	struct istio_pairs labels;
	struct istio_traffic_policy
		*traffic_policy; /* overrides the rule's per member, no deep merge */
};

struct istio_destination_rule {
	struct where at;
	struct istio_text host;
	struct istio_traffic_policy *traffic_policy;
	ISTIO_LIST(struct istio_subset) subsets;
};

/* ---- ServiceEntry, WorkloadEntry -------------------------------------------------------- */

enum istio_resolution {
	ISTIO_RESOLUTION_NONE, /* never in a valid document: an edge has no original destination */
	ISTIO_RESOLUTION_STATIC,
	ISTIO_RESOLUTION_DNS,             /* every address of every name is an endpoint */
	ISTIO_RESOLUTION_DNS_ROUND_ROBIN, /* one name, all its addresses */
	ISTIO_RESOLUTION_DYNAMIC_DNS,     /* never in a valid document */
};

struct istio_workload_entry {
	struct where at;
	struct istio_text address;
	struct istio_named_numbers
		ports; /* service port name to endpoint port; beats target_port */
	struct istio_pairs labels;
	struct istio_number weight; /* absent or 0: 1 */
};

struct istio_service_port {
	struct where at;
	struct istio_number number;
	struct istio_text protocol; /* absent: HTTP */
	struct istio_text name;
	struct istio_number target_port; /* absent: number */
};

struct istio_workload_selector {
	struct where at;
	struct istio_pairs labels;
};

struct istio_service_entry {
	struct where at;
	struct istio_texts hosts;
	ISTIO_LIST(struct istio_service_port) ports;
	struct istio_enum resolution; /* enum istio_resolution */
	ISTIO_LIST(struct istio_workload_entry) endpoints;
	struct istio_workload_selector
		*workload_selector; /* WorkloadEntry objects of the same namespace */
};

/* ---- Gateway ---------------------------------------------------------------------------- */

struct istio_gateway_port {
	struct where at;
	struct istio_number number;
	struct istio_text protocol; /* any letter case: "HTTP"; see istio_protocol() */
	struct istio_text name;
};

enum istio_tls_mode {
	ISTIO_TLS_PASSTHROUGH,
	ISTIO_TLS_SIMPLE, /* this and the following: never in a valid document */
	ISTIO_TLS_MUTUAL,
	ISTIO_TLS_AUTO_PASSTHROUGH,
	ISTIO_TLS_ISTIO_MUTUAL,
	ISTIO_TLS_OPTIONAL_MUTUAL,
};

struct istio_server_tls {
	struct where at;
	struct istio_flag https_redirect;
	struct istio_enum mode; /* enum istio_tls_mode */
};

struct istio_server {
	struct where at;
	struct istio_text name;
	struct istio_gateway_port *port; /* never NULL in a valid document */
	struct istio_text bind;          /* IP address; absent: any */
	struct istio_texts
		hosts; /* "host", "ns/host", "./host", "*" + "/host"; see istio_server_host() */
	struct istio_server_tls *tls;
};

struct istio_gateway {
	struct where at;
	ISTIO_LIST(struct istio_server) servers;
	struct istio_pairs selector;
};

/* ---- objects ---------------------------------------------------------------------------- */

enum istio_kind {
	ISTIO_GATEWAY,
	ISTIO_VIRTUAL_SERVICE,
	ISTIO_DESTINATION_RULE,
	ISTIO_SERVICE_ENTRY,
	ISTIO_WORKLOAD_ENTRY,
	ISTIO_KIND_COUNT,
};

/* One document. Immutable; made by docset_read_text(). */
struct istio_object {
	enum istio_kind kind;
	struct where at;         /* the document's first line */
	const char *api_version; /* as written */
	struct istio_text name;
	struct istio_text ns; /* never NULL: "-n" or "default" when metadata has none */
	struct istio_pairs labels;
	struct istio_pairs annotations;
	const char *created; /* creationTimestamp, RFC 3339, or "" */
	union {
		const struct istio_gateway *gateway;
		const struct istio_virtual_service *virtual_service;
		const struct istio_destination_rule *destination_rule;
		const struct istio_service_entry *service_entry;
		const struct istio_workload_entry *workload_entry;
	};
	struct tree_node *tree; /* as written, metadata.namespace filled in, status left out */
	const char *canonical;  /* equal texts: equal meaning */
};

/** "VirtualService". */
const char *istio_kind_name(enum istio_kind kind);

/** "virtualservice", "VirtualServices", "vs", ...: kubectl's names in any letter case. Returns false if it is none. */
bool istio_kind_parse(const char *text, enum istio_kind *kind);

/**
 * Make a typed object of a document (not of a List). Reports every problem of names, types and fields.
 *
 * @param a      the object and all it holds live here
 * @param tree   the document, in the same arena; gets metadata.namespace when it has none
 * @param ns     namespace when the document names none
 * @param diags  gets errors and warnings
 * @return       the object, also when single fields were in error; NULL when its kind, name or
 *               spec is unusable, or when its kind is one to leave out (with a warning)
 */
struct istio_object *istio_decode(struct arena *a, struct tree_node *tree, const char *ns,
                                  struct diag_list *diags);

/** Give an object a creationTimestamp (RFC 3339 in UTC), in its tree too. Only before it is shared. */
void istio_set_created(struct arena *a, struct istio_object *o, const char *created);

/** Check one object by itself, as Istio's validation does. Needs no other object. */
void istio_validate(const struct istio_object *o, struct diag_list *diags);

/** Write docs/reference/routing.md from the table of fields. */
void istio_write_reference(FILE *out);

/* ---- helpers ---------------------------------------------------------------------------- */

/** "1h", "1.5s", "10ms", "1m30s" as Go reads durations. Returns false if text is none or negative. */
bool istio_duration_parse(const char *text, uint64_t *us);

struct istio_gateway_ref {
	bool mesh;   /* the word "mesh"; ns and name are NULL then */
	bool legacy; /* "name.namespace[.svc...]", which Istio deprecates */
	const char *ns;
	const char *name;
};

/**
 * Read one item of VirtualService.gateways: "mesh", "gw", "ns/gw", "./gw", or the legacy dotted form.
 *
 * @param a     arena for the parts
 * @param text  the item
 * @param ns    namespace of the VirtualService
 * @return      false when it is not a gateway name
 */
bool istio_gateway_ref(struct arena *a, const char *text, const char *ns,
                       struct istio_gateway_ref *out);

struct istio_server_host {
	const char *ns;   /* VirtualServices of this namespace only; NULL: any */
	const char *host; /* name or pattern, lower-case */
};

/** Read one item of Server.hosts: "host", "ns/host", "./host", "*" + "/host". ns: the Gateway's. */
struct istio_server_host istio_server_host(struct arena *a, const char *text, const char *ns);

enum istio_protocol {
	ISTIO_PROTOCOL_HTTP,
	ISTIO_PROTOCOL_TCP,
	ISTIO_PROTOCOL_TLS,   /* TLS, and HTTPS: by server name */
	ISTIO_PROTOCOL_UDP,   /* Weir's own */
	ISTIO_PROTOCOL_LATER, /* Istio's, not built */
	ISTIO_PROTOCOL_UNKNOWN,
};

/** What a protocol of a Gateway server or a service port means, in any letter case. */
enum istio_protocol istio_protocol(const char *text);

/* ---- annotations ------------------------------------------------------------------------ */

/* Weir's own settings, for what Istio's API has no field. docs/decisions/0070. */
#define ISTIO_NOTE_PREFIX  "weir.dev/"
#define ISTIO_NOTE_QUIC    "weir.dev/quic"    /* Gateway: "true" or "false" */
#define ISTIO_NOTE_ALPN    "weir.dev/alpn"    /* VirtualService: protocols, with commas */
#define ISTIO_NOTE_FORWARD "weir.dev/forward" /* DestinationRule; with .SUBSET for one */

/* How a subset's packets are to be forwarded: nat, dsr, ipip, gue or gue:PORT. */
struct istio_forward {
	uint8_t mode;      /* enum forward_mode */
	uint16_t gue_port; /* host order; 0 unless FORWARD_GUE */
};

#define ISTIO_GUE_PORT 6080 /* IANA: gue */

/** Read the value of ISTIO_NOTE_FORWARD. Returns false if it is none. */
bool istio_forward_parse(const char *text, struct istio_forward *out);

/** "nat", "dsr", "ipip", "gue". mode: enum forward_mode. */
const char *istio_forward_name(uint8_t mode);

/**
 * What the annotations of a DestinationRule say about one of its subsets, or NULL: nothing.
 *
 * @param subset  NULL: about those that say nothing of their own
 */
const struct istio_pair *istio_forward_note(const struct istio_object *o, const char *subset);

/** Words of a list with commas, with the blanks around them left out. Returns how many; v: at least as many as commas and one. */
uint32_t istio_words(struct arena *a, const char *text, const char **v);

/** A label or annotation, or NULL. */
const struct istio_pair *istio_pair_find(const struct istio_pairs *pairs, const char *key);

/** Its value, or NULL. */
const char *istio_pair_get(const struct istio_pairs *pairs, const char *key);

/** Are all labels of want among those of have (with the same values)? */
bool istio_labels_match(const struct istio_pairs *want, const struct istio_pairs *have);

#endif
