/*
 * signals - signals as events of the loop
 */
#include "lib/base/log.h"
#include "lib/fiber/internal.h"

#define SIGNALS_MAX 16

struct watch {
	int signo;
	void (*fn)(int signo);
	uv_signal_t handle;
};

static struct {
	struct watch watches[SIGNALS_MAX];
	unsigned count;
} signals;

static void
on_signal(uv_signal_t *handle, int signo)
{
	const struct watch *w = handle->data;

	w->fn(signo);
}

void
fiber_on_signal(int signo, void (*fn)(int signo))
{
	struct watch *w = signals.watches;
	int err;

	while (w < signals.watches + signals.count && w->signo != signo)
		w++;
	if (w == signals.watches + SIGNALS_MAX)
		log_panic("fiber_on_signal: more than %d signals", SIGNALS_MAX);
	w->fn = fn;
	if (w < signals.watches + signals.count)
		return;
	signals.count++;
	w->signo = signo;
	err = uv_signal_init(fiber_loop(), &w->handle);
	w->handle.data = w;
	if (err == 0)
		err = uv_signal_start(&w->handle, on_signal, signo);
	if (err != 0)
		log_fatal("cannot watch for signal %d: %s", signo, uv_strerror(err));
}
