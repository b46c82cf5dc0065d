/*
 * postconf_service - a line of master.cf as words, to be shown or written again
 */
#include "admin/postconf_service.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/conf/master_args.h"

/* Where the columns begin, as in the file that is installed; and how long a line may be. */
static const size_t field_columns[] = {0, 11, 17, 25, 33, 41, 49, 57};
#define LINE_WIDTH 80
#define INDENT "    "

const char *const service_field_names[SERVICE_FIELDS] = {
    "service", "type", "private", "unprivileged", "chroot", "wakeup", "process_limit"};

bool
service_line_parse(struct str line, struct service_line *s)
{
	struct str word;
	const char *why;

	*s = (struct service_line){0};
	for (size_t i = 0; i < SERVICE_FIELDS; i++)
		if (!str_token(&line, " \t", &s->fields[i]))
			return false;
	while (master_word_next(&line, &word, &why))
		service_word_insert(s, s->n_words, word);
	if (!why && s->n_words > 0)
		return true;
	service_line_free(s);
	return false;
}

void
service_line_free(struct service_line *s)
{
	free(s->words);
	*s = (struct service_line){0};
}

void
service_word_insert(struct service_line *s, size_t at, struct str word)
{
	s->words = mem_resize(s->words, (s->n_words + 1) * sizeof(*s->words));
	memmove(&s->words[at + 1], &s->words[at], (s->n_words - at) * sizeof(*s->words));
	s->words[at] = word;
	s->n_words++;
}

void
service_word_remove(struct service_line *s, size_t at)
{
	s->n_words--;
	memmove(&s->words[at], &s->words[at + 1], (s->n_words - at) * sizeof(*s->words));
}

static void
pad_to(struct buf *out, size_t start, size_t column)
{
	if (out->len > start)
		buf_putc(out, ' ');
	while (out->len - start < column)
		buf_putc(out, ' ');
}

/* Words from I on that stay on one line together: an option -o and what belongs to it. */
static size_t
unit_length(const struct service_line *s, size_t i, size_t options_end)
{
	return i < options_end && str_eq(s->words[i], STR("-o")) && i + 1 < s->n_words ? 2 : 1;
}

void
service_line_print(const struct service_line *s, bool fold, struct buf *out)
{
	size_t start = out->len, end = service_options_end(s), unit;

	for (size_t i = 0; i < SERVICE_FIELDS; i++) {
		pad_to(out, start, field_columns[i]);
		buf_str(out, s->fields[i]);
	}
	pad_to(out, start, field_columns[SERVICE_FIELDS]);
	buf_str(out, s->words[0]);
	for (size_t i = 1; i < s->n_words; i += unit) {
		bool override = i < end && str_starts(s->words[i], STR("-o"));

		unit = unit_length(s, i, end);
		if (fold && (override || out->len - start + 1 + s->words[i].len > LINE_WIDTH)) {
			buf_putc(out, '\n');
			start = out->len;
			buf_puts(out, INDENT);
		} else {
			buf_putc(out, ' ');
		}
		for (size_t j = 0; j < unit; j++) {
			if (j > 0)
				buf_putc(out, ' ');
			buf_str(out, s->words[i + j]);
		}
	}
}

size_t
service_options_end(const struct service_line *s)
{
	size_t i = 1;

	while (i < s->n_words && s->words[i].data[0] == '-')
		i += str_eq(s->words[i], STR("-o")) ? 2 : 1;
	return i < s->n_words ? i : s->n_words;
}

bool
service_override_next(const struct service_line *s, size_t *i, struct str *name, struct str *value)
{
	size_t end = service_options_end(s);
	const char *why;

	while (*i < end) {
		struct str word = s->words[(*i)++];

		if (!str_starts(word, STR("-o")))
			continue;
		if (word.len > 2)
			word = str_from(word, 2);
		else if (*i < end)
			word = master_word_text(s->words[(*i)++]);
		if (conf_split(word, name, value, &why))
			return true;
	}
	return false;
}
