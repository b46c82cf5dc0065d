/*
 * store - see store.h
 *
 * A line: domain, id, mode, when it ends (seconds since 1970), max_age, patterns; of a domain the last one
 * counts.
 * The file is root's, its directory may be a lower user's: what root opens there is a plain file of its own,
 * no link to another one, or it is left alone. A line that makes no sense, such as the half of one, is passed over. Writes are not
 * synced: what is lost is fetched again.
 */
#include "mtasts/store.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "mtasts/policy.h"

#define FILE_MAX ((size_t)32 * 1024 * 1024)
#define MODE_FILE 0600
#define MODE_DIRECTORY 0755

static struct {
	int fd;
	size_t size;
	bool full;
} store = {.fd = -1};

static void
add_line(const struct kept_policy *p, struct buf *out)
{
	buf_printf(out, "%.*s %.*s %s %lld %lld %.*s\n", STR_ARG(p->domain), STR_ARG(p->id),
	    sts_mode_name(p->mode), (long long)p->end, (long long)p->max_age, STR_ARG(p->mx));
}

static bool
parse_line(struct str line, struct kept_policy *p)
{
	struct str mode, end, age, rest;
	uint64_t seconds, max_age = 0;
	int m = 0;

	if (!str_token(&line, " ", &p->domain) || !str_token(&line, " ", &p->id) ||
	    !str_token(&line, " ", &mode) || !str_token(&line, " ", &end) ||
	    !str_to_u64(end, INT64_MAX, &seconds))
		return false;
	/* Files of an earlier version do not have it. */
	rest = line;
	if (str_token(&rest, " ", &age) && str_to_u64(age, POLICY_AGE_MAX, &max_age))
		line = rest;
	while (m < STS_MODES && !str_eq(mode, str_c(sts_mode_name((enum sts_mode)m))))
		m++;
	p->mode = (enum sts_mode)m;
	p->end = (int64_t)seconds;
	p->max_age = (int64_t)max_age;
	p->mx = str_trim(line);
	return m < STS_MODES && p->mx.len <= MSG_STS_MX_MAX && p->id.len <= MSG_ID_MAX &&
	    (p->mode == STS_NONE || p->mx.len > 0);
}

/* Opens the file if it is one of our own; -1 with errno. */
static int
open_own(const char *path, int flags)
{
	int fd = open(path, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 &&
	    st.st_uid == geteuid())
		return fd;
	(void)io_close(&fd);
	errno = EPERM;
	return -1;
}

static void
load(const char *path, struct policies *to)
{
	struct buf text = {0};
	struct kept_policy p;
	struct str rest, line;
	int fd = open_own(path, O_RDONLY);

	if ((fd < 0 && errno != ENOENT) || (fd >= 0 && io_read_rest(fd, FILE_MAX, &text) != 0))
		log_warning(
		    "%s: %s; policies of earlier days are not known", path, strerror(errno));
	(void)io_close(&fd);
	rest = buf_view(&text);
	while (str_token(&rest, "\n", &line))
		if (parse_line(line, &p))
			policies_add(to, &p);
	buf_free(&text);
}

static void
write_anew(const char *path, struct policies *from)
{
	struct buf text = {0};
	struct kept_policy p;
	size_t cursor = 0;

	while (policies_next(from, &cursor, &p))
		add_line(&p, &text);
	if (io_replace_file(path, text.data ? text.data : "", text.len, MODE_FILE) == 0)
		store.fd = open_own(path, O_WRONLY | O_APPEND);
	if (store.fd < 0)
		log_warning("%s: %s; policies will be forgotten at the end", path, strerror(errno));
	store.size = text.len;
	buf_free(&text);
}

void
store_open(const char *directory, struct policies *p)
{
	struct buf path = {0};

	if (mkdir(directory, MODE_DIRECTORY) != 0 && errno != EEXIST)
		log_warning("%s: %s", directory, strerror(errno));
	buf_printf(&path, "%s/mtasts.policies", directory);
	load(buf_cstr(&path), p);
	write_anew(buf_cstr(&path), p);
	buf_free(&path);
}

void
store_keep(const struct kept_policy *policy)
{
	struct buf line = {0};

	if (store.fd < 0 || store.full)
		return;
	add_line(policy, &line);
	store.full = store.size + line.len > FILE_MAX / 2;
	if (store.full)
		log_warning("no more policies are written down before the next start");
	else if (io_write_all(store.fd, line.data, line.len) != 0)
		log_warning("a policy cannot be written down: %s", strerror(errno));
	store.size += line.len;
	buf_free(&line);
}
