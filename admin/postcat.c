/*
 * postcat - shows a message of the queue
 *
 * Root's tool: -q asks qmgr, or reads the slot itself while qmgr is down; without it the arguments are
 * files: slots (of corrupt/, say) and messages of maildrop/. The layout is that of Postfix's postcat,
 * so that what was written for it finds what it looks for.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "admin/catalog.h"
#include "admin/offline.h"
#include "admin/tool.h"
#include "lib/base/io.h"
#include "lib/base/mem.h"
#include "lib/queue/id.h"

#define USAGE "postcat [-b] [-c config_dir] [-d] [-e] [-h] [-o] [-q] [-r] [-v] [files...]"
#define FILE_MAX_BYTES ((size_t)1 << 31) /* of a file that is read whole */
#define PIECE 65536

struct options {
	struct cat_format format;
	bool queue;
	const char *config_dir;
	int verbose;
};

static void
parse(int argc, char **argv, struct options *o)
{
	int c;

	opterr = 0;
	while ((c = getopt(argc, argv, "bc:dehoqrv")) != -1) {
		if (c == 'b')
			o->format.body = true;
		else if (c == 'c')
			o->config_dir = optarg;
		else if (c == 'e')
			o->format.envelope = true;
		else if (c == 'h')
			o->format.header = true;
		else if (c == 'o')
			o->format.offsets = true;
		else if (c == 'q')
			o->queue = true;
		else if (c == 'v')
			o->verbose++;
		else if (c != 'd' && c != 'r') /* records have no numbers and no pointers here */
			tool_usage(USAGE);
	}
	if (!o->format.body && !o->format.envelope && !o->format.header)
		o->format.body = o->format.envelope = o->format.header = true;
	if (o->queue && optind == argc)
		tool_usage(USAGE);
}

/* ---- From the queue -------------------------------------------------------------------------- */

/* What qmgr sends of a slot: header, marks and envelope, gathered; then content, passed on. */
static void
cat_answer(struct ipc_blocking *ipc, struct arena *a, const struct msg_admin_slot *slot,
    const struct cat_format *format)
{
	static const struct ipc_schema *const none[] = {NULL};
	struct cat *cat = NULL;
	struct buf head = {0};
	uint64_t got = 0;

	while (got < slot->size) {
		struct ipc_message m;
		struct str piece;

		if (ipc_blocking_recv(ipc, a, none, true, &m) != IPC_OK)
			tool_fail(EX_UNAVAILABLE, "private/qmgr-admin: %s", ipc_blocking_why(ipc));
		piece = m.content;
		got += piece.len;
		if (cat == NULL) {
			struct str part = str_sub(piece, 0, slot->text_size - head.len);

			buf_str(&head, part);
			piece = str_from(piece, part.len);
			if (head.len < slot->text_size)
				continue;
			cat = cat_slot_begin(buf_view(&head), format);
		}
		cat_content(cat, piece);
	}
	if (cat == NULL && head.len)
		cat = cat_slot_begin(buf_view(&head), format);
	cat_end(&cat);
	buf_free(&head);
}

static bool
cat_by_qmgr(struct ipc_blocking *ipc, const char *id, const struct cat_format *format)
{
	const struct msg_admin_cat ask = {.id = str_c(id)};
	struct arena *a = arena_new(0);
	struct msg_admin_slot slot;

	if (ipc_blocking_call(ipc, a, &msg_admin_cat, &ask, &msg_admin_slot, &slot) != IPC_OK)
		tool_fail(EX_UNAVAILABLE, "private/qmgr-admin: %s", ipc_blocking_why(ipc));
	if (slot.found)
		cat_answer(ipc, a, &slot, format);
	else
		tool_say(LOG_LEVEL_ERROR, "%s: %.*s", id, STR_ARG(slot.why));
	arena_free(&a);
	return slot.found;
}

/* ---- From a file ----------------------------------------------------------------------------- */

