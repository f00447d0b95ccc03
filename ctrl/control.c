/* SPDX-License-Identifier: BSD-3-Clause */
#include "control.h"

#include "log.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define STORED "applied (stored)" /* in place of a file's name; which file it was is not kept */

#define EFFECT_POLL_MS  1  /* while a generation is not in effect: an answer waits for it */
#define RELEASE_POLL_MS 50 /* while a replaced snapshot is not released: only memory waits */

/* A change on its way. */
struct control_job {
	uv_work_t work; /* data: this */
	struct control *control;
	struct change *change;
	struct names *names;
	bool resolving; /* waits for the resolver, not for the pool */
	control_done *done;
	void *arg;
	struct control_job *next;
};

struct control_waiter {
	uint64_t generation, deadline_ms;
	control_waited *cb;
	void *arg;
	struct control_waiter *next;
};

/* A snapshot that was replaced and may still be in use. */
struct control_retired {
	struct snapshot *snapshot;
	struct control_retired *next;
};

static void start_next(struct control *c);

/* ---- publishing ------------------------------------------------------------------------- */

static void answer_waiters(struct control *c)
{
	struct control_waiter **at = &c->waiters;

	while (*at) {
		struct control_waiter *w = *at;
		bool there = c->in_effect || dataplane_in_effect(w->generation);

		if (!there && uv_now(c->loop) < w->deadline_ms) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		w->cb(w->arg, there, there ? c->effect_ns : 0);
		free(w);
	}
}

static void free_released(struct control *c)
{
	struct control_retired **at = &c->retired;

	while (*at) {
		struct control_retired *r = *at;

		if (!dataplane_released(r->snapshot)) {
			at = &r->next;
			continue;
		}
		*at = r->next;
		build_free(r->snapshot);
		free(r);
	}
}

static void poll_dataplane(uv_timer_t *timer)
{
	struct control *c = timer->data;

	if (!c->in_effect && dataplane_in_effect(c->base.generation)) {
		c->in_effect = true;
		c->effect_ns = dataplane_effect_ns();
		log_info("in-effect", "generation=%" PRIu64 " effect_us=%" PRIu64,
		         c->base.generation, c->effect_ns / 1000);
	}
	answer_waiters(c);
	free_released(c);
	if (c->stopping)
		return;
	if (c->in_effect && !c->retired)
		uv_timer_stop(&c->poll);
	else
		uv_timer_start(&c->poll, poll_dataplane,
		               c->in_effect ? RELEASE_POLL_MS : EFFECT_POLL_MS, 0);
}

void control_wait(struct control *c, uint64_t generation, uint64_t timeout_ms, control_waited *cb,
                  void *arg)
{
	struct control_waiter *w;

	if (c->in_effect || c->stopping || (w = calloc(1, sizeof(*w))) == NULL) {
		cb(arg, c->in_effect, c->effect_ns);
		return;
	}
	*w = (struct control_waiter){generation, uv_now(c->loop) + timeout_ms, cb, arg, c->waiters};
	c->waiters = w;
}

static void retire(struct control *c, struct snapshot *old)
{
	struct control_retired *r = calloc(1, sizeof(*r));

	if (!r)
		return; /* lost: freeing it now would be worse */
	*r = (struct control_retired){old, c->retired};
	c->retired = r;
}

static void take_sets(struct change_base *base, struct change *ch)
{
	docset_free(base->applied);
	docset_free(base->directory);
	docset_free(base->all);
	base->applied = ch->applied;
	base->directory = ch->directory;
	base->all = ch->all;
	ch->applied = ch->directory = ch->all = NULL;
}

static void publish(struct control *c, struct change *ch)
{
	take_sets(&c->base, ch);
	diag_fini(&c->warnings);
	diag_append(&c->warnings, &ch->diags);
	retire(c, c->current);
	c->current = c->base.snapshot = ch->snapshot;
	c->base.generation = ch->snapshot->generation;
	ch->snapshot = NULL;
	c->in_effect = false;
	c->effect_ns = 0;
	log_now(c->changed);
	dataplane_publish(c->current);
	poll_dataplane(&c->poll);
}

/* ---- stages of a change ----------------------------------------------------------------- */

static void keep_name(void *arg, const char *name)
{
	resolver_keep(arg, name);
}

