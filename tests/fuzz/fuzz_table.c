/*
 * fuzz_table - match lists and text tables from any bytes, and any key looked up in them
 *
 * The first byte chooses the form, the second says how long the key is. An answer is the same when the
 * question is asked again, and an error has a cause.
 */
#define _GNU_SOURCE 1

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/table/table.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A file in memory, and its name. */
static struct {
	int fd;
	char path[64];
} file;

static bool
is_space(char c)
{
	return c == ' ' || c == ',' || (c >= '\t' && c <= '\r');
}

/*
 * The administrator's list may name files and tables of all kinds; here it must not reach what belongs
 * to the machine. Nor may it name patterns: what the C library makes of huge ones is not of interest.
 */
static bool
reaches_out(struct str text)
{
	static const char *const types[] = {
	    "hash:", "btree:", "lmdb:", "cdb:", "dbm:", "regexp:", "unix:", "proxy:"};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (str_find(text, str_c(types[i])) != STR_NPOS)
			return true;
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] == '/' &&
		    (i == 0 || is_space(text.data[i - 1]) || text.data[i - 1] == '!' ||
			text.data[i - 1] == '{'))
			return true;
	return false;
}

static void
write_file(struct str text)
{
	if (ftruncate(file.fd, 0) != 0 || lseek(file.fd, 0, SEEK_SET) != 0 ||
	    io_write_all(file.fd, text.data, text.len) != 0)
		abort();
}

static void
ask_list(struct match_list *list, struct str key, struct str address)
{
	struct buf why = {0};
	enum table_status status = match_list_has(list, key, address, &why);

	if ((status == TABLE_ERROR) != (why.len > 0) ||
	    match_list_has(list, key, address, &why) != status)
		abort();
	buf_free(&why);
}

static void
match(enum match_kind kind, bool parent, struct str text, struct str key)
{
	struct buf why = {0};
	struct match_list *list = match_list_new(kind, parent, text, &why);

	if (!list && why.len == 0)
		abort();
	if (list) {
		ask_list(list, key, STR_EMPTY);
		ask_list(list, STR("unknown"), key);
	}
	match_list_free(&list);
	buf_free(&why);
}

/* The same items in a file. */
static void
match_file(enum match_kind kind, struct str text, struct str key)
{
	write_file(text);
	match(kind, true, str_c(file.path), key);
}

static void
look_up(struct str spec, struct str key)
{
	struct buf value = {0}, again = {0}, why = {0};
	struct table *t = table_open(spec, &why);
	enum table_status status;

	if (!t && why.len == 0)
		abort();
	if (t) {
		status = table_lookup(t, key, &value, &why);
		if ((status == TABLE_ERROR) != (why.len > 0) ||
		    (status != TABLE_FOUND && value.len > 0) ||
		    table_lookup(t, key, &again, &why) != status ||
		    !str_eq(buf_view(&value), buf_view(&again)))
			abort();
	}
	table_close(&t);
	buf_free(&value);
	buf_free(&again);
	buf_free(&why);
}

static void
look_up_file(struct str text, struct str key)
{
	struct buf spec = {0};

	write_file(text);
	buf_printf(&spec, "texthash:%s", file.path);
	look_up(buf_view(&spec), key);
	buf_free(&spec);
}

static void
look_up_inline(struct str text, struct str key)
{
	struct buf spec = {0};

	buf_puts(&spec, "inline:{");
	buf_str(&spec, text);
	buf_putc(&spec, '}');
	look_up(buf_view(&spec), key);
	buf_free(&spec);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	int nowhere[2];

	(void)argc, (void)argv;
	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, nowhere) != 0)
		return 1;
	close(nowhere[1]);
	log_to_socket(nowhere[0], false);
	file.fd = memfd_create("table", MFD_CLOEXEC);
	snprintf(file.path, sizeof(file.path), "/proc/self/fd/%d", file.fd);
	return file.fd == -1;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str key, text;
	unsigned form;

	if (size < 2)
		return 0;
	form = data[0] % 8;
	text = str_n(data + 2, size - 2);
	key = str_sub(text, 0, data[1]);
	text = str_from(text, data[1]);
	if (form < 6 && reaches_out(text))
		return 0;
	if (form < 3)
		match((enum match_kind)form, data[0] & 8, text, key);
	else if (form < 6)
		match_file((enum match_kind)(form - 3), text, key);
	else if (form == 6)
		look_up_file(text, key);
	else
		look_up_inline(text, key);
	return 0;
}
