# qmgr: the queue manager. All but main.c is a convenience library, so that the fuzzer runs its sessions.
noinst_LTLIBRARIES += libqmgr.la
libqmgr_la_SOURCES = \
	qmgr/admin.c qmgr/admin.h qmgr/showq.c \
	qmgr/agent.c qmgr/agent.h \
	qmgr/dead.c qmgr/dead.h \
	qmgr/destination.c qmgr/destination.h \
	qmgr/due.c qmgr/due.h \
	qmgr/feedback.c qmgr/feedback.h \
	qmgr/flush.c qmgr/flush.h \
	qmgr/handover.c qmgr/handover.h \
	qmgr/message.c qmgr/message.h qmgr/round.c \
	qmgr/notice.c qmgr/notice.h \
	qmgr/outage.c qmgr/outage.h \
	qmgr/receive.c qmgr/receive.h \
	qmgr/recipients.c qmgr/recipients.h \
	qmgr/report.c qmgr/report.h \
	qmgr/schedule.c qmgr/schedule.h \
	qmgr/slots.c qmgr/slots.h qmgr/slots_upkeep.c qmgr/slots_upkeep.h \
	qmgr/ticket.c qmgr/ticket.h
libqmgr_la_CFLAGS = $(AM_CFLAGS)

daemon_PROGRAMS += qmgr/qmgr
qmgr_qmgr_SOURCES = qmgr/main.c
qmgr_qmgr_LDADD = libqmgr.la libpostkeep-tables.la libpostkeep.la
qmgr_qmgr_LDFLAGS = $(AM_LDFLAGS) -rpath $(privlibdir)

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_qmgr_slots
tests_unit_test_qmgr_slots_SOURCES = tests/unit/test_qmgr_slots.c \
	tests/unit/conf_fixture.c tests/unit/conf_fixture.h
tests_unit_test_qmgr_slots_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_qmgr_slots_LDADD = libqmgr.la libpostkeep.la $(CMOCKA_LIBS)
endif

if FUZZERS
noinst_PROGRAMS += tests/fuzz/fuzz_qmgr
tests_fuzz_fuzz_qmgr_SOURCES = tests/fuzz/fuzz_qmgr.c \
	tests/fuzz/fuzz_world.c tests/fuzz/fuzz_world.h \
	tests/fuzz/qmgr_rig.c tests/fuzz/qmgr_rig.h \
	tests/fuzz/qmgr_rig_agents.c tests/fuzz/qmgr_rig_agents.h
tests_fuzz_fuzz_qmgr_LDADD = libqmgr.la libpostkeep.la
# The clock of the target stands in front of the C library's in the shared objects, too.
tests_fuzz_fuzz_qmgr_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_LDFLAGS) -Wl,--export-dynamic-symbol=clock_gettime
endif

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_due
tests_unit_test_due_SOURCES = tests/unit/test_due.c qmgr/due.c qmgr/due.h
tests_unit_test_due_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_due_LDADD = libpostkeep.la $(CMOCKA_LIBS)
endif

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_feedback
tests_unit_test_feedback_SOURCES = tests/unit/test_feedback.c qmgr/feedback.c qmgr/feedback.h
tests_unit_test_feedback_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_feedback_LDADD = libpostkeep.la $(CMOCKA_LIBS)
endif