static void note_directory(struct control *c, const struct change *ch)
{
	diag_fini(&c->directory_errors);
	if (ch->code)
		diag_append(&c->directory_errors, &ch->diags);
	else
		log_now(c->directory_read);
}

static void finish(struct control *c)
{
	struct control_job *job = c->running;
	struct change *ch = job->change;

	c->running = NULL;
	if (ch->kind == CHANGE_RELOAD)
		note_directory(c, ch);
	if (ch->code)
		c->refused++;
	else if (!ch->dry_run && !ch->unchanged)
		c->accepted++;
	if (!c->stopping && ch->services) {
		resolver_mark(&c->resolver);
		build_names(c->base.all, keep_name, &c->resolver);
		resolver_sweep(&c->resolver);
	}
	if (job->done)
		job->done(job->arg, ch);
	change_free(ch);
	free(job);
	start_next(c);
}

static void build_work(uv_work_t *work)
{
	struct control_job *job = work->data;

	change_build(job->change, &job->control->base, job->names);
}

static void build_over(uv_work_t *work, int status)
{
	struct control_job *job = work->data;
	struct change *ch = job->change;

	names_free(job->names);
	job->control->stored = job->control->store.generation;
	if (status < 0)
		change_fail(ch, RPC_SHUTTING_DOWN, "weir is ending; nothing was changed");
	else if (!ch->code && !ch->dry_run)
		publish(job->control, ch);
	finish(job->control);
}

static void names_ready(void *arg)
{
	struct control_job *job = arg;
	struct control *c = job->control;

	job->resolving = false;
	job->names = resolver_names(&c->resolver);
	if (!job->names)
		change_fail(job->change, RPC_INTERNAL, "out of memory");
	if (job->change->code || uv_queue_work(c->loop, &job->work, build_work, build_over) < 0) {
		names_free(job->names);
		change_fail(job->change, RPC_INTERNAL, "no thread to build in");
		finish(c);
	}
}

static void read_work(uv_work_t *work)
{
	struct control_job *job = work->data;

	change_read(job->change, &job->control->base);
}

static void read_over(uv_work_t *work, int status)
{
	struct control_job *job = work->data;
	struct control *c = job->control;
	struct change *ch = job->change;

	if (status < 0 || c->stopping)
		change_fail(ch, RPC_SHUTTING_DOWN, "weir is ending; nothing was changed");
	if (ch->code || ch->unchanged) {
		finish(c);
		return;
	}
	job->resolving = true;
	if (ch->services)
		build_names(ch->all, keep_name, &c->resolver);
	resolver_wait(&c->resolver, names_ready, job);
}

static void start_next(struct control *c)
{
	struct control_job *job = c->queue;

	if (!job || c->running)
		return;
	c->queue = job->next;
	if (!c->queue)
		c->queue_end = &c->queue;
	c->n_queued--;
	c->running = job;
	if (!c->stopping && uv_queue_work(c->loop, &job->work, read_work, read_over) == 0)
		return;
	change_fail(job->change, RPC_SHUTTING_DOWN, "weir is ending; nothing was changed");
	finish(c);
}

int control_submit(struct control *c, struct change *ch, control_done *done, void *arg)
{
	struct control_job *job = calloc(1, sizeof(*job));

	if (!job || c->stopping || c->n_queued >= CONTROL_QUEUE_MAX) {
		change_free(ch);
		free(job);
		return c->stopping ? -ESHUTDOWN : -EBUSY;
	}
	*job = (struct control_job){.control = c, .change = ch, .done = done, .arg = arg};
	job->work.data = job;
	*c->queue_end = job;
	c->queue_end = &job->next;
	c->n_queued++;
	start_next(c);
	return 0;
}

/* ---- changes of our own ----------------------------------------------------------------- */

static void log_reload(void *arg, struct change *ch)
{
	struct control *c = arg;
	const char *path = c->conf->routing_directory;

	if (ch->code)
		log_error("directory-refused", "path=%s error=\"%s\" running=\"unchanged\"", path,
		          ch->message);
	else if (!ch->unchanged)
		log_info("directory-read", "path=%s objects=%u generation=%" PRIu64, path,
		         docset_count(c->base.directory), ch->generation);
}

