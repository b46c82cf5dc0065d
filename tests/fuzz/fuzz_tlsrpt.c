/*
 * fuzz_tlsrpt - a TXT record of TLSRPT, a file of counts, and a report of what it counts
 *
 * The first byte says how long the record is; what follows is the file. What is read can be written, and is
 * then read as the same; the report holds no byte that would end a line or a terminal's patience.
 */
#include <stdint.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tlsrpt/record.h"
#include "tlsrpt/report.h"

static void
check_record(struct str txt)
{
	struct str uris[RECORD_URIS_MAX];
	size_t n;
	bool ok = record_parse(txt, uris, &n);

	must(ok == (n > 0) && n <= RECORD_URIS_MAX, "number of URIs");
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < uris[i].len; j++)
			must(uris[i].data[j] > ' ' && uris[i].data[j] < 0x7f &&
				!strchr("\"\\,;!<>", uris[i].data[j]),
			    "a URI that is none");
}

static void
check_note(struct str text)
{
	const struct msg_tlsrpt_note note = {.domain = str_sub(text, 0, 20),
	    .policy = text.len % TLSRPT_POLICIES,
	    .strings = str_from(text, 20),
	    .result = text.len % 2 ? STR("validation-failure") : STR_EMPTY,
	    .reason = str_sub(text, 5, 30),
	    .host = str_sub(text, 2, 7),
	    .address = STR_EMPTY,
	    .from = text};
	struct tally *t = tally_new(NULL), *u = tally_new(NULL);
	struct buf first = {0}, second = {0};

	(void)tally_add(t, &note);
	tally_write(t, &first);
	tally_read(u, buf_view(&first));
	tally_write(u, &second);
	must(str_eq(buf_view(&first), buf_view(&second)), "a note is not read as it was written");
	buf_free(&first);
	buf_free(&second);
	tally_free(&t);
	tally_free(&u);
}

static void
check_file(struct str text)
{
	static const struct tally_limits limits = {
	    .domains = 8, .policies = 3, .details = 3, .bytes = 20000};
	static const struct report_sender sender = {
	    .organization = {"x", 1}, .contact = {"a@b", 3}, .host = {"h", 1}};
	struct tally *t = tally_new(&limits);
	struct buf out = {0};

	tally_read(t, text);
	must(tally_domains(t)->count <= 8, "domains");
	for (struct list_link *l = list_first(tally_domains(t)); l;
	     l = list_next(tally_domains(t), l))
		report_write(&sender, LIST_ITEM(l, struct tally_domain, link), 20779, &out);
	for (size_t i = 0; i < out.len; i++)
		must((unsigned char)out.data[i] >= ' ' && out.data[i] != 0x7f, "control character");
	buf_free(&out);
	tally_free(&t);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_n(data, size), record;

	if (size == 0)
		return 0;
	record = str_sub(text, 1, data[0]);
	check_record(record);
	text = str_from(text, 1 + record.len);
	check_note(text);
	check_file(text);
	return 0;
}
