/*
 * fuzz_smtp_client - what servers say to the SMTP client, through whole sessions
 *
 * Input: a byte that chooses SMTP or LMTP, recipients and content, then packets, separated by "\n--\n"; a
 * packet of a form feed ends a connection, of a vertical tab refuses one. Two messages are to be delivered.
 *
 * Whatever the servers say: each recipient of each message has exactly one result; what is said to a server
 * is lines; an end of data comes only behind the whole content, and nobody is said to have a message without
 * one (or a probe).
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "tests/unit/smtp_client_fixture.h"

#define PACKETS_MAX 100
#define PACKET_MAX 8000
#define PACKET_END "\n--\n"
#define TOKEN "Subject: the whole of it"
#define LAST_LINE "the last line"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const one[] = {"a@hop.example", NULL};
static const char *const some[] = {
    "a@hop.example", "b@hop.example", "\xc3\xbc@hop.example", "\"c d\"@hop.example", NULL};

static size_t
cut(struct str rest, struct str *packets)
{
	size_t n = 0;

	while (rest.len > 0 && n < PACKETS_MAX) {
		size_t end = str_find(rest, STR(PACKET_END));
		struct str packet = str_sub(str_sub(rest, 0, end), 0, PACKET_MAX);

		rest = str_from(rest, packet.len == end ? end + strlen(PACKET_END) : packet.len);
		packets[n++] = packet;
	}
	return n;
}

static struct str
content_of(unsigned choice, struct buf *large)
{
	buf_puts(large, TOKEN "\r\n\r\n.dots\r\n");
	if (choice & 4)
		for (size_t i = 0; i < 6000; i++)
			buf_puts(large, "not the last, by far\r\n");
	if (choice & 8)
		buf_puts(large, "\xc3\xbc\r\n");
	buf_puts(large, LAST_LINE "\r\n");
	return buf_view(large);
}

static size_t
count(struct str rest, struct str what)
{
	size_t n = 0, at;

	while ((at = str_find(rest, what)) != STR_NPOS) {
		rest = str_from(rest, at + what.len);
		n++;
	}
	return n;
}

static void
check_wire(const struct play *p)
{
	struct str wire = buf_view(&p->wire);
	/* A DATA that was sent ahead, and accepted for nobody, is ended with nothing before the dot. */
	size_t dots = count(wire, STR("\r\n.\r\n")) - count(wire, STR("\r\nDATA\r\n.\r\n"));
	size_t ends = dots + count(wire, STR(" LAST\r\n"));

	/* By BDAT the command comes first. */
	if (dots > count(wire, STR(LAST_LINE "\r\n.\r\n")) ||
	    ends > count(wire, STR(LAST_LINE "\r\n")))
		abort();
	for (size_t i = 0; i < wire.len; i++)
		if (wire.data[i] == '\n' && (i == 0 || wire.data[i - 1] != '\r'))
			abort();
}

static bool is_quiet;

/* Nobody reads the log. */
static void
quiet(void)
{
	int nowhere[2];

	if (is_quiet)
		return;
	is_quiet = true;
	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, nowhere) != 0)
		abort();
	(void)close(nowhere[1]);
	log_to_socket(nowhere[0], false);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str packets[PACKETS_MAX];
	struct play p = {.packets = packets,
	    .n = 2,
	    .main_cf = "smtp_send_xforward_command = yes\nsmtp_pix_workaround_delay_time = 0s\n"
		       "smtp_always_send_ehlo = no\n"};
	struct buf content = {0};
	size_t sent = 0, wanted = 0;
	unsigned choice;

	if (size < 1)
		return 0;
	quiet();
	choice = data[0];
	p.n_packets = cut(str_n(data + 1, size - 1), packets);
	p.lmtp = choice & 1;
	for (size_t i = 0; i < p.n; i++) {
		p.deliveries[i] = (struct play_delivery){
		    .nexthop = STR("[127.0.0.1]:25, [127.0.0.2]:2525"),
		    .rcpts = choice & 2 ? some : one,
		    .smtputf8 = choice & 16,
		    .body_8bit = choice & 8,
		    .probe = choice & 32,
		};
		wanted += choice & 2 ? 4 : 1;
	}
	p.deliveries[0].content = p.deliveries[1].content = content_of(choice, &content);
	play(&p);
	if (p.n_results != wanted)
		abort();
	for (size_t i = 0; i < p.n_results; i++)
		sent += p.results[i].status == DELIVERY_SENT;
	if (sent > 0 && !(choice & 32) && str_find(buf_view(&p.wire), STR(LAST_LINE)) == STR_NPOS)
		abort();
	check_wire(&p);
	play_free(&p);
	buf_free(&content);
	return 0;
}
