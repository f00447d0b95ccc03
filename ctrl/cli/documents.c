/* SPDX-License-Identifier: BSD-3-Clause */
#include "documents.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define STDIN_NAME     "<stdin>"
#define FILE_MAX_BYTES ((size_t)16 << 20) /* the daemon's default limit of a message */

/* Read a stream to its end; NULL with errno set when that fails. */
static char *read_stream(FILE *stream, size_t *len)
{
	size_t size = 0;
	char *text = NULL;

	*len = 0;
	do {
		char *more;

		size = size * 2 + 4096;
		more = realloc(text, size);
		if (more) {
			text = more;
			*len += fread(text + *len, 1, size - *len, stream);
		} else {
			errno = ENOMEM;
		}
		if (!more || ferror(stream) || *len > FILE_MAX_BYTES) {
			errno = *len > FILE_MAX_BYTES ? EFBIG : errno;
			free(text);
			return NULL;
		}
	} while (*len == size);
	return text;
}

static enum exit_code add_text(json_t *documents, const char *name, const char *text, size_t len)
{
	json_t *value = memchr(text, '\0', len) ? NULL : json_stringn(text, len);
	json_t *title = value ? json_string(name) : NULL;
	enum exit_code code;

	if (title && json_array_append_new(
			     documents, json_pack("{s:o, s:o}", "name", title, "text", value)) == 0)
		return WEIRCTL_OK;
	if (title)
		return session_no_memory();
	code = session_misused(
		value ? "the name of the file %s is not UTF-8 text" : "%s is not UTF-8 text", name);
	json_decref(value);
	return code;
}

static enum exit_code add_file(json_t *documents, const char *path)
{
	bool standard = strcmp(path, "-") == 0;
	FILE *stream = standard ? stdin : fopen(path, "re");
	char *text = NULL;
	enum exit_code code;
	size_t len;

	if (stream)
		text = read_stream(stream, &len);
	if (text)
		code = add_text(documents, standard ? STDIN_NAME : path, text, len);
	else
		code = session_misused("cannot read %s: %s", path, strerror(errno));
	if (stream && !standard)
		fclose(stream);
	free(text);
	return code;
}

/* A file that only its directory named: opening a pipe would wait for a writer. */
static enum exit_code add_entry(json_t *documents, const char *path)
{
	struct stat st;

	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		return session_misused("cannot read %s: it is not a file", path);
	return add_file(documents, path);
}

static int is_document(const struct dirent *entry)
{
	static const char *const ends[] = {".yaml", ".yml", ".json"};
	size_t len = strlen(entry->d_name);

	if (entry->d_name[0] == '.')
		return 0;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		size_t end = strlen(ends[i]);

		if (len > end && strcmp(entry->d_name + len - end, ends[i]) == 0)
			return 1;
	}
	return 0;
}

/* The documents of a directory, in order of name. */
static enum exit_code add_directory(json_t *documents, const char *path)
{
	enum exit_code code = WEIRCTL_OK;
	struct dirent **entries;
	int n = scandir(path, &entries, is_document, alphasort);

	if (n < 0)
		return session_misused("cannot read %s: %s", path, strerror(errno));
	if (n == 0)
		code = session_misused("%s has no .yaml, .yml or .json file", path);
	for (int i = 0; i < n; i++) {
		bool slash = path[strlen(path) - 1] == '/';
		char *file;

		if (code == WEIRCTL_OK) {
			if (asprintf(&file, "%s%s%s", path, slash ? "" : "/", entries[i]->d_name) <
			    0)
				file = NULL;
			code = file ? add_entry(documents, file) : session_no_memory();
			free(file);
		}
		free(entries[i]);
	}
	free(entries);
	return code;
}

static enum exit_code add_path(json_t *documents, const char *path)
{
	struct stat st;

	if (strcmp(path, "-") != 0 && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return add_directory(documents, path);
	return add_file(documents, path);
}

enum exit_code documents_read(const struct session *s, json_t **documents)
{
	enum exit_code code = WEIRCTL_OK;
	json_t *all = json_array();
	const char *path;
	size_t at = 0;

	if (!args_has(&s->args, OPTION_FILE))
		code = session_misused("%s needs -f FILE; see \"weirctl help %s\"",
		                       s->args.command->name, s->args.command->name);
	while (code == WEIRCTL_OK && (path = args_next(&s->args, OPTION_FILE, &at)))
		code = add_path(all, path);
	if (code)
		json_decref(all);
	else
		*documents = all;
	return code;
}

void documents_add_namespace(const struct session *s, json_t *params)
{
	const char *ns = args_value(&s->args, OPTION_NAMESPACE);

	if (ns)
		json_object_set_new(params, "namespace", json_string(ns));
}

enum exit_code documents_params(const struct session *s, json_t **params)
{
	json_t *documents;
	enum exit_code code = documents_read(s, &documents);

	if (code)
		return code;
	*params = json_pack("{s:o}", "documents", documents);
	documents_add_namespace(s, *params);
	return WEIRCTL_OK;
}
