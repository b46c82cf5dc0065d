/*
 * postconf - show and change the configuration
 *
 * Named and behaving as users of Postfix expect. Runs as whoever calls it, with that user's rights.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin/postconf.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/table/table.h"

#define LINE_WIDTH 80
#define INDENT "    "

/* --- Output ----------------------------------------------------------------------------------------- */

void
print_text(const struct buf *out)
{
	if (io_write_all(STDOUT_FILENO, out->data, out->len) != 0)
		log_fatal("standard output: %s", strerror(errno));
}

void
fold_text(struct str text, bool fold, struct buf *out)
{
	struct str word;
	size_t column = 0;

	while (str_token(&text, " \t\r\n", &word)) {
		if (column > 0 && fold && column + 1 + word.len > LINE_WIDTH) {
			buf_puts(out, "\n" INDENT);
			column = sizeof(INDENT) - 1;
		} else if (column > 0) {
			buf_putc(out, ' ');
			column++;
		}
		buf_str(out, word);
		column += word.len;
	}
}

void
print_pair(const struct request *r, struct str name, struct str value)
{
	struct buf line = {0}, out = {0};

	if (!r->no_name)
		buf_str(&line, name);
	if (!r->no_name && !r->no_value)
		buf_puts(&line, " = ");
	if (!r->no_value)
		buf_str(&line, value);
	if (r->fold)
		fold_text(buf_view(&line), true, &out);
	else
		buf_str(&out, buf_view(&line));
	buf_putc(&out, '\n');
	print_text(&out);
	buf_free(&line);
	buf_free(&out);
}

void
print_problems(const struct conf_problems *problems)
{
	for (size_t i = 0; i < problems->count; i++) {
		const struct conf_problem *p = &problems->list[i];

		/* What has no effect yet is check's to tell, and the log's: listings are read by programs. */
		if (p->severity >= CONF_MISSED)
			continue;
		/* Without the line, as tools know it from Postfix. */
		if (str_starts(str_c(p->text), STR("unused parameter: ")))
			log_warning("%s: %s", p->file ? p->file : "-o", p->text);
		else if (p->file)
			log_warning("%s, line %zu: %s", p->file, p->line, p->text);
		else
			log_warning("%s", p->text);
	}
}

/* --- Lists of what there is ------------------------------------------------------------------------- */

static int
print_words(const char *const *words)
{
	struct buf out = {0};

	for (; *words; words++)
		buf_printf(&out, "%s\n", *words);
	print_text(&out);
	buf_free(&out);
	return 0;
}

static int
print_locks(void)
{
	static const char *const locks[] = {"dotlock", "fcntl", "flock", NULL};

	return print_words(locks);
}

/* The server has none yet. What the client has built in goes by the default of smtp_sasl_type, which scripts look for. */
static int
print_sasl(bool client)
{
	static const char *const server_types[] = {NULL}, *const client_types[] = {"cyrus", NULL};

	return print_words(client ? client_types : server_types);
}

/* --- The command line ------------------------------------------------------------------------------- */

static void __attribute__((noreturn)) usage(void)
{
	fputs("usage: postconf [-dfhHnvx] [-c dir] [-C class,...] [-o name=value] [name...]\n"
	      "       postconf [-e] [-c dir] name=value...\n"
	      "       postconf -X | -# [-c dir] name...\n"
	      "       postconf -M [-f] [-c dir] [service[/type]...]\n"
	      "       postconf -M -e service/type='line of master.cf'...\n"
	      "       postconf -M -X | -# service/type...\n"
	      "       postconf -F [-efhHx] [service[/type[/field]]...]\n"
	      "       postconf -P [-efhHxX] [service[/type[/parameter]]...]\n"
	      "       postconf -b | -t [\"\"]\n"
	      "       postconf -a | -A | -l | -m\n",
	    stderr);
	exit(1);
}

