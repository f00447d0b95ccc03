/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The resolver over a scripted name server: this file's uv_getaddrinfo() takes the place of libuv's,
 * keeps each lookup, and answers it when the test says what with.
 */
#include "resolve.h"
#include "test.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

static struct {
	uv_getaddrinfo_t *req;
	uv_getaddrinfo_cb cb;
	char host[64];
} asked[16];
static unsigned n_asked;

int uv_getaddrinfo(uv_loop_t *loop, uv_getaddrinfo_t *req, uv_getaddrinfo_cb cb, const char *node,
                   const char *service, const struct addrinfo *hints)
{
	(void)loop;
	(void)service;
	(void)hints;
	assert_true(n_asked < 16);
	asked[n_asked].req = req;
	asked[n_asked].cb = cb;
	strcpy(asked[n_asked++].host, node);
	return 0;
}

void uv_freeaddrinfo(struct addrinfo *ai)
{
	while (ai) {
		struct addrinfo *next = ai->ai_next;

		free(ai);
		ai = next;
	}
}

/* Answer the oldest lookup of a host: IPv4 addresses separated by spaces, or NULL: it fails. */
static void answer(const char *host, const char *addrs)
{
	struct addrinfo *list = NULL;
	char text[128];
	unsigned i = 0;

	while (i < n_asked && strcmp(asked[i].host, host) != 0)
		i++;
	assert_true(i < n_asked);
	strcpy(text, addrs ? addrs : "");
	for (char *a = strtok(text, " "); a; a = strtok(NULL, " ")) {
		struct addrinfo *ai = calloc(1, sizeof(*ai) + sizeof(struct sockaddr_in));
		struct sockaddr_in *in = (struct sockaddr_in *)(void *)(ai + 1);

		inet_pton(AF_INET, a, &in->sin_addr);
		in->sin_family = AF_INET;
		*ai = (struct addrinfo){
			.ai_family = AF_INET, .ai_addr = (void *)in, .ai_next = list};
		list = ai;
	}
	asked[i].cb(asked[i].req, addrs ? 0 : UV_EAI_NONAME, list);
	asked[i] = asked[--n_asked];
}

static uv_loop_t loop;
static struct resolver resolver;
static unsigned changes, readies;

static void count(void *arg)
{
	++*(unsigned *)arg;
}

static int open_resolver(void **state)
{
	(void)state;
	n_asked = changes = readies = 0;
	uv_loop_init(&loop);
	resolver_init(&resolver, &loop, 100000, count, &changes);
	return 0;
}

static int close_resolver(void **state)
{
	(void)state;
	resolver_close(&resolver);
	while (n_asked > 0)
		answer(asked[0].host, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	return uv_loop_close(&loop);
}

/* The addresses of a host as a build sees them: the last bytes, in order. */
static void expect(const char *host, uint32_t n, uint8_t first)
{
	struct names *names = resolver_names(&resolver);
	const struct ip_addr *addrs;

	assert_int_equal(names_find(names, host, &addrs), n);
	if (n > 0)
		assert_int_equal(addrs[0].b[15], first);
	names_free(names);
}

static void refresh(void)
{
	uv_run(&loop, UV_RUN_ONCE); /* until the interval is over */
}

static void a_change_waits_for_new_names(void **state)
{
	(void)state;
	resolver_keep(&resolver, "a");
	resolver_keep(&resolver, "b");
	resolver_keep(&resolver, "a");
	assert_int_equal(n_asked, 2);
	resolver_wait(&resolver, count, &readies);
	answer("a", "10.0.0.2 10.0.0.1 10.0.0.2");
	assert_int_equal(readies, 0);
	answer("b", NULL);
	assert_int_equal(readies, 1);
	assert_int_equal(changes, 0); /* who waits takes the answers from there */
	expect("a", 2, 1);
	expect("b", 0, 0);
	expect("c", 0, 0);
}

static void other_addresses_are_a_change(void **state)
{
	(void)state;
	resolver_keep(&resolver, "a");
	resolver_wait(&resolver, count, &readies);
	answer("a", "10.0.0.1 10.0.0.2");
	refresh();
	answer("a", "10.0.0.2 10.0.0.1");
	assert_int_equal(changes, 0); /* another order is not */
	refresh();
	answer("a", "10.0.0.3");
	assert_int_equal(changes, 1);
	expect("a", 1, 3);
}

static void a_failure_keeps_what_is_known(void **state)
{
	(void)state;
	resolver_keep(&resolver, "a");
	resolver_wait(&resolver, count, &readies);
	answer("a", "10.0.0.1");
	refresh();
	answer("a", NULL);
	refresh();
	answer("a", "");
	assert_int_equal(changes, 0);
	expect("a", 1, 1);
}

static void a_name_in_flight_can_be_forgotten(void **state)
{
	(void)state;
	resolver_keep(&resolver, "a");
	resolver_keep(&resolver, "b");
	resolver_mark(&resolver);
	resolver_keep(&resolver, "b");
	resolver_sweep(&resolver);
	answer("a", "10.0.0.1");
	answer("b", "10.0.0.2");
	expect("a", 0, 0);
	expect("b", 1, 2);
	assert_int_equal(changes, 1); /* nobody waited for b */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_change_waits_for_new_names, open_resolver,
	                                        close_resolver),
		cmocka_unit_test_setup_teardown(other_addresses_are_a_change, open_resolver,
	                                        close_resolver),
		cmocka_unit_test_setup_teardown(a_failure_keeps_what_is_known, open_resolver,
	                                        close_resolver),
		cmocka_unit_test_setup_teardown(a_name_in_flight_can_be_forgotten, open_resolver,
	                                        close_resolver),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
