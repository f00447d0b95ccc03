/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Building: libyaml's events in, nodes out. The place to append to is the open container `top`; the
 * way back up is its parent pointer, so nothing here recurses on the shape of the input.
 */
#include "tree.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define ANCHORS_MAX 1000u /* per document; looked up one by one */
#define KEY_BYTES_MAX \
	500u /* written with escapes it stays below YAML's 1024 for a key in one line */

struct anchor {
	const char *name;
	struct tree_node *node;
};

struct builder {
	struct arena *arena;
	struct diag_list *diags;
	const char *file;
	struct tree_docs docs;
	uint32_t docs_room;
	struct tree_node *root; /* of the document being read */
	struct tree_node *top;  /* innermost open list or map, or NULL */
	uint32_t depth;         /* open containers */
	uint32_t nodes;
	const char *key; /* read in top (a map), value not yet */
	struct where key_where;
	struct anchor *anchors;
	uint32_t n_anchors;
};

static struct where place(const struct builder *b, yaml_mark_t m)
{
	return (struct where){
		.file = b->file, .line = (uint32_t)m.line + 1, .col = (uint32_t)m.column + 1};
}

static bool fail(struct builder *b, struct where at, const char *code, const char *sentence)
{
	diag_error(b->diags, at, code, "%s", sentence);
	return false;
}

static struct tree_node *node_new(struct arena *a, enum tree_kind kind, struct where at)
{
	struct tree_node *n = arena_alloc(a, sizeof(*n));

	n->kind = kind;
	n->where = at;
	n->where.node = n;
	return n;
}

static void append(struct tree_node *parent, struct tree_node *child)
{
	child->parent = parent;
	child->index = parent->n++;
	if (parent->last)
		parent->last->next = child;
	else
		parent->first = child;
	parent->last = child;
}

/* Put a finished node, or a container just opened, where it belongs. */
static bool place_node(struct builder *b, struct tree_node *n)
{
	if (++b->nodes > TREE_NODES_MAX)
		return fail(b, n->where, "YAML_SIZE",
		            "the file has too many values; split it into several files");
	if (!b->top) {
		b->root = n;
		return true;
	}
	n->key = b->key;
	n->key_where = b->key_where;
	n->key_where.node = n;
	b->key = NULL;
	append(b->top, n);
	return true;
}

static bool add_anchor(struct builder *b, const yaml_char_t *name, struct tree_node *n)
{
	if (!name)
		return true;
	if (b->n_anchors == ANCHORS_MAX)
		return fail(b, n->where, "YAML_SIZE",
		            "the document has more than 1000 anchors; write values out instead");
	if (!b->anchors)
		b->anchors = arena_alloc(b->arena, ANCHORS_MAX * sizeof(*b->anchors));
	b->anchors[b->n_anchors++] = (struct anchor){arena_dup(b->arena, (const char *)name), n};
	return true;
}

static struct tree_node *find_anchor(struct builder *b, const char *name)
{
	for (uint32_t i = b->n_anchors; i > 0; i--) /* the latest of a name counts */
		if (strcmp(b->anchors[i - 1].name, name) == 0)
			return b->anchors[i - 1].node;
	return NULL;
}

static bool has_control(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return true;
	return false;
}