static void log_renew(void *arg, struct change *ch)
{
	(void)arg;
	if (ch->code)
		log_error("addresses-refused", "error=\"%s\" running=\"unchanged\"", ch->message);
	else
		log_info("addresses-changed", "generation=%" PRIu64, ch->generation);
}

void control_reload(struct control *c)
{
	struct change *ch = change_new(CHANGE_RELOAD);

	if (!ch || !*c->conf->routing_directory) {
		change_free(ch);
		return;
	}
	ch->ns = c->conf->ns;
	if (control_submit(c, ch, log_reload, c) == -EBUSY)
		log_warning("directory-not-read", "reason=\"too many changes wait\"");
}

/* One renewal in the queue covers all changes of addresses before it starts. */
static void names_changed(void *arg)
{
	struct control *c = arg;
	struct change *ch;

	for (const struct control_job *job = c->queue; job; job = job->next)
		if (job->change->kind == CHANGE_RENEW)
			return;
	ch = change_new(CHANGE_RENEW);
	if (ch)
		control_submit(c, ch, log_renew, c);
}

/* ---- start and end ---------------------------------------------------------------------- */

static void log_diags(const char *event, struct diag_list *diags)
{
	for (uint32_t i = 0; i < diags->n; i++)
		if (diags->items[i].severity == DIAG_ERROR)
			log_error(event, "%s", diag_format(diags, &diags->items[i]));
}

static void read_changes(struct control *c, struct docset *set)
{
	const char *text;
	size_t len;

	for (uint32_t i = 0; (text = store_change(&c->store, i, &len)); i++)
		change_replay(set, STORED, text, len, c->conf->ns, &c->store_problems);
	store_forget(&c->store);
}

/* The stored set; an empty one when there is none or it cannot be read. */
static struct docset *load_applied(struct control *c)
{
	struct docset *set = docset_new();
	char note[256], *text;
	uint32_t damaged;
	size_t len;

	store_load(&c->store, &text, &len, note, sizeof(note));
	if (*note) {
		log_error("store", "%s", note);
		diag_error(&c->store_problems, (struct where){.file = c->conf->state_directory},
		           "STORE_DAMAGED", "%s", note);
	}
	damaged = c->store_problems.n_errors;
	if (text)
		docset_read_emitted(set, STORED, text, len, c->conf->ns, &c->store_problems);
	free(text);
	read_changes(c, set);
	if (c->store_problems.n_errors == damaged)
		return set;
	log_diags("stored-set-refused", &c->store_problems);
	store_set_aside(&c->store, c->store.loaded);
	docset_free(set);
	return docset_new();
}

static struct docset *load_directory(struct control *c)
{
	struct docset *set = docset_new();

	if (!*c->conf->routing_directory)
		return set;
	docset_read_path(set, c->conf->routing_directory, c->conf->ns, &c->directory_errors);
	log_now(c->directory_read);
	if (c->directory_errors.n_errors == 0)
		return set;
	log_diags("directory-refused", &c->directory_errors);
	docset_free(set);
	return docset_new();
}

/* Use these sets; the present ones are freed. */
static void set_sets(struct change_base *base, struct docset *applied, struct docset *directory)
{
	struct docset *a = docset_copy(applied), *d = docset_copy(directory);

	docset_free(base->applied);
	docset_free(base->directory);
	docset_free(base->all);
	base->applied = a;
	base->directory = d;
	base->all = change_merge(a, d);
}

/* Build from both sets; a set that cannot be built is left out rather than not starting. */
static bool build_first(struct control *c)
{
	struct docset *empty = docset_new();
	struct docset *const applied = docset_copy(c->base.applied);
	struct docset *const directory = docset_copy(c->base.directory);
	struct docset *const tries[][2] = {
		{applied, directory}, {applied, empty}, {empty, directory}, {empty, empty}};
	struct diag_list failed = {0};
	unsigned i;

	c->base.generation = c->store.generation ? c->store.generation : 1;
	for (i = 0; i < 4 && !c->current; i++) {
		set_sets(&c->base, tries[i][0], tries[i][1]);
		diag_fini(&c->warnings);
		c->current = build_snapshot(c->base.all, &c->base.options, c->base.hsdb,
		                            c->registry, c->base.generation, &c->warnings);
		if (i == 0 && !c->current)
			diag_append(&failed, &c->warnings);
	}
	if (i > 1) {
		log_diags("started-without", &failed);
		diag_append(i == 2 ? &c->directory_errors : &c->store_problems, &failed);
	}
	if (i > 2)
		store_set_aside(&c->store, c->store.loaded);
	diag_fini(&failed);
	docset_free(empty);
	docset_free(applied);
	docset_free(directory);
	c->base.snapshot = c->current;
	return c->current != NULL;
}

