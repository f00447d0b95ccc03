/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One change of what runs, from the user's documents to a snapshot that is ready to be published.
 *
 *   change_read   documents -> the sets as they would be, and what happens to each object
 *   change_build  the sets -> names looked up meanwhile -> snapshot -> stored on disk
 *
 * Both run in a thread of the pool and touch nothing but the change, the store and the base, which
 * the control thread only reads meanwhile. control.c queues changes and publishes what comes out.
 * A change that fails has a code, a sentence and diagnostics, and has changed nothing.
 */
#ifndef WEIR_CHANGE_H
#define WEIR_CHANGE_H

#include "build.h"
#include "conf.h"
#include "docset.h"
#include "resolve.h"
#include "rpc.h"
#include "store.h"

#include <jansson.h>

enum change_kind {
	CHANGE_APPLY,
	CHANGE_DELETE,
	CHANGE_RELOAD, /* read the routing directory again */
	CHANGE_RENEW,  /* same documents, new addresses of names */
};

/* What a change starts from: what runs, and where things are. */
struct change_base {
	const struct conf *conf;
	struct docset *applied;    /* came through the control socket */
	struct docset *directory;  /* came from the routing directory */
	struct docset *all;        /* both: the directory wins */
	struct snapshot *snapshot; /* of all: the next one takes over what stays the same */
	struct build_options options;
	struct hsdb *hsdb;
	struct registry *registry;
	struct store *store;
	uint64_t generation;
};

struct change_text {
	const char *name, *text;
	size_t len;
};

/* An object and what happens to it. */
struct change_item {
	enum istio_kind kind;
	const char *ns, *name; /* in the change's arena */
	enum docset_verb verb;
	uint32_t doc, line; /* for the order of the answer */
};

struct change {
	enum change_kind kind;
	bool dry_run;
	bool alone;          /* as if nothing were there yet; with dry_run */
	bool ignore_missing; /* DELETE */
	json_t *params;      /* owns the texts below; or NULL */
	const char *ns;      /* of objects that name none */
	struct change_text *texts;
	uint32_t n_texts;
	struct change_item *targets; /* DELETE: by name */
	uint32_t n_targets;
	struct arena arena;

	struct docset *applied, *directory, *all; /* as they would be */
	struct change_item *items;
	uint32_t n_items;
	bool unchanged; /* nothing to publish */
	bool services; /* a ServiceEntry or WorkloadEntry is among the items: names may come and go */
	struct diag_list diags;
	enum rpc_code code; /* 0: good so far */
	const char *message;
	uint64_t generation;
	struct snapshot *snapshot;
};

struct change *change_new(enum change_kind kind);

/** Free a change with everything in it that was not taken out. NULL is fine. */
void change_free(struct change *ch);

/** Read the documents and find out what would happen. */
void change_read(struct change *ch, const struct change_base *base);

/** Build a snapshot of generation base->generation + 1 with these addresses; store unless dry_run. */
void change_build(struct change *ch, const struct change_base *base, struct names *names);

/**
 * Do to a set what a stored change did.
 *
 * @param file   name for messages
 * @param text   of store_change(), with a NUL behind it
 * @param ns     namespace of objects that name none
 * @param diags  gets what is wrong with the text
 */
void change_replay(struct docset *set, const char *file, const char *text, size_t len,
                   const char *ns, struct diag_list *diags);

/** Give the change a code and a sentence, unless it has failed already. */
void change_fail(struct change *ch, enum rpc_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/** Both sets as one, the directory's objects in place of applied ones of the same name. */
struct docset *change_merge(const struct docset *applied, const struct docset *directory);

/** [{kind, namespace, name, result}] */
json_t *change_items_json(const struct change *ch);

/** [{severity, file, line, column, object, field, message}]; only errors, only warnings, or both. */
json_t *change_diags_json(const struct diag_list *diags, bool errors, bool warnings);

#endif
