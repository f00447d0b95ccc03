/* SPDX-License-Identifier: BSD-3-Clause */
#include "terminal.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t interrupted; /* writer: the signal handler */

bool terminal_is(FILE *stream)
{
	const char *term = getenv("TERM");

	return isatty(fileno(stream)) && term && strcmp(term, "dumb") != 0;
}

bool terminal_colours(FILE *stream)
{
	const char *no_color = getenv("NO_COLOR");

	return terminal_is(stream) && !(no_color && *no_color);
}

const char *terminal_colour(FILE *stream, enum colour colour)
{
	static const char *const codes[COLOUR_COUNT] = {
		[COLOUR_NONE] = "\033[0m",   [COLOUR_BOLD] = "\033[1m",
		[COLOUR_DIM] = "\033[2m",    [COLOUR_RED] = "\033[31m",
		[COLOUR_GREEN] = "\033[32m", [COLOUR_YELLOW] = "\033[33m",
		[COLOUR_CYAN] = "\033[36m",
	};

	return terminal_colours(stream) ? codes[colour] : "";
}

size_t terminal_control(const char *text)
{
	unsigned char c = (unsigned char)text[0], d;

	if ((c < 0x20 && c != '\0') || c == 0x7f)
		return 1;
	if (c != 0xc2)
		return 0;
	d = (unsigned char)text[1];
	return d >= 0x80 && d < 0xa0 ? 2 : 0;
}

void terminal_write(FILE *stream, const char *text)
{
	while (*text) {
		size_t n = terminal_control(text);

		if (n && *text != '\n' && *text != '\t') {
			fputc('?', stream);
			text += n;
		} else {
			fputc(*text++, stream);
		}
	}
}

void terminal_line(FILE *stream, enum colour colour, const char *text)
{
	fputs(colour ? terminal_colour(stream, colour) : "", stream);
	terminal_write(stream, text);
	fputs(colour ? terminal_colour(stream, COLOUR_NONE) : "", stream);
	fputc('\n', stream);
}

static void on_signal(int signal_number)
{
	(void)signal_number;
	interrupted = 1;
}

void terminal_catch_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal}; /* no SA_RESTART: waits end */

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

bool terminal_interrupted(void)
{
	return interrupted;
}
