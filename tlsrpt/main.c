/*
 * tlsrpt - counts how the TLS of outgoing connections went (TLSRPT, RFC 8460)
 *
 * smtp sends a note for each connection; `postkeep tlsrpt` makes reports of the files that are written here.
 * Talks to the suite only; its peers talk to strangers, so what they send is bounded and cleaned. What was
 * counted is written once a minute and at the end: a crash loses a minute, and no mail waits for any of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/fiber/fiber.h"
#include "lib/service/questions.h"
#include "tlsrpt/files.h"

#define KEEP_MS 60000
#define MODE_DATA 0755
#define MODE_DIRECTORY 0700

static struct {
	char *directory;
	struct tally *tally;
	int64_t day;
	bool changed, writing, told; /* told: that there is no room left today */
	struct fiber_waitq written;
} today;

/* --- Files ------------------------------------------------------------------------------------------ */

struct job {
	const char *directory;
	int64_t day;
	struct buf text;
	int error;
};

/* In a worker thread. */
static void
store(void *arg)
{
	struct job *job = arg;

	job->error = files_store(job->directory, job->day, buf_view(&job->text)) == 0 ? 0 : errno;
	files_clean(job->directory, job->day);
}

/* Writes down what has changed. One at a time. Waits. */
static void
keep(void)
{
	struct job job = {.directory = today.directory};

	while (today.writing)
		if (fiber_wait(&today.written, FIBER_FOREVER) != FIBER_OK)
			return;
	if (!today.changed)
		return;
	today.writing = true;
	today.changed = false;
	job.day = today.day;
	tally_write(today.tally, &job.text);
	fiber_offload(FIBER_POOL_SYNC, store, &job);
	today.writing = false;
	fiber_wake_all(&today.written);
	if (job.error) {
		log_warning("%s: %s: a restart will forget what was counted", today.directory,
		    strerror(job.error));
		today.changed = job.day == today.day;
	}
	buf_free(&job.text);
}

static void
begin_day(int64_t day)
{
	tally_free(&today.tally);
	today.tally = tally_new(NULL);
	today.day = day;
	today.changed = today.told = false;
	if (files_load(today.directory, day, today.tally) != 0 && errno != ENOENT)
		log_warning("%s: %s: what was counted today before is not known", today.directory,
		    strerror(errno));
}

/* Is it another day? Then what belongs to the last one is written first. Waits. */
static void
look_at_clock(void)
{
	int64_t day = files_day((int64_t)clock_wall());

	while (day != today.day) {
		keep();
		if (today.changed || today.writing)
			log_warning("what was counted of the last day is lost in part");
		if (day != today.day)
			begin_day(day);
		day = files_day((int64_t)clock_wall());
	}
}

static void
keeper(void *arg)
{
	(void)arg;
	while (fiber_sleep(KEEP_MS) == FIBER_TIMEOUT) {
		look_at_clock();
		keep();
	}
}

/* --- Notes ------------------------------------------------------------------------------------------ */

static bool
answer(void *state, struct ipc_channel *ch, const void *question, struct arena *a)
{
	struct msg_tlsrpt_noted noted;

	(void)state;
	(void)a;
	look_at_clock();
	noted.counted = tally_add(today.tally, question);
	today.changed = true;
	if (!noted.counted && !today.told && tally_dropped(today.tally) > 0) {
		today.told = true;
		log_warning("there is no room for more domains or failures today: the reports "
			    "will not be complete");
	}
	return ipc_send(ch, &msg_tlsrpt_noted, &noted) == IPC_OK;
}

static void
tlsrpt_session(struct service_client *client)
{
	static const struct questions questions = {
	    "tlsrpt", "tlsrpt client", &msg_tlsrpt_note, answer};

	questions_serve(client, &questions, NULL);
}

/* --- Start ------------------------------------------------------------------------------------------ */

static bool
make_directory(const char *path, mode_t mode)
{
	return mkdir(path, mode) == 0 || errno == EEXIST;
}

/*
 * The directory is root's to make, and the program's own from then on. By its descriptor: whoever owns
 * data_directory could have put something else there, and a link to a file must not be given away.
 */
static bool
hand_over(const char *path, const struct service_ids *ids)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	bool ok =
	    fd >= 0 && fchown(fd, ids->uid[SERVICE_USER_WORK], ids->gid[SERVICE_USER_WORK]) == 0;

	(void)io_close(&fd);
	return ok;
}

static bool
tlsrpt_open_resources(void)
{
	const char *data = conf_cstr(conf_get(), P_data_directory);
	const struct service_ids *ids = service_identities();

	today.directory = files_directory(data);
	if (make_directory(data, MODE_DATA) && make_directory(today.directory, MODE_DIRECTORY) &&
	    (ids->unprivileged || hand_over(today.directory, ids)))
		return true;
	log_warning(
	    "%s: %s: a restart will forget what was counted", today.directory, strerror(errno));
	return true;
}

static bool
tlsrpt_start(void)
{
	fiber_waitq_init(&today.written);
	begin_day(files_day((int64_t)clock_wall()));
	fiber_spawn("keeper", keeper, NULL);
	return true;
}

static const struct service tlsrpt_service = {
    .name = "tlsrpt",
    .sandbox = SANDBOX_FILES,
    .session_limit = P_default_session_limit,
    .before_confinement = tlsrpt_open_resources,
    .start = tlsrpt_start,
    .session = tlsrpt_session,
    .flush = keep,
    .reload = keep,
    .drain = keep,
};

int
main(int argc, char **argv)
{
	return service_run(&tlsrpt_service, argc, argv);
}
