/*
 * fuzz_smtpd - a whole SMTP session: any bytes from the client, cut into packets of any size
 *
 * The first byte chooses how strict the server is and where the client is; two bytes 0xfe end a packet.
 * Messages end in memory. What must hold: each message begun ends
 * once, whole or not at all; as many are acknowledged as are committed; what is committed has no line
 * end but CRLF; and the server's own lines are well-formed replies.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "tests/unit/smtpd_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PACKETS_MAX 256
#define PACKET_SIZE_MAX 4096
#define PACKET_END "\xfe\xfe"
#define REPLY_LINE_MAX 512

#define QUICK                                                                                      \
	"smtpd_error_sleep_time = 0\nmessage_size_limit = 4000\nsmtpd_recipient_limit = 20\n"      \
	"smtpd_junk_command_limit = 30\nhopcount_limit = 3\nheader_size_limit = 1024\n"

static const char *const configurations[] = {
    QUICK,
    QUICK "smtpd_forbid_bare_newline = reject\nsmtpd_forbid_bare_newline_exclusions =\n",
    QUICK "smtpd_forbid_bare_newline_exclusions =\nsmtpd_forbid_unauth_pipelining = no\n",
    QUICK "strict_rfc821_envelopes = yes\nsmtpd_helo_required = yes\nstrict_smtputf8 = yes\n",
    QUICK
    "smtpd_forbid_unauth_pipelining = no\nalways_add_missing_headers = yes\nsoft_bounce = yes\n",
};
#define CONFIGURATIONS (sizeof(configurations) / sizeof(configurations[0]))

/* One server per configuration, made at the first input: reading main.cf costs more than a session. */
static struct fixture_server servers[CONFIGURATIONS];
static bool ready;

static void
quiet(void)
{
	int nowhere[2];

	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, nowhere) != 0)
		abort();
	(void)close(nowhere[1]);
	log_to_socket(nowhere[0], false);
}

static void
prepare(void)
{
	if (ready)
		return;
	quiet();
	for (size_t i = 0; i < CONFIGURATIONS; i++)
		fixture_server_init(&servers[i], configurations[i]);
	ready = true;
}

static void
check_content(struct str content)
{
	for (size_t i = 0; i < content.len; i++)
		if (content.data[i] == '\n' && (i == 0 || content.data[i - 1] != '\r'))
			abort();
}

/* Is the last message the one that tells the postmaster of trouble in the session, which no client has sent? */
static bool
ends_with_notice(struct str envelopes)
{
	size_t before = str_rchr(str_sub(envelopes, 0, envelopes.len - (envelopes.len > 0)), '\n');

	return str_starts(before == STR_NPOS ? envelopes : str_from(envelopes, before + 1),
	    STR("double-bounce@"));
}

static void
check_replies(struct str text, size_t committed, bool notice)
{
	size_t acknowledged = 0;

	while (text.len > 0) {
		size_t end = str_find(text, STR("\r\n"));
		struct str line = str_sub(text, 0, end);

		if (end == STR_NPOS || end + 2 > REPLY_LINE_MAX || line.len < 4 ||
		    line.data[0] < '2' || line.data[0] > '5' ||
		    (line.data[3] != ' ' && line.data[3] != '-'))
			abort();
		if (str_starts(line, STR("250 2.0.0 Ok: ")) &&
		    str_find(line, STR("queued as ID")) != STR_NPOS)
			acknowledged++;
		text = str_from(text, end + 2);
	}
	if (acknowledged != committed && !(notice && acknowledged + 1 == committed))
		abort();
}

static size_t
cut(struct str rest, struct str *packets)
{
	size_t n = 0;

	while (rest.len > 0 && n < PACKETS_MAX) {
		size_t end = str_find(rest, STR(PACKET_END));
		struct str packet = str_sub(str_sub(rest, 0, end), 0, PACKET_SIZE_MAX);

		rest = str_from(rest, packet.len == end ? end + 2 : packet.len);
		packets[n++] = packet;
	}
	return n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str packets[PACKETS_MAX];
	struct script script = {.packets = packets};
	struct fixture_server *f;
	unsigned choice;

	if (size < 1)
		return 0;
	prepare();
	choice = data[0];
	f = &servers[choice % CONFIGURATIONS];
	script.n = cut(str_n(data + 1, size - 1), packets);
	f->sink.begun = f->sink.committed = f->sink.canceled = 0;
	f->sink.content_max = choice & 64 ? 100 : 0;
	f->sink.refuse_begin = choice & 32 ? 1 : 0;
	fixture_session(f, &script, choice & 128 ? "127.0.0.1" : "192.0.2.1");
	if (f->sink.begun != f->sink.committed + f->sink.canceled)
		abort();
	check_replies(buf_view(&script.out), f->sink.committed,
	    ends_with_notice(buf_view(&f->sink.envelopes)));
	check_content(buf_view(&f->sink.contents));
	buf_reset(&f->sink.envelopes);
	buf_reset(&f->sink.contents);
	script_free(&script);
	return 0;
}
