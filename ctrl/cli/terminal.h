/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a terminal needs: colours when wanted, text made harmless, and a clean end at Ctrl-C.
 */
#ifndef WEIR_CLI_TERMINAL_H
#define WEIR_CLI_TERMINAL_H

#include <stdbool.h>
#include <stdio.h>

enum colour {
	COLOUR_NONE,
	COLOUR_BOLD,
	COLOUR_DIM,
	COLOUR_RED,
	COLOUR_GREEN,
	COLOUR_YELLOW,
	COLOUR_CYAN,
	COLOUR_COUNT,
};

/** Is this stream a terminal that can be drawn on? */
bool terminal_is(FILE *stream);

/** Colours on this stream? Only on a terminal, and not when NO_COLOR is set. */
bool terminal_colours(FILE *stream);

/** Escape sequence that begins a colour, or "" where there are none; COLOUR_NONE ends it. */
const char *terminal_colour(FILE *stream, enum colour colour);

/** Write text from outside: control characters become "?", except newline and tab. */
void terminal_write(FILE *stream, const char *text);

/** Write a line in a colour: terminal_write() and a newline. */
void terminal_line(FILE *stream, enum colour colour, const char *text);

/** Is text[0..] the start of a control character (C0, DEL, or C1 in UTF-8)? Bytes it takes, or 0. */
size_t terminal_control(const char *text);

/** From now on Ctrl-C and SIGTERM set a flag instead of ending the program. */
void terminal_catch_signals(void);
/** Was there such a signal? */
bool terminal_interrupted(void);

#endif