static void set_options(struct control *c)
{
	const struct conf *conf = c->conf;

	for (uint32_t i = 0; i < conf->n_listeners; i++)
		c->listeners[i] =
			(struct build_listener){conf->listeners[i].addr, conf->listeners[i].port};
	c->base.options = (struct build_options){
		.domain = conf->domain,
		.strict_gateways = conf->strict_gateways,
		.accept_http10 = conf->accept_http10,
		.n_workers = conf->node.n_workers,
		.n_listeners = conf->n_listeners,
		.listeners = c->listeners,
	};
}

int control_open(struct control *c, const struct conf *conf, uv_loop_t *loop, char *err,
                 size_t err_size)
{
	const uint32_t capacity[REGISTRY_SPACES] = {
		[REGISTRY_DESTS] = conf->node.limits.dests,
		[REGISTRY_ENDPOINTS] = conf->node.limits.endpoints,
		[REGISTRY_SUBSETS] = conf->node.limits.endpoints,
		[REGISTRY_SPLITS] = conf->node.limits.endpoints,
	};
	char databases[PATH_MAX];
	int rc;

	*c = (struct control){.conf = conf, .loop = loop, .store.lock = -1};
	c->queue_end = &c->queue;
	rc = store_open(&c->store, conf->state_directory, &store_ops_real, err, err_size);
	if (rc < 0)
		return rc;
	c->listeners = calloc(conf->n_listeners, sizeof(*c->listeners));
	c->registry = registry_new(capacity);
	snprintf(databases, sizeof(databases), "%s/databases", conf->state_directory);
	c->base.hsdb = hsdb_new(mkdir(databases, 0750) == 0 || errno == EEXIST ? databases : NULL);
	if (!c->listeners || !c->registry || !c->base.hsdb) {
		snprintf(err, err_size, "out of memory");
		return -ENOMEM;
	}
	c->base.conf = conf;
	c->base.registry = c->registry;
	c->base.store = &c->store;
	set_options(c);
	c->base.applied = load_applied(c);
	c->stored = c->store.generation;
	c->base.directory = load_directory(c);
	if (!build_first(c)) {
		snprintf(err, err_size, "an empty set of documents cannot be built");
		return -EINVAL;
	}
	return 0;
}

void control_run(struct control *c)
{
	uv_timer_init(c->loop, &c->poll);
	c->poll.data = c;
	c->started_ms = uv_now(c->loop);
	log_now(c->started);
	log_now(c->changed);
	resolver_init(&c->resolver, c->loop, c->conf->resolve_us, names_changed, c);
	build_names(c->base.all, keep_name, &c->resolver);
	poll_dataplane(&c->poll);
}

void control_stop(struct control *c)
{
	struct control_job *job = c->running;

	c->stopping = true;
	resolver_close(&c->resolver);
	if (job && job->resolving) {
		change_fail(job->change, RPC_SHUTTING_DOWN, "weir is ending; nothing was changed");
		finish(c);
	}
	while (c->waiters) {
		struct control_waiter *w = c->waiters;

		c->waiters = w->next;
		w->cb(w->arg, false, 0);
		free(w);
	}
	uv_close((uv_handle_t *)&c->poll, NULL);
}

void control_close(struct control *c)
{
	while (c->retired) {
		struct control_retired *r = c->retired;

		c->retired = r->next;
		build_free(r->snapshot);
		free(r);
	}
	build_free(c->current);
	docset_free(c->base.applied);
	docset_free(c->base.directory);
	docset_free(c->base.all);
	hsdb_free(c->base.hsdb);
	registry_free(c->registry);
	free(c->listeners);
	diag_fini(&c->warnings);
	diag_fini(&c->directory_errors);
	diag_fini(&c->store_problems);
	diag_fini(&c->ports);
	if (c->store.dir)
		store_close(&c->store);
}
