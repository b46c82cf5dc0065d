/*
 * master_args - the words behind the program in a line of master.cf
 */
#include "lib/conf/master_args.h"

#include "lib/base/mem.h"

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Length of the group at the front of S, braces included; 0 if it is not closed. */
static size_t
group_length(struct str s)
{
	size_t level = 0;

	for (size_t i = 0; i < s.len; i++) {
		if (s.data[i] == '{')
			level++;
		else if (s.data[i] == '}' && --level == 0)
			return i + 1;
	}
	return 0;
}

bool
master_word_next(struct str *rest, struct str *word, const char **why)
{
	size_t n = 0;

	*why = NULL;
	*rest = str_trim(*rest);
	if (rest->len == 0)
		return false;
	if (rest->data[0] == '{') {
		n = group_length(*rest);
		if (n == 0)
			*why = "\"{\" without \"}\"";
		else if (n < rest->len && !is_space(rest->data[n]))
			*why = "white space is missing behind \"}\"";
	} else {
		while (n < rest->len && !is_space(rest->data[n]))
			n++;
	}
	*word = str_sub(*rest, 0, n);
	*rest = str_from(*rest, n);
	return *why == NULL;
}

struct str
master_word_text(struct str word)
{
	if (word.len >= 2 && word.data[0] == '{')
		return str_trim(str_sub(word, 1, word.len - 2));
	return word;
}

static void
add_arg(struct master_entry *entry, struct str text)
{
	entry->args = mem_resize(entry->args, (entry->n_args + 2) * sizeof(*entry->args));
	entry->args[entry->n_args++] = str_dup(text);
	entry->args[entry->n_args] = NULL;
}

/* TEXT: name=value. */
static bool
add_override(struct master_entry *entry, struct str text, struct buf *why)
{
	struct conf_override *new;
	struct str name, value;
	const char *cause;

	if (!conf_split(str_trim(text), &name, &value, &cause)) {
		buf_printf(why,
		    "-o \"%.*s\": write -o name=value, or -o { name = value } for a value with "
		    "spaces",
		    STR_ARG(str_sub(text, 0, 100)));
		return false;
	}
	entry->overrides =
	    mem_resize(entry->overrides, (entry->n_overrides + 1) * sizeof(*entry->overrides));
	new = &entry->overrides[entry->n_overrides++];
	/* Not by str_n(): what is empty must be a copy too, for master_cf_free() to free. */
	*new = (struct conf_override){{str_dup(name), name.len}, {str_dup(value), value.len}};
	return true;
}

/* pipe and spawn run a command: from their first own argument on, "-o" is the command's. */
static bool
runs_command(const struct master_entry *entry)
{
	struct str program = str_c(entry->command);

	return str_eq(program, STR("pipe")) || str_eq(program, STR("spawn"));
}

/* WORD begins with "-o" and is an option. */
static bool
read_override(struct master_entry *entry, struct str word, struct str *rest, struct buf *why)
{
	const char *cause;

	if (word.len > 2)
		return add_override(entry, str_from(word, 2), why);
	if (!master_word_next(rest, &word, &cause)) {
		buf_puts(why, cause ? cause : "-o is the last word: name=value is missing");
		return false;
	}
	return add_override(entry, master_word_text(word), why);
}

bool
master_args_read(struct master_entry *entry, struct str rest, struct buf *why)
{
	bool options = true;
	struct str word;
	const char *cause;

	while (master_word_next(&rest, &word, &cause)) {
		if (word.data[0] != '-' && options) {
			options = false;
			if (entry->n_overrides > 0 && !runs_command(entry)) {
				buf_printf(why,
				    "\"%.*s\" stands behind -o but belongs to no option; "
				    "for a value with spaces write -o { name = value }",
				    STR_ARG(word));
				return false;
			}
		}
		if (options && str_starts(word, STR("-o"))) {
			if (!read_override(entry, word, &rest, why))
				return false;
		} else {
			add_arg(entry, master_word_text(word));
		}
	}
	if (cause)
		buf_puts(why, cause);
	return cause == NULL;
}
