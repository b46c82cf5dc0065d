# tests/system: a whole suite, driven by clients that are not part of it. tools/check runs them.
EXTRA_DIST += \
	tests/system/dns_zones.py tests/system/ipc.py tests/system/ports.py tests/system/queue_rig.py tests/system/suite.py \
	tests/system/test_bounce.py tests/system/test_clients.py tests/system/test_confined.py \
	tests/system/test_dane.py tests/system/test_downgrade.py \
	tests/system/test_fallback.py \
	tests/system/test_failing.py tests/system/test_guide.py tests/system/test_full.py \
	tests/system/test_hops.py tests/system/test_hostile.py tests/system/test_hostile_hop.py \
	tests/system/test_hostile_local.py tests/system/test_late.py tests/system/test_relay.py \
	tests/system/test_large_content.py tests/system/test_log.py \
	tests/system/test_long_lists.py tests/system/test_message.py tests/system/test_namespaces.py \
	tests/system/test_outage.py tests/system/test_outgoing.py \
	tests/system/test_pass.py \
	tests/system/test_postmap.py \
	tests/system/test_queue.py tests/system/test_queue_clock.py tests/system/test_queue_files.py \
	tests/system/test_queue_limits.py tests/system/test_queue_notices.py tests/system/test_queue_orders.py \
	tests/system/test_scheduler.py \
	tests/system/test_strangers.py tests/system/test_tls.py tests/system/test_users.py tests/system/wire.py \
	tests/system/hostile/attacks.py tests/system/hostile/curve tests/system/hostile/run \
	tests/system/hostile/scene.py \
	tests/system/hops/box.py tests/system/hops/certificates.py tests/system/hops/hostile.py \
	tests/system/hops/netns.py tests/system/hops/relay.py tests/system/hops/servers.py tests/system/hops/sink.py \
	tests/system/hops/tlshop.py
# The corpus of old queue files: each edition is kept for ever.
EXTRA_DIST += tests/queue-files/make tests/queue-files/2026-11-22a tests/queue-files/2026-11-22b

# In smtpd's stead, for test_intruder.py.
noinst_PROGRAMS += tests/system/intruder
tests_system_intruder_SOURCES = tests/system/intruder.c
tests_system_intruder_LDADD = libpostkeep.la
tests_system_intruder_LDFLAGS = $(AM_LDFLAGS) -no-install

# lib/mail/downgrade on its own, for test_downgrade.py.
noinst_PROGRAMS += tests/system/downgrade
tests_system_downgrade_SOURCES = tests/system/downgrade.c
tests_system_downgrade_LDADD = libpostkeep.la
tests_system_downgrade_LDFLAGS = $(AM_LDFLAGS) -no-install
