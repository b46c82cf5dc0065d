/*
 * postdrop - puts a local message where the suite finds it
 *
 * Set-group-id postdrop: that group alone may create files in maildrop/. Its caller may be hostile:
 * nothing of the environment, the descriptors, the arguments and the input is trusted, the sender's uid
 * is the kernel's, and no file is opened that the caller names. Links libcore and libc only.
 *
 * Reads the stream of lib/queue/drop.h, checks all of it, and ends with status 0 only when the message
 * is on stable storage: accepted by qmgr through pickup, or as a file of maildrop/.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/conf/conf.h"
#include "lib/queue/drop.h"
#include "sendmail/postdrop.h"
#include "sendmail/status.h"

#define READ_SIZE 65536
/*
 * So much content is read before the way is chosen. A message that fits can still be stored as a file
 * when pickup fails, and one that is typed by hand keeps nobody waiting.
 */
#define HOLD_MAX (256 << 10)

struct job {
	struct drop_reader *reader;
	struct arena *arena;
	struct msg_rcpt *rcpts;
	size_t n_rcpts, cap_rcpts;
	struct buf in;      /* read, not yet parsed */
	struct buf records; /* parsed, not yet written to the file: the stream as it came */
	struct buf content; /* parsed, not yet sent to pickup */
	struct pickup_link *link;
	struct drop_file file;
	bool whole; /* the last record has been seen */
	bool begun; /* the first byte has */
	struct verdict *verdict;
};

void
verdict_set(struct verdict *v, int status, const char *format, ...)
{
	va_list ap;

	v->status = status;
	buf_reset(&v->text);
	va_start(ap, format);
	buf_vprintf(&v->text, format, ap);
	va_end(ap);
}

static void
add_rcpt(struct job *j, struct msg_rcpt rcpt)
{
	if (j->n_rcpts == j->cap_rcpts) {
		j->cap_rcpts = j->cap_rcpts ? j->cap_rcpts * 2 : 16;
		j->rcpts = mem_resize(j->rcpts, j->cap_rcpts * sizeof(*j->rcpts));
	}
	rcpt.address = arena_str(j->arena, rcpt.address);
	rcpt.orcpt = arena_str(j->arena, rcpt.orcpt);
	j->rcpts[j->n_rcpts++] = rcpt;
}

/* Parses what is in j->in as far as it goes. False with the verdict when it is no message. */
static bool
parse(struct job *j)
{
	struct str in = buf_view(&j->in);
	enum drop_event event;

	do {
		struct str before = in;
		struct str text;

		event = drop_next(j->reader, &in, &text);
		if (event == DROP_RCPT)
			add_rcpt(j, drop_rcpt(j->reader));
		else if (event == DROP_CONTENT)
			buf_str(&j->content, text);
		buf_append(&j->records, before.data, before.len - in.len);
	} while (event != DROP_NEED && event != DROP_BAD && event != DROP_END);
	if (event == DROP_BAD) {
		verdict_set(j->verdict, drop_too_large(j->reader) ? EX_UNAVAILABLE : EX_DATAERR,
		    "%s", drop_why(j->reader));
		return false;
	}
	buf_consume(&j->in, j->in.len - in.len);
	j->whole = event == DROP_END;
	return true;
}

/* Reads a piece of the stream and parses it. *END: the input is over. False with the verdict. */
static bool
read_piece(struct job *j, bool *end)
{
	ssize_t n;

	*end = false;
	do {
		if (!entry_wait(STDIN_FILENO)) {
			verdict_set(j->verdict, EX_TEMPFAIL, "interrupted by a signal");
			return false;
		}
		n = read(STDIN_FILENO, buf_reserve(&j->in, READ_SIZE), READ_SIZE);
	} while (n < 0 && errno == EINTR);
	if (n < 0) {
		verdict_set(
		    j->verdict, status_read(errno), "error reading input: %s", strerror(errno));
		return false;
	}
	j->in.len += (size_t)n;
	j->begun |= n > 0;
	*end = n == 0;
	if (*end && !j->whole) {
		verdict_set(j->verdict, EX_DATAERR, "the message was not complete");
		j->verdict->nothing = !j->begun;
		return false;
	}
	return parse(j);
}

