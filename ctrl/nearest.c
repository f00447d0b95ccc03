/* SPDX-License-Identifier: BSD-3-Clause */
#include "nearest.h"

#include <string.h>

#define LETTERS_MAX 24 /* looked at */
#define FAR         4  /* so many changes make it another word */

/* Levenshtein's distance, one row of the table at a time. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[LETTERS_MAX + 1];
	unsigned la = (unsigned)strnlen(a, LETTERS_MAX), lb = (unsigned)strnlen(b, LETTERS_MAX);

	for (unsigned j = 0; j <= lb; j++)
		row[j] = j;
	for (unsigned i = 1; i <= la; i++) {
		unsigned diagonal = row[0];

		row[0] = i;
		for (unsigned j = 1; j <= lb; j++) {
			unsigned best = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			best = best < row[j] + 1 ? best : row[j] + 1;
			row[j] = best < row[j - 1] + 1 ? best : row[j - 1] + 1;
		}
	}
	return row[lb];
}

struct nearest nearest_to(const char *word)
{
	/* most letters of the word must stay: "x" is not meant to be "get" */
	unsigned half = ((unsigned)strnlen(word, LETTERS_MAX) + 1) / 2;

	return (struct nearest){word, NULL, half < FAR ? half + 1 : FAR};
}

void nearest_offer(struct nearest *n, const char *known)
{
	unsigned d = distance(n->word, known);

	if (d >= n->distance)
		return;
	n->distance = d;
	n->best = known;
}
