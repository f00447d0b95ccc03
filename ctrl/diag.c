/* SPDX-License-Identifier: BSD-3-Clause */
#include "diag.h"

#include "tree.h"

#include <stdarg.h>
#include <string.h>

#define TEXT_MAX 1024 /* a sentence with long names in it is cut here */

static struct diag *next_item(struct diag_list *l, enum diag_severity severity)
{
	uint32_t *count = severity == DIAG_ERROR ? &l->n_errors : &l->n_warnings;

	if (++*count > DIAG_MAX)
		return NULL;
	if ((l->n & (l->n - 1)) == 0) { /* full: there is room for powers of two */
		struct diag *items = arena_alloc(&l->arena, (l->n ? 2 * l->n : 1) * sizeof(*items));

		if (l->n)
			memcpy(items, l->items, l->n * sizeof(*items));
		l->items = items;
	}
	struct diag *d = &l->items[l->n++];

	d->severity = severity;
	return d;
}

static const char *keep(struct diag_list *l, const char *text)
{
	return text ? arena_dup(&l->arena, text) : NULL;
}

static void add(struct diag_list *l, enum diag_severity severity, struct where at, const char *code,
                const char *text)
{
	struct diag *d = next_item(l, severity);

	if (!d)
		return;
	d->file = keep(l, at.file);
	d->line = at.line;
	d->col = at.col;
	d->object = l->object;
	d->path = at.node ? tree_path(&l->arena, at.node) : NULL;
	d->code = code;
	d->text = keep(l, text);
}

void diag_about(struct diag_list *l, const char *object)
{
	l->object = keep(l, object);
}

void diag_error(struct diag_list *l, struct where at, const char *code, const char *fmt, ...)
{
	char text[TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	add(l, DIAG_ERROR, at, code, text);
}

void diag_warn(struct diag_list *l, struct where at, const char *code, const char *fmt, ...)
{
	char text[TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	add(l, DIAG_WARNING, at, code, text);
}

void diag_append(struct diag_list *l, const struct diag_list *from)
{
	for (uint32_t i = 0; i < from->n; i++) {
		const struct diag *f = &from->items[i];
		struct diag *d = next_item(l, f->severity);

		if (!d)
			continue;
		*d = *f;
		d->file = keep(l, f->file);
		d->object = keep(l, f->object);
		d->path = keep(l, f->path);
		d->code = keep(l, f->code);
		d->text = keep(l, f->text);
	}
}

const char *diag_format(struct diag_list *l, const struct diag *d)
{
	const char *severity = d->severity == DIAG_ERROR ? "error" : "warning";

	if (!d->file)
		return arena_printf(&l->arena, "%s: %s", severity, d->text);
	if (d->line == 0)
		return arena_printf(&l->arena, "%s: %s: %s", d->file, severity, d->text);
	return arena_printf(&l->arena, "%s:%u:%u: %s: %s", d->file, d->line, d->col, severity,
	                    d->text);
}

void diag_print(struct diag_list *l, FILE *out)
{
	uint32_t all = l->n_errors + l->n_warnings;

	for (uint32_t i = 0; i < l->n; i++)
		fprintf(out, "%s\n", diag_format(l, &l->items[i]));
	if (all > l->n)
		fprintf(out, "... and %u more\n", all - l->n);
}

void diag_fini(struct diag_list *l)
{
	arena_fini(&l->arena);
	memset(l, 0, sizeof(*l));
}
