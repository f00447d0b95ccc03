/* SPDX-License-Identifier: BSD-3-Clause */
/* What the validation of several kinds shares. Used by istio_validate*.c only. */
#ifndef WEIR_ISTIO_CHECK_H
#define WEIR_ISTIO_CHECK_H

#include "istio.h"

/* One validation under way. */
struct check {
	const struct istio_object *o;
	struct diag_list *d;
	struct arena scratch;
};

/** Was the field given in the document, in whatever state? name: snake_case. at: of the message. */
bool check_given(struct where at, const char *name);

/** Has the list no element, and was it not refused by the decoder (which has said so)? list: its place. */
bool check_empty(uint32_t n, struct where list, struct where message, const char *name);

/** Is the text there and not empty? Reports if not, at the message. */
bool check_required(struct check *c, const struct istio_text *t, struct where message,
                    const char *name);

/** 1 to 65535. what: "port", ... */
void check_port(struct check *c, const struct istio_number *port, const char *what);

/** At least 1ms, in whole ms. */
void check_duration(struct check *c, const struct istio_duration *t, const char *name);

/** Label keys and values as Kubernetes has them. */
void check_labels(struct check *c, const struct istio_pairs *labels);

/** No two alike. code and what ("subset", "port name") for the sentence. Absent texts do not count. */
void check_unique(struct check *c, const struct istio_text *const *texts, uint32_t n,
                  const char *code, const char *what);

/** A DestinationRule. */
void check_destination_rule(struct check *c, const struct istio_destination_rule *r);

/** Names of gateways, of a VirtualService or of a match block. */
void check_gateway_names(struct check *c, const struct istio_texts *gateways);

/* What the weights of a rule add up to. */
struct check_weights {
	uint32_t n;
	int64_t sum;
};

/** A destination and its weight, which is added; at: of the pair of them. */
void check_destination(struct check *c, struct where at, const struct istio_destination *d,
                       const struct istio_number *weight, struct check_weights *w);

/** The sum of a rule's weights; at: of the list of destinations. */
void check_weights(struct check *c, const struct check_weights *w, struct where at);

/** The tls and tcp rules of a VirtualService. */
void check_l4_rules(struct check *c, const struct istio_virtual_service *vs);

/** A VirtualService. */
void check_virtual_service(struct check *c, const struct istio_virtual_service *vs);

/** Header operations of a rule or a destination; NULL is fine. */
void check_headers(struct check *c, const struct istio_headers *h);

#endif
