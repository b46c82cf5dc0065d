/*
 * ticket - see ticket.h
 */
#include "qmgr/ticket.h"

#include <errno.h>
#include <string.h>

#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/base/random.h"
#include "lib/base/siphash.h"
#include "lib/conf/conf.h"
#include "lib/fiber/fiber.h"

#define KEY_FILE "slots/ticket-key" /* below queue_directory */

static uint64_t key[2];

struct key_job {
	struct buf path, data;
	uint64_t fresh[2];
	int error;    /* of the file, errno; 0 = there was one */
	bool written; /* a new one */
};

static void
read_or_make(void *arg)
{
	struct key_job *job = arg;

	job->error = io_read_file(buf_cstr(&job->path), sizeof(key), &job->data) == 0 ? 0 : errno;
	if (job->error == 0 && job->data.len == sizeof(key)) {
		memcpy(key, job->data.data, sizeof(key));
		return;
	}
	memcpy(key, job->fresh, sizeof(key));
	/* One that cannot be read now may be there, and good. */
	if (job->error == 0 || job->error == ENOENT || job->error == EFBIG) {
		job->written = io_replace_file(buf_cstr(&job->path), key, sizeof(key), 0600) == 0;
		job->error = job->written ? 0 : errno;
	}
}

void
ticket_start(void)
{
	struct key_job job = {0};

	random_bytes(job.fresh, sizeof(job.fresh));
	buf_printf(&job.path, "%s/" KEY_FILE, conf_cstr(conf_get(), P_queue_directory));
	fiber_offload(FIBER_POOL_READ, read_or_make, &job);
	if (job.error != 0)
		log_warning(
		    "%s: %s: what is delivered while the queue manager restarts may be delivered "
		    "twice",
		    KEY_FILE, strerror(job.error));
	else if (job.written)
		log_debug("a new " KEY_FILE);
	mem_wipe(job.fresh, sizeof(job.fresh));
	if (job.data.len > 0)
		mem_wipe(job.data.data, job.data.len);
	buf_free(&job.data);
	buf_free(&job.path);
}

void
ticket_make(struct str id, uint64_t index, char out[MSG_TICKET_SIZE])
{
	char text[MSG_ID_MAX + sizeof(index)];
	uint64_t code[2];
	size_t n = id.len < MSG_ID_MAX ? id.len : MSG_ID_MAX;

	/* The number's bytes come last and are always as many, so no two recipients have the same text. */
	memcpy(text, id.data, n);
	memcpy(text + n, &index, sizeof(index));
	siphash_128(key, text, n + sizeof(index), code);
	_Static_assert(sizeof(code) == MSG_TICKET_SIZE, "a ticket is the whole code");
	memcpy(out, code, sizeof(code));
}

bool
ticket_good(struct str id, uint64_t index, struct str ticket)
{
	char right[MSG_TICKET_SIZE];
	unsigned different = 0;

	if (ticket.len != sizeof(right) || id.len > MSG_ID_MAX)
		return false;
	ticket_make(id, index, right);
	for (size_t i = 0; i < sizeof(right); i++)
		different |= (unsigned char)(right[i] ^ ticket.data[i]);
	return different == 0;
}
