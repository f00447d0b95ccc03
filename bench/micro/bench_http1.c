/* SPDX-License-Identifier: BSD-3-Clause */
/* Cycles per HTTP/1.1 head: parsing requests and responses, writing them for the other side. */
#include "bench.h"
#include "http1.h"

#include <stdio.h>

/* 300 bytes: a client library behind a gateway. */
static const char request_300[] =
	"GET /api/v1/orders/7421?expand=lines HTTP/1.1\r\n"
	"Host: shop.example.com\r\n"
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101\r\n"
	"Accept: application/json\r\n"
	"Accept-Encoding: gzip, deflate\r\n"
	"Accept-Language: en-GB,en;q=0.5\r\n"
	"Connection: keep-alive\r\n"
	"Cookie: session=0123456789abcdef0123456789\r\n"
	"\r\n";

/* 1 KiB: a browser's navigation with cookies. */
static const char request_1k[] =
	"GET /products/garden/tools?page=2&sort=price&order=asc&brand=acme HTTP/1.1\r\n"
	"Host: www.shop.example.com\r\n"
	"Connection: keep-alive\r\n"
	"sec-ch-ua: \"Chromium\";v=\"126\", \"Not:A-Brand\";v=\"24\", \"Browser\";v=\"126\"\r\n"
	"sec-ch-ua-mobile: ?0\r\n"
	"sec-ch-ua-platform: \"Linux\"\r\n"
	"Upgrade-Insecure-Requests: 1\r\n"
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
	"Chrome/126.0.0.0 Safari/537.36\r\n"
	"Accept: "
	"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n"
	"Sec-Fetch-Site: same-origin\r\n"
	"Sec-Fetch-Mode: navigate\r\n"
	"Sec-Fetch-User: ?1\r\n"
	"Sec-Fetch-Dest: document\r\n"
	"Referer: https://www.shop.example.com/products/garden?page=1\r\n"
	"Accept-Encoding: gzip, deflate, br, zstd\r\n"
	"Accept-Language: en-GB,en-US;q=0.9,en;q=0.8\r\n"
	"Cookie: session=0123456789abcdef0123456789abcdef; cart=88f2a1c0; theme=dark; consent=all; "
	"_visitor=GA1.2.1234567890.1712345678; _session=GA1.2.987654321.1712345678\r\n"
	"If-None-Match: W/\"5f2c-18f0a1b2c3d\"\r\n"
	"\r\n";

static const char response_nginx[] = "HTTP/1.1 200 OK\r\n"
				     "Server: nginx/1.22.1\r\n"
				     "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
				     "Content-Type: text/html\r\n"
				     "Content-Length: 612\r\n"
				     "Last-Modified: Tue, 04 Jun 2024 15:03:27 GMT\r\n"
				     "Connection: keep-alive\r\n"
				     "ETag: \"665f2c4f-264\"\r\n"
				     "Accept-Ranges: bytes\r\n"
				     "\r\n";

struct job {
	char *text;
	size_t len;
	struct http1_request request;
	struct http1_response response;
	struct http1_forward forward;
	struct http1_reply reply;
	char out[4096];
};

static void parse_request(void *arg, uint32_t calls)
{
	struct job *j = arg;
	size_t used = 0;

	while (calls--) {
		http1_parse_request(j->text, j->len, &j->request, &used);
		bench_keep(used);
	}
}

static void parse_response(void *arg, uint32_t calls)
{
	struct job *j = arg;
	size_t used = 0;

	while (calls--) {
		http1_parse_response(j->text, j->len, false, &j->response, &used);
		bench_keep(used);
	}
}

static void write_request(void *arg, uint32_t calls)
{
	struct job *j = arg;

	while (calls--) {
		struct http1_out out = {j->out, sizeof(j->out), 0};

		http1_write_request(&j->request, &j->forward, &out);
		bench_keep(out.len);
	}
}

static void write_response(void *arg, uint32_t calls)
{
	struct job *j = arg;

	while (calls--) {
		struct http1_out out = {j->out, sizeof(j->out), 0};

		http1_write_response(&j->response, &j->reply, &out);
		bench_keep(out.len);
	}
}

static void bench_request(struct job *j, const char *what, const char *text, size_t len)
{
	char in[4096], name[64];

	memcpy(in, text, len);
	j->text = in;
	j->len = len;
	snprintf(name, sizeof(name), "parse request, %s, %zu bytes", what, len);
	bench_run(name, parse_request, j, 100);
	snprintf(name, sizeof(name), "write request, %s", what);
	bench_run(name, write_request, j, 100);
}

int main(void)
{
	static struct job j;
	static const uint8_t id[16];
	static const struct route route;
	static const struct dest dest;
	struct ip_addr client = {.b = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 198, 51, 100, 7}};
	char in[4096];

	j.forward = (struct http1_forward){
		.route = &route, .dest = &dest, .client = &client, .attempt = 1, .request_id = id};
	j.reply = (struct http1_reply){.route = &route, .dest = &dest, .upstream_ms = 3};
	bench_begin("HTTP/1.1 heads");
	bench_request(&j, "library", request_300, sizeof(request_300) - 1);
	bench_request(&j, "browser", request_1k, sizeof(request_1k) - 1);
	j.len = sizeof(response_nginx) - 1;
	memcpy(in, response_nginx, j.len);
	j.text = in;
	bench_run("parse response, nginx", parse_response, &j, 100);
	bench_run("write response, nginx", write_response, &j, 100);
	return 0;
}