/* Decides where the message goes. False with the verdict. */
static bool
choose_way(struct job *j)
{
	switch (pickup_open(&j->link, drop_envelope(j->reader), j->rcpts, j->n_rcpts, j->verdict)) {
	case PICKUP_OK:
		return true;
	case PICKUP_ABSENT:
		return drop_file_open(&j->file, j->verdict);
	case PICKUP_REFUSED:
		break;
	}
	return false;
}

/* Passes on what has come so far, of a message that is too large to be held. */
static bool
pass_on(struct job *j)
{
	bool ok;

	if (j->link) {
		ok = pickup_content(j->link, buf_view(&j->content));
		if (!ok && pickup_gone(j->link, j->verdict) == PICKUP_ABSENT)
			verdict_set(j->verdict, EX_TEMPFAIL, "lost the connection to pickup");
	} else {
		ok = drop_file_write(&j->file, buf_view(&j->records), j->verdict);
	}
	buf_reset(&j->content);
	buf_reset(&j->records);
	return ok;
}

/* A message that was held whole: by pickup, or, as long as that has not got it, by a file. */
static bool
finish_held(struct job *j)
{
	if (j->link) {
		enum pickup_answer answer = pickup_content(j->link, buf_view(&j->content))
		    ? pickup_commit(j->link, drop_size(j->reader), j->verdict)
		    : pickup_gone(j->link, j->verdict);

		if (answer != PICKUP_ABSENT)
			return answer == PICKUP_OK;
		pickup_close(&j->link);
		if (!drop_file_open(&j->file, j->verdict))
			return false;
	}
	return drop_file_write(&j->file, buf_view(&j->records), j->verdict) &&
	    drop_file_commit(&j->file, drop_has_sum(j->reader), j->verdict);
}

static bool
finish_passed_on(struct job *j)
{
	if (!pass_on(j))
		return false;
	if (j->link == NULL)
		return drop_file_commit(&j->file, drop_has_sum(j->reader), j->verdict);
	return pickup_commit(j->link, drop_size(j->reader), j->verdict) == PICKUP_OK;
}

/* Reads the message and brings it home. False: the verdict says why not. */
static bool
run(struct job *j)
{
	bool passing_on = false;
	bool end = false;

	while (!end) {
		if (!read_piece(j, &end))
			return false;
		if (passing_on && !end && !pass_on(j))
			return false;
		if (!passing_on && j->content.len > HOLD_MAX) {
			if (!choose_way(j))
				return false;
			passing_on = true;
		}
	}
	if (passing_on)
		return finish_passed_on(j);
	return choose_way(j) && finish_held(j);
}

static void
answer(const struct entry *e, const struct verdict *v)
{
	struct buf line = {0};

	buf_str(&line, buf_view(&v->text));
	buf_putc(&line, '\n');
	/* Who does not read the answer has the exit status. */
	if (io_write_all(STDOUT_FILENO, line.data, line.len) < 0)
		log_debug("answer: %s", strerror(errno));
	buf_free(&line);
	/* Why it sent nothing sendmail itself has told. */
	if (v->status == 0 || (e->from_sendmail && v->nothing))
		return;
	log_warning("uid=%ld: %.*s", (long)getuid(), STR_ARG(buf_view(&v->text)));
	if (!e->from_sendmail) {
		log_to_stderr();
		log_warning("%.*s", STR_ARG(buf_view(&v->text)));
	}
}

int
main(int argc, char **argv)
{
	struct verdict verdict = {0};
	struct entry e = {0};

	if (entry(argc, argv, &e, &verdict)) {
		struct job j = {.file.fd = -1, .verdict = &verdict, .arena = arena_new(0)};
		int64_t limit = conf_int(conf_get(), P_message_size_limit);

		j.reader = drop_reader_new(limit > 0 ? (uint64_t)limit : 0);
		if (!run(&j))
			drop_file_discard(&j.file);
		pickup_close(&j.link);
		drop_reader_free(&j.reader);
		arena_free(&j.arena);
		free(j.rcpts);
		buf_free(&j.in);
		buf_free(&j.records);
		buf_free(&j.content);
	}
	answer(&e, &verdict);
	buf_free(&verdict.text);
	return verdict.status;
}
