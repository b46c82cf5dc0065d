/* status - see status.h. Linked into postdrop, too. */
#include "sendmail/status.h"

#include <errno.h>
#include <sysexits.h>

int
status_run(int error)
{
	switch (error) {
	case ENOENT:
	case ENOTDIR:
	case EACCES:
	case EPERM:
	case ELOOP:
	case ENAMETOOLONG:
	case ENOEXEC:
		return EX_UNAVAILABLE;
	default:
		return EX_TEMPFAIL;
	}
}

int
status_read(int error)
{
	switch (error) {
	case EISDIR:
	case EBADF: /* open for writing only */
	case EINVAL:
	case EACCES:
	case EPERM:
	case ENXIO:
	case ENOTCONN: /* a socket that nobody is connected to */
		return EX_DATAERR;
	default:
		return EX_TEMPFAIL;
	}
}