static bool on_key(struct builder *b, const yaml_event_t *e)
{
	const char *text = (const char *)e->data.scalar.value;
	size_t len = e->data.scalar.length;
	struct where at = place(b, e->start_mark);

	if (len > KEY_BYTES_MAX)
		return fail(b, at, "YAML_KEY", "a key is longer than 500 bytes; shorten it");
	if (has_control(text, len))
		return fail(b, at, "YAML_KEY", "a key contains a control character; remove it");
	if (strcmp(text, "<<") == 0 && e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
		return fail(b, at, "YAML_MERGE_KEY",
		            "merge keys (<<) are not supported; write the fields out");
	b->key = arena_copy(b->arena, text, len);
	b->key_where = at;
	return true;
}

static bool on_scalar(struct builder *b, const yaml_event_t *e)
{
	struct where at = place(b, e->start_mark);

	if (e->data.scalar.tag)
		return fail(b, at, "YAML_TAG",
		            "tags (!) are not supported; put quotes around text that looks like "
		            "something else");
	if (b->top && b->top->kind == TREE_MAP && !b->key)
		return on_key(b, e);
	if (memchr(e->data.scalar.value, 0, e->data.scalar.length))
		return fail(b, at, "YAML_NUL", "a value contains a NUL character; remove it");
	struct tree_node *n = node_new(b->arena, TREE_SCALAR, at);

	n->text = arena_copy(b->arena, (const char *)e->data.scalar.value, e->data.scalar.length);
	n->quoted = e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	return place_node(b, n) && add_anchor(b, e->data.scalar.anchor, n);
}

static bool on_open(struct builder *b, enum tree_kind kind, const yaml_event_t *e)
{
	struct where at = place(b, e->start_mark);
	bool list = kind == TREE_LIST;

	if (list ? e->data.sequence_start.tag != NULL : e->data.mapping_start.tag != NULL)
		return fail(b, at, "YAML_TAG", "tags (!) are not supported; remove it");
	if (b->top && b->top->kind == TREE_MAP && !b->key)
		return fail(b, at, "YAML_KEY",
		            "a key must be a single word or text; a list or map cannot be one");
	if (++b->depth > TREE_DEPTH_MAX)
		return fail(b, at, "YAML_DEPTH",
		            "values are nested more than 64 deep; no document needs that");
	struct tree_node *n = node_new(b->arena, kind, at);

	if (!place_node(b, n))
		return false;
	b->top = n;
	return add_anchor(b, list ? e->data.sequence_start.anchor : e->data.mapping_start.anchor,
	                  n);
}

static int by_key(const void *x, const void *y)
{
	const struct tree_node *a = *(struct tree_node *const *)x;
	const struct tree_node *b = *(struct tree_node *const *)y;
	int order = strcmp(a->key, b->key);

	return order != 0 ? order : (a->index > b->index) - (a->index < b->index);
}

static bool keys_differ(struct builder *b, const struct tree_node *map)
{
	bool good = true;
	uint32_t n = 0;

	if (map->n < 2)
		return true;
	struct tree_node **v = malloc(map->n * sizeof(struct tree_node *));

	if (!v)
		abort();
	for (struct tree_node *c = map->first; c; c = c->next)
		v[n++] = c;
	qsort(v, n, sizeof(struct tree_node *), by_key);
	for (uint32_t i = 1; i < n; i++) {
		if (strcmp(v[i - 1]->key, v[i]->key) != 0)
			continue;
		diag_error(b->diags, v[i]->key_where, "YAML_DUPLICATE_KEY",
		           "%s is given twice, first in line %u; keep one", v[i]->key,
		           v[i - 1]->key_where.line);
		good = false;
	}
	free(v);
	return good;
}

static bool on_close(struct builder *b)
{
	struct tree_node *n = b->top;

	if (!n) /* libyaml pairs starts and ends */
		return false;
	b->depth--;
	b->top = n->parent;
	return n->kind == TREE_LIST || keys_differ(b, n);
}

struct copier {
	struct arena *arena;
	const char *file;
	uint32_t budget; /* nodes that may still be made */
};

/* NULL when the copy would pass the budget or be too deep. */
static struct tree_node *copy_node(struct copier *k, const struct tree_node *n, uint32_t depth)
{
	if (k->budget == 0 || depth > TREE_DEPTH_MAX)
		return NULL;
	k->budget--;
	struct tree_node *c = node_new(k->arena, n->kind, n->where);

	c->where.file = k->file;
	c->quoted = n->quoted;
	c->text = n->text ? arena_dup(k->arena, n->text) : NULL;
	for (const struct tree_node *child = n->first; child; child = child->next) {
		struct tree_node *copy = copy_node(k, child, depth + 1);

		if (!copy)
			return NULL;
		copy->key = child->key ? arena_dup(k->arena, child->key) : NULL;
		copy->key_where = child->key_where;
		copy->key_where.file = k->file;
		copy->key_where.node = copy;
		append(c, copy);
	}
	return c;
}

static bool on_alias(struct builder *b, const yaml_event_t *e)
{
	const char *name = (const char *)e->data.alias.anchor;
	struct where at = place(b, e->start_mark);
	struct tree_node *target = find_anchor(b, name);
	struct copier k = {.arena = b->arena, .file = b->file, .budget = TREE_NODES_MAX - b->nodes};

	if (!target) {
		diag_error(b->diags, at, "YAML_ALIAS",
		           "no anchor &%s stands before *%s in this document; define it first",
		           name, name);
		return false;
	}
	if (b->top && b->top->kind == TREE_MAP && !b->key)
		return fail(b, at, "YAML_KEY",
		            "a key must be a single word or text; an alias cannot be one");
	for (const struct tree_node *up = b->top; up; up = up->parent)
		if (up == target)
			return fail(b, at, "YAML_ALIAS",
			            "the alias stands inside its own anchor; that has no end");
	struct tree_node *n = copy_node(&k, target, b->depth + 1);

	if (!n)
		return fail(b, at, "YAML_SIZE",
		            "the aliases of this file expand to too many or too deep values; write "
		            "fewer");
	b->nodes = TREE_NODES_MAX - k.budget - 1; /* place_node() counts the root */
	return place_node(b, n);
}

static void on_document_end(struct builder *b)
{
	if (b->root && !tree_is_null(b->root)) {
		if (b->docs.n == b->docs_room) {
			uint32_t room = b->docs_room ? b->docs_room * 2 : 16;
			struct tree_node **v =
				arena_alloc(b->arena, room * sizeof(struct tree_node *));

			if (b->docs.n > 0)
				memcpy(v, b->docs.v, b->docs.n * sizeof(struct tree_node *));
			b->docs.v = v;
			b->docs_room = room;
		}
		b->docs.v[b->docs.n++] = b->root;
	}
	b->root = NULL;
	b->top = NULL;
	b->depth = 0;
	b->n_anchors = 0;
}

static bool on_event(struct builder *b, const yaml_event_t *e)
{
	switch (e->type) {
	case YAML_SCALAR_EVENT: return on_scalar(b, e);
	case YAML_ALIAS_EVENT: return on_alias(b, e);
	case YAML_SEQUENCE_START_EVENT: return on_open(b, TREE_LIST, e);
	case YAML_MAPPING_START_EVENT: return on_open(b, TREE_MAP, e);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT: return on_close(b);
	case YAML_DOCUMENT_END_EVENT: on_document_end(b); return true;
	default: return true; /* starts and ends of stream and document carry nothing we use */
	}
}

/* ---- syntax errors ---------------------------------------------------------------------- */

/* libyaml's words for what people most often get wrong, and ours. */
static const struct {
	const char *theirs;
	const char *ours;
} problems[] = {
	{"found character that cannot start any token",
         "this character cannot start a value; put quotes around the value"},
	{"mapping values are not allowed in this context",
         "a second ': ' in one line; put quotes around the value, or check the indentation"},
	{"could not find expected ':'",
         "a key without ': ' behind it; add it, or check the indentation"},
	{"did not find expected key",
         "the indentation does not fit the lines before; align the keys of a map"},
	{"did not find expected '-' indicator",
         "the indentation does not fit the list; align its dashes"},
	{"found unexpected end of stream", "the text ends inside a quoted value; close the quote"},
	{"did not find expected ',' or ']'", "a '[' list goes on without ',' or ']'; close it"},
	{"did not find expected ',' or '}'", "a '{' map goes on without ',' or '}'; close it"},
	{"block sequence entries are not allowed in this context",
         "a list item cannot stand here; put '-' in a line of its own below the key"},
	{"control characters are not allowed",
         "a control character is not allowed in YAML; remove it"},
};

static const char *in_our_words(const char *problem)
{
	for (size_t i = 0; i < sizeof(problems) / sizeof(problems[0]); i++)
		if (strcmp(problem, problems[i].theirs) == 0)
			return problems[i].ours;
	return NULL;
}

static struct where place_of_byte(const struct builder *b, const char *text, size_t offset)
{
	struct where at = {.file = b->file, .line = 1, .col = 1};

	for (size_t i = 0; i < offset; i++) {
		at.col += ((unsigned char)text[i] & 0xc0) != 0x80; /* characters, not bytes */
		if (text[i] == '\n') {
			at.line++;
			at.col = 1;
		}
	}
	return at;
}

/* Is the first thing in the line a tab? Then that is what is wrong, whatever libyaml stumbled over. */
static bool line_has_tab_indent(const char *text, size_t len, size_t offset)
{
	size_t i = offset < len ? offset : len;

	while (i > 0 && text[i - 1] != '\n')
		i--;
	while (i < len && text[i] == ' ')
		i++;
	return i < len && text[i] == '\t';
}

static void syntax_error(struct builder *b, const yaml_parser_t *p, const char *text, size_t len)
{
	const char *problem = p->problem ? p->problem : "it does not read as YAML";
	const char *ours = in_our_words(problem);

	if (p->error == YAML_MEMORY_ERROR)
		abort(); /* as arena.h says */
	if (p->error == YAML_READER_ERROR) {
		struct where at =
			place_of_byte(b, text, p->problem_offset < len ? p->problem_offset : len);

		diag_error(b->diags, at, "YAML_ENCODING", "%s",
		           ours ? ours : "the text is not valid UTF-8; save the file as UTF-8");
		return;
	}
	struct where at = place(b, p->problem_mark);

	if (line_has_tab_indent(text, len, p->problem_mark.index))
		diag_error(b->diags, at, "YAML_TAB", "a tab cannot indent in YAML; use spaces");
	else if (ours)
		diag_error(b->diags, at, "YAML_SYNTAX", "%s", ours);
	else
		diag_error(b->diags, at, "YAML_SYNTAX",
		           "%s; check quotes, brackets and indentation here", problem);
}

struct tree_docs tree_parse(struct arena *a, const char *file, const char *text, size_t len,
                            struct diag_list *diags)
{
	struct builder b = {.arena = a, .diags = diags, .file = arena_dup(a, file)};
	yaml_parser_t p;
	yaml_event_t e;
	bool more = true;

	if (len > TREE_BYTES_MAX) {
		fail(&b, (struct where){.file = b.file}, "YAML_SIZE",
		     "the file is larger than 16 MB; split it into several files");
		return b.docs;
	}
	if (!yaml_parser_initialize(&p))
		abort();
	yaml_parser_set_input_string(&p, (const unsigned char *)text, len);
	while (more) {
		if (!yaml_parser_parse(&p, &e)) {
			syntax_error(&b, &p, text, len);
			break;
		}
		more = e.type != YAML_STREAM_END_EVENT && on_event(&b, &e);
		yaml_event_delete(&e);
	}
	yaml_parser_delete(&p);
	return b.docs;
}

/* ---- the finished tree ------------------------------------------------------------------ */

const struct tree_node *tree_get(const struct tree_node *node, const char *key)
{
	if (!node || node->kind != TREE_MAP)
		return NULL;
	for (const struct tree_node *c = node->first; c; c = c->next)
		if (strcmp(c->key, key) == 0)
			return c;
	return NULL;
}

void tree_set(struct arena *a, struct tree_node *map, const char *key, const char *text)
{
	struct tree_node *n = node_new(a, TREE_SCALAR, map->where);

	n->text = arena_dup(a, text);
	n->quoted = true;
	n->key = arena_dup(a, key);
	n->key_where = n->where;
	append(map, n);
}

void tree_remove(struct tree_node *map, const char *key)
{
	struct tree_node *before = NULL;

	for (struct tree_node *c = map->first; c; before = c, c = c->next) {
		if (strcmp(c->key, key) != 0)
			continue;
		*(before ? &before->next : &map->first) = c->next;
		if (map->last == c)
			map->last = before;
		map->n--;
		return;
	}
}

struct tree_node *tree_copy(struct arena *a, const struct tree_node *node)
{
	const char *file = node->where.file ? arena_dup(a, node->where.file) : NULL;
	struct copier k = {.arena = a, .file = file, .budget = UINT32_MAX};

	return copy_node(&k, node, 0);
}

static bool plain_key(const char *key)
{
	return key[0] &&
	       strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") ==
	               strlen(key);
}

const char *tree_path(struct arena *a, const struct tree_node *node)
{
	const char *path = "";

	for (; node->parent; node = node->parent) {
		const char *sep = path[0] && path[0] != '[' ? "." : "";

		if (!node->key)
			path = arena_printf(a, "[%u]%s%s", node->index, sep, path);
		else if (plain_key(node->key))
			path = arena_printf(a, "%s%s%s", node->key, sep, path);
		else
			path = arena_printf(a, "[\"%s\"]%s%s", node->key, sep, path);
	}
	return path;
}
