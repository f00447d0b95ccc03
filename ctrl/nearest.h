/* SPDX-License-Identifier: BSD-3-Clause */
/* "did you mean ...?": which of the known words is nearest to the one that was written. */
#ifndef WEIR_NEAREST_H
#define WEIR_NEAREST_H

struct nearest {
	const char *word;  /* as written */
	const char *best;  /* nearest so far; NULL: none is near enough to be meant */
	unsigned distance; /* of best: letters to insert, delete or change */
};

/** Begin with the word that was written; it must stay. */
struct nearest nearest_to(const char *word);

/** Offer a known word; it must stay. */
void nearest_offer(struct nearest *n, const char *known);

#endif