/* A slot: header, marks and envelope are read at once, the content in pieces. */
static bool
cat_slot_file(
    int fd, const struct slot_header *h, const char *name, const struct cat_format *format)
{
	size_t size = (size_t)slot_content_offset(h);
	char *head = mem_alloc(size);
	char *piece = mem_alloc(PIECE);
	struct cat *cat = NULL;
	uint64_t done = 0;
	ssize_t n = io_pread_full(fd, head, size, 0);

	if (n == (ssize_t)size)
		cat = cat_slot_begin(str_n(head, size), format);
	while (
	    cat && done < h->content && (n = spool_read_content(fd, h, done, piece, PIECE)) > 0) {
		cat_content(cat, str_n(piece, (size_t)n));
		done += (uint64_t)n;
	}
	if (done < h->content || cat == NULL)
		tool_say(
		    LOG_LEVEL_ERROR, "%s: %s", name, n < 0 ? strerror(errno) : "file is cut short");
	cat_end(&cat);
	free(head);
	free(piece);
	return done == h->content;
}

static bool
cat_offline(struct offline *o, const char *id, const struct cat_format *format)
{
	int fd = offline_find(o, str_c(id));
	struct slot_header h;
	struct slot_mark mark;
	bool valid, ok = false;

	if (fd >= 0 && spool_peek(fd, &h, &mark, &valid) == SPOOL_OK)
		ok = cat_slot_file(fd, &h, id, format);
	else
		tool_say(LOG_LEVEL_ERROR, "%s: no such message in the queue", id);
	io_close(&fd);
	return ok;
}

/* A slot, or a message of maildrop/: the first bytes tell. */
static bool
cat_file(int fd, const char *name, const struct cat_format *format)
{
	char first[SLOT_HEADER_SIZE];
	struct slot_header h;
	struct buf text = {0};
	ssize_t n = io_pread_full(fd, first, sizeof(first), 0);
	bool ok;

	if (n >= 0 && slot_get_header(str_n(first, (size_t)n), &h) == SLOT_OK)
		return cat_slot_file(fd, &h, name, format);
	while (text.len < FILE_MAX_BYTES &&
	    (n = io_read_full(fd, buf_reserve(&text, PIECE), PIECE)) > 0)
		text.len += (size_t)n;
	if (n < 0) {
		tool_say(LOG_LEVEL_ERROR, "%s: %s", name, strerror(errno));
		return false;
	}
	ok = cat_drop(buf_view(&text), name, format);
	if (!ok)
		tool_say(LOG_LEVEL_ERROR, "%s: not a message of the queue", name);
	buf_free(&text);
	return ok;
}

static bool
cat_named_file(const char *name, const struct cat_format *format)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	bool ok = false;

	if (fd < 0)
		tool_say(LOG_LEVEL_ERROR, "open %s: %s", name, strerror(errno));
	else
		ok = cat_file(fd, name, format);
	io_close(&fd);
	return ok;
}

/* ---- All ------------------------------------------------------------------------------------- */

static bool
cat_queue(char **ids, const struct cat_format *format)
{
	struct ipc_blocking *ipc = tool_connect("private/qmgr-admin");
	struct offline *offline = NULL;
	struct buf why = {0};
	bool ok = true, busy;

	if (ipc == NULL && (errno == EACCES || errno == EPERM))
		tool_fail(EX_NOPERM, "the queue is for root and its owner alone");
	if (ipc == NULL && !tool_down(errno))
		tool_fail(EX_UNAVAILABLE, "connect to private/qmgr-admin: %s", strerror(errno));
	if (ipc == NULL && (offline = offline_open(&busy, &why)) == NULL)
		tool_fail(EX_UNAVAILABLE, "%s", buf_cstr(&why));
	for (; *ids; ids++) {
		int64_t time_us;
		uint32_t slot;

		if (!queue_id_parse(str_c(*ids), &time_us, &slot))
			tool_fail(EX_USAGE, "not a queue ID: %s", *ids);
		ok &= ipc ? cat_by_qmgr(ipc, *ids, format) : cat_offline(offline, *ids, format);
	}
	offline_close(&offline);
	ipc_blocking_free(&ipc);
	buf_free(&why);
	return ok;
}

int
main(int argc, char **argv)
{
	struct options o = {0};
	bool ok = true;

	parse(argc, argv, &o);
	if (o.queue) {
		tool_start("postcat", o.config_dir, o.verbose);
		ok = cat_queue(argv + optind, &o.format);
	} else {
		tool_name("postcat");
		if (optind == argc)
			ok = cat_file(STDIN_FILENO, "stdin", &o.format);
		for (char **name = argv + optind; *name; name++)
			ok &= cat_named_file(*name, &o.format);
	}
	tool_flush();
	return ok ? EX_OK : EX_SOFTWARE;
}
