/*
 * report - `postkeep start` returns when the suite is up, or fails
 *
 * It holds the other end of a pipe: one byte means that all sockets listen and the processes that
 * always run have come up; the end of the pipe without it means failure, said on standard error.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/base/log.h"
#include "master/master.h"

static bool
is_up(const struct master *m, const struct master_service *s)
{
	for (struct list_link *l = list_first(&m->children); l; l = list_next(&m->children, l)) {
		const struct master_child *c = LIST_ITEM(l, struct master_child, link);

		if (c->service == s && c->status.ready)
			return true;
	}
	return false;
}

/*
 * From here on nobody reads standard error; whoever waits for its end must not wait for ours. Standard input is
 * /dev/null from the beginning.
 */
static void
leave_terminal(struct master *m)
{
	if (dup2(STDIN_FILENO, STDOUT_FILENO) < 0 || dup2(STDIN_FILENO, STDERR_FILENO) < 0)
		log_warning("cannot leave the terminal: %s", strerror(errno));
	io_close(&m->report_fd);
}

void
report_step(struct master *m, int64_t now)
{
	bool up = true;

	if (m->report_fd < 0 || m->phase != PHASE_RUNNING)
		return;
	for (struct list_link *l = list_first(&m->services); l; l = list_next(&m->services, l)) {
		const struct master_service *s = LIST_ITEM(l, struct master_service, link);

		if (!s->kept)
			continue;
		if (s->failures > 0) {
			fprintf(stderr, "postkeep: error: %s did not come up; the log says why\n",
			    s->plan->path);
			m->exit_status = 1;
			stop_abort(m);
			return;
		}
		up = up && is_up(m, s);
	}
	if (!up && now < m->report_deadline)
		return;
	if (!up)
		fprintf(stderr, "postkeep: warning: some processes take long to come up\n");
	if (io_write_all(m->report_fd, "", 1) < 0)
		log_warning("the one who started the suite has gone");
	leave_terminal(m);
}
