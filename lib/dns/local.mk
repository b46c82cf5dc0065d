# lib/dns: questions to name servers. Part of libpostkeep-net: c-ares and libidn2 are only for who needs them.
libpostkeep_net_la_SOURCES += \
	lib/dns/dns.h lib/dns/mx.h \
	lib/dns/cache.c \
	lib/dns/channel.c \
	lib/dns/filter.c \
	lib/dns/host.c \
	lib/dns/hosts.c \
	lib/dns/idna.c \
	lib/dns/hop.c \
	lib/dns/internal.h \
	lib/dns/mx.c \
	lib/dns/order.c \
	lib/dns/packet.c \
	lib/dns/query.c \
	lib/dns/question.c \
	lib/dns/resolv.c \
	lib/dns/resolver.c \
	lib/dns/settings.c \
	lib/dns/tlsa.c \
	lib/dns/validates.c \
	lib/dns/words.c
libpostkeep_net_la_CFLAGS += $(CARES_CFLAGS) $(LIBIDN2_CFLAGS)
libpostkeep_net_la_LIBADD += $(CARES_LIBS) $(LIBIDN2_LIBS)

# For test_dns.py: the library alone, asked over a pipe.
EXTRA_DIST += tests/system/name_servers.py tests/system/test_dns.py tests/system/test_dns_relay.py
noinst_PROGRAMS += tests/system/dns_probe
tests_system_dns_probe_SOURCES = tests/system/dns_probe.c
tests_system_dns_probe_LDADD = libpostkeep-net.la libpostkeep.la

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_dns_packet tests/unit/test_dns_parts
tests_unit_test_dns_packet_SOURCES = tests/unit/test_dns_packet.c
tests_unit_test_dns_packet_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_dns_packet_LDADD = libpostkeep-net.la libpostkeep.la $(CMOCKA_LIBS)
tests_unit_test_dns_parts_SOURCES = tests/unit/test_dns_parts.c tests/unit/conf_fixture.c tests/unit/conf_fixture.h
tests_unit_test_dns_parts_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_dns_parts_LDADD = libpostkeep-net.la libpostkeep.la $(CMOCKA_LIBS)
endif

if FUZZERS
noinst_PROGRAMS += tests/fuzz/fuzz_dns
tests_fuzz_fuzz_dns_SOURCES = tests/fuzz/fuzz_dns.c
tests_fuzz_fuzz_dns_LDADD = libpostkeep-net.la libpostkeep.la
tests_fuzz_fuzz_dns_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_LDFLAGS)
endif