static unsigned
read_classes(const char *argument)
{
	static const struct {
		const char *name;
		unsigned class;
	} classes[] = {
	    {"builtin", CLASS_BUILTIN},
	    {"service", CLASS_SERVICE},
	    {"user", CLASS_USER},
	    {"all", CLASS_ALL},
	};
	struct str rest = str_c(argument), word;
	unsigned all = 0;

	while (conf_list_next(&rest, &word)) {
		unsigned found = 0;

		for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
			if (str_eq(word, str_c(classes[i].name)))
				found = classes[i].class;
		if (!found)
			log_fatal("-C %.*s: must be builtin, service, user or all", STR_ARG(word));
		all |= found;
	}
	return all ? all : CLASS_ALL;
}

static void
add_override(struct request *r, const char *argument)
{
	struct conf_override *o;
	const char *why;

	r->overrides = mem_resize(r->overrides, (r->n_overrides + 1) * sizeof(*r->overrides));
	o = &r->overrides[r->n_overrides++];
	if (!conf_split(str_c(argument), &o->name, &o->value, &why))
		log_fatal("-o \"%s\": %s", argument, why);
}

/* One thing at a time: -e and -X exclude each other, and so do -M, -F and -P, and the lists. */
static void
choose(char *chosen, int option)
{
	if (*chosen && *chosen != option)
		log_fatal("-%c and -%c exclude each other", *chosen, option);
	*chosen = (char)option;
}

static void
read_option(struct request *r, char *mode, int option)
{
	switch (option) {
	case 'a':
	case 'A':
	case 'b':
	case 'l':
	case 'm':
	case 't':
	case 'M':
	case 'F':
	case 'P':
		choose(mode, option);
		break;
	case 'c':
		r->dir = optarg;
		break;
	case 'C':
		r->classes = read_classes(optarg);
		break;
	case 'd':
		r->defaults = true;
		break;
	case 'e':
	case 'X':
	case '#':
		choose(&r->action, option);
		break;
	case 'f':
		r->fold = true;
		break;
	case 'h':
		r->no_name = true;
		break;
	case 'H':
		r->no_value = true;
		break;
	case 'j':
		log_fatal("-j: there is no output as JSON in this version");
	case 'n':
		r->set_only = true;
		break;
	case 'o':
		add_override(r, optarg);
		break;
	case 'T':
		log_fatal("-T %s: postconf does not load OpenSSL; ask openssl(1)", optarg);
	case 'p': /* parameters of main.cf: the default */
	case 'v': /* accepted; there is nothing more to tell */
		break;
	case 'x':
		r->expand = true;
		break;
	default:
		usage();
	}
}

static int
run(struct request *r, char mode)
{
	bool changes = r->action != 0;

	switch (mode) {
	case 'a':
	case 'A':
		return print_sasl(mode == 'A');
	case 'b':
	case 't':
		return texts_show(r, mode == 'b');
	case 'l':
		return print_locks();
	case 'm':
		return print_words(table_types());
	case 'M':
		return changes ? master_cf_edit_entries(r) : master_cf_show_entries(r);
	case 'F':
		return changes ? master_cf_edit_fields(r) : master_cf_show_fields(r);
	case 'P':
		return changes ? master_cf_edit_parameters(r) : master_cf_show_parameters(r);
	default:
		return changes ? main_cf_edit(r) : main_cf_show(r);
	}
}

int
main(int argc, char **argv)
{
	struct request r = {.classes = CLASS_ALL};
	char mode = 0;
	int option, status;

	log_name("postkeep", "postconf");
	while ((option = getopt(argc, argv, "aAbc:C:deFfHhjlmMno:pPtT:vxX#")) > 0)
		read_option(&r, &mode, option);
	r.names = argv + optind;
	/* "postconf name=value" changes without being told to. */
	if (!r.action && !r.defaults && !r.set_only && argv[optind] && strchr(argv[optind], '='))
		r.action = 'e';
	if (r.action && (!argv[optind] || r.defaults || r.set_only))
		usage();
	if (r.defaults && r.set_only)
		log_fatal("-d and -n exclude each other");
	status = run(&r, mode);
	free(r.overrides);
	return status;
}
