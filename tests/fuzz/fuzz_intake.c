/*
 * fuzz_intake - content from any bytes; the first gives the settings, the second the size of pieces
 *
 * In one piece or in many the result is the same; it begins with the trace header, ends in CRLF and has
 * no CR or LF alone; no field of its header is larger than header_size_limit.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/intake/intake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

#define TRACE "Received: trace\r\n"
#define HEADER_SIZE_LIMIT 1024
#define HEADER_SIZE_LIMIT_TEXT "1024"

static struct fuzz_intake {
	struct conf *conf;
} fuzz;

/* One small configuration for all runs. */
int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const char text[] =
	    "compatibility_level = 3.6\nmyhostname = mail.example.org\nmydomain = example.org\n"
	    "header_size_limit = " HEADER_SIZE_LIMIT_TEXT
	    "\nhopcount_limit = 3\nappend_dot_mydomain = yes\n";
	char dir[] = "/tmp/fuzz_intake.XXXXXX", path[64];
	struct conf_problems problems = {0};
	int log = open("/dev/null", O_WRONLY | O_CLOEXEC);
	FILE *f;

	(void)argc, (void)argv;
	if (log >= 0)
		log_to_socket(log, false);
	if (!mkdtemp(dir))
		return 1;
	snprintf(path, sizeof path, "%s/main.cf", dir);
	f = fopen(path, "w");
	if (!f || fputs(text, f) < 0 || fclose(f) != 0)
		return 1;
	fuzz.conf = conf_load(dir, NULL, 0, &problems);
	conf_problems_free(&problems);
	unlink(path);
	rmdir(dir);
	return 0;
}

static bool
collect(void *arg, struct str chunk)
{
	buf_str(arg, chunk);
	return true;
}

static enum intake_status
run(const struct intake_context *c, struct str in, size_t step, struct buf *out)
{
	struct intake *i = intake_new(c, collect, out);
	enum intake_status status = INTAKE_OK;

	while (in.len > 0 && status == INTAKE_OK) {
		status = intake_data(i, str_sub(in, 0, step));
		in = str_from(in, step);
	}
	if (status == INTAKE_OK)
		status = intake_end(i);
	intake_free(&i);
	return status;
}

static void
check(struct str out)
{
	if (!str_starts(out, STR(TRACE)) || out.data[out.len - 1] != '\n')
		abort();
	for (size_t i = 0; i < out.len; i++) {
		if (out.data[i] == '\n' && out.data[i - 1] != '\r')
			abort();
		if (out.data[i] == '\r' && (i + 1 == out.len || out.data[i + 1] != '\n'))
			abort();
	}
}

/* No field of a stranger's header is larger than it may be. (Ours may grow by what is added to addresses.) */
static void
check_header(struct str out)
{
	size_t field = 0;

	while (out.len > 0 && !str_starts(out, STR("\r\n"))) {
		size_t line = str_chr(out, '\n') + 1;

		field = out.data[0] == ' ' || out.data[0] == '\t' ? field + line : line;
		if (field > HEADER_SIZE_LIMIT + strlen("X-Mailbox-Line: ") + strlen("\r\n"))
			abort();
		out = str_from(out, line);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct intake_context c = {.conf = fuzz.conf,
	    .queue_id = STR("4abc"),
	    .sender = {STR("alice"), STR_EMPTY, false},
	    .full_name = STR_EMPTY,
	    .received = STR(TRACE)};
	struct buf whole = {0}, pieces = {0};
	enum intake_status status;
	struct str in;

	if (size < 2)
		return 0;
	c.local = data[0] & 1;
	c.remove_bcc = data[0] & 2;
	in = str_n(data + 2, size - 2);
	status = run(&c, in, SIZE_MAX, &whole);
	if (run(&c, in, data[1] % 64 + 1u, &pieces) != status)
		abort();
	if (status == INTAKE_OK) {
		if (!str_eq(buf_view(&whole), buf_view(&pieces)))
			abort();
		check(buf_view(&whole));
		if (!c.local)
			check_header(buf_view(&whole));
	}
	buf_free(&whole);
	buf_free(&pieces);
	return 0;
}
