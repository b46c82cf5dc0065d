/*
 * downgrade - standard input, a message in wire form, made 7-bit on standard output
 *
 * For test_downgrade.py. Its argument is the size of the pieces the message is taken in. Exit status 1 with
 * the reason on standard error when it cannot be converted.
 */
#include <stdio.h>
#include <stdlib.h>

#include "lib/mail/downgrade.h"

static bool
put(struct str s)
{
	return fwrite(s.data, 1, s.len, stdout) == s.len;
}

static bool
on_field(void *arg, enum mime_header header, struct str field, bool whole)
{
	(void)arg, (void)header, (void)whole;
	return put(field);
}

static bool
on_header_end(void *arg, const struct mime_part *part, struct str line)
{
	(void)arg, (void)part;
	return put(line);
}

static bool
on_text(void *arg, enum mime_text what, struct str piece)
{
	(void)arg, (void)what;
	return put(piece);
}

static bool
on_leaf_end(void *arg, bool delimited)
{
	(void)arg, (void)delimited;
	return true;
}

int
main(int argc, char **argv)
{
	static const struct mime_events events = {on_field, on_header_end, on_text, on_leaf_end};
	static const struct mime_limits limits = {102400, 100, 2048};
	struct downgrade *d = downgrade_new(&limits, DOWNGRADE_LOOK_AHEAD, true, &events, NULL);
	size_t step = argc > 1 ? strtoul(argv[1], NULL, 10) : 65536, n;
	char *piece = malloc(step);
	bool ok = piece != NULL;

	while (ok && (n = fread(piece, 1, step, stdin)) > 0)
		ok = downgrade_data(d, str_n(piece, n));
	ok = ok && downgrade_end(d) && fflush(stdout) == 0;
	if (!ok)
		fprintf(stderr, "%.*s\n", STR_ARG(downgrade_why(d)));
	downgrade_free(&d);
	free(piece);
	return ok ? 0 : 1;
}
