/* SPDX-License-Identifier: BSD-3-Clause */
#include "requests.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD_MAX 2048

static const char small_fields[] =
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101\r\n"
	"Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8\r\n"
	"Accept-Language: en-US,en;q=0.5\r\n"
	"Cookie: session=0123456789abcdef\r\n";

static const char browser_fields[] =
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
	"Chrome/118.0.0.0 Safari/537.36\r\n"
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,"
	"image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7\r\n"
	"Accept-Encoding: gzip, deflate, br\r\n"
	"Accept-Language: en-GB,en-US;q=0.9,en;q=0.8,de;q=0.7\r\n"
	"Cache-Control: max-age=0\r\n"
	"Cookie: session=0123456789abcdef0123456789abcdef; theme=dark; "
	"consent=v2.1_analytics.0_ads.0; "
	"_ga=GA1.2.1234567890.1690000000; last=%2Fcatalog%2Fitems%3Fpage%3D7\r\n"
	"Referer: https://www.example.com/catalog/items?page=7&sort=price&order=ascending\r\n"
	"Sec-Ch-Ua: \"Chromium\";v=\"118\", \"Not=A?Brand\";v=\"99\"\r\n"
	"Sec-Ch-Ua-Mobile: ?0\r\n"
	"Sec-Ch-Ua-Platform: \"Linux\"\r\n"
	"Sec-Fetch-Dest: document\r\n"
	"Sec-Fetch-Mode: navigate\r\n"
	"Sec-Fetch-Site: same-origin\r\n"
	"Sec-Fetch-User: ?1\r\n"
	"Upgrade-Insecure-Requests: 1\r\n";

/* @return bytes of the head of request c */
static uint32_t write_head(char *to, const struct request_form *f, uint32_t c)
{
	char host[300], path[64], length[64] = "";

	if (f->hosts > 1)
		snprintf(host, sizeof(host), "host-%u.example.com", c / f->paths);
	else
		snprintf(host, sizeof(host), "%s", f->host);
	if (f->paths > 1)
		snprintf(path, sizeof(path), "/path-%u/item?id=4711&list=all", c % f->paths);
	else
		snprintf(path, sizeof(path), "/get?item=4711&list=all");
	if (f->post)
		snprintf(length, sizeof(length), "Content-Length: %u\r\n", f->post);
	return (uint32_t)snprintf(to, HEAD_MAX, "%s %s HTTP/1.1\r\nHost: %s\r\n%s%s%s\r\n",
	                          f->post ? "POST" : "GET", path, host,
	                          f->browser ? browser_fields : small_fields, length,
	                          f->close ? "Connection: close\r\n" : "");
}

/* One text after the other; then each is cut into segments. */
static int write_all(struct requests *r, const struct request_form *f, const struct body *body)
{
	size_t at = 0, *begin = calloc(r->n + 1u, sizeof(*begin));

	if (!begin)
		return -ENOMEM;
	for (uint32_t c = 0; c < r->n; c++) {
		begin[c] = at;
		for (uint32_t i = 0; i < f->pipeline; i++) {
			r->bytes = write_head(r->text + at, f, c);
			body_write(body, 0, r->text + at + r->bytes, f->post);
			r->bytes += f->post;
			at += r->bytes;
		}
	}
	begin[r->n] = at;
	for (uint32_t c = 0; c < r->n; c++)
		r->scripts[c] = script_of(r->text + begin[c], begin[c + 1] - begin[c]);
	free(begin);
	return 0;
}

int requests_init(struct requests *r, const struct request_form *f, const struct body *body)
{
	char head[HEAD_MAX];
	uint32_t longest;

	*r = (struct requests){.n = f->hosts * f->paths};
	longest = write_head(head, f, r->n - 1) + f->post;
	r->scripts = calloc(r->n, sizeof(*r->scripts));
	/* the last is the longest: its numbers have the most digits */
	r->text = malloc((size_t)r->n * f->pipeline * longest + HEAD_MAX);
	if (!r->scripts || !r->text || write_all(r, f, body) ||
	    draw_init(&r->draw, r->n, f->zipf, 1)) {
		requests_fini(r);
		return -ENOMEM;
	}
	return 0;
}

void requests_fini(struct requests *r)
{
	for (uint32_t c = 0; r->scripts && c < r->n; c++)
		script_free(&r->scripts[c]);
	free(r->scripts);
	free(r->text);
	draw_fini(&r->draw);
}
