/*
 * failure - a program that fails is tried again after a growing pause, service by service
 *
 * 1 s after the first failure, then twice as long each time, 60 s at most; a minute without failure
 * beyond the pause starts again at 1 s.
 */
#include <string.h>
#include <sys/wait.h>

#include "lib/base/log.h"
#include "master/master.h"

#define PAUSE_FIRST_MS 1000
#define PAUSE_MOST_MS 60000
#define GOOD_TIME_MS 60000

void
failure_describe(int wait_status, struct buf *out)
{
	if (WIFSIGNALED(wait_status))
		buf_printf(out, "was killed by signal %d (%s)%s", WTERMSIG(wait_status),
		    strsignal(WTERMSIG(wait_status)),
		    WCOREDUMP(wait_status) ? ", core dumped" : "");
	else
		buf_printf(out, "ended with exit status %d", WEXITSTATUS(wait_status));
}

bool
failure_recent(const struct master_service *s, int64_t now)
{
	return s->failures > 0 && now - s->not_before < GOOD_TIME_MS;
}

void
failure_note(struct master_service *s, const char *text, int64_t now)
{
	int64_t pause = PAUSE_FIRST_MS;

	if (!failure_recent(s, now))
		s->failures = 0;
	/* Processes of one service that fall together are one failure. */
	if (now >= s->not_before) {
		for (unsigned i = 0; i < s->failures && pause < PAUSE_MOST_MS; i++)
			pause *= 2;
		if (pause > PAUSE_MOST_MS)
			pause = PAUSE_MOST_MS;
		s->failures++;
		s->not_before = now + pause;
	}
	log_warning("%s; service %s is started again in %lld s", text, s->plan->entry->name,
	    (long long)((s->not_before - now + 999) / 1000));
}
