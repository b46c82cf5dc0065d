# lib/dns: questions to name servers. Part of libpostkeep-net: c-ares and libidn2 are only for who needs them.
libpostkeep_net_la_SOURCES += \
	lib/dns/dns.h lib/dns/mx.h \
	lib/dns/cache.c \
	lib/dns/channel.c \
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
	lib/dns/words.c
libpostkeep_net_la_CFLAGS += $(CARES_CFLAGS) $(LIBIDN2_CFLAGS)
libpostkeep_net_la_LIBADD += $(CARES_LIBS) $(LIBIDN2_LIBS)

# For test_dns.py: the library alone, asked over a pipe.
noinst_PROGRAMS += tests/system/dns_probe
tests_system_dns_probe_SOURCES = tests/system/dns_probe.c
tests_system_dns_probe_LDADD = libpostkeep-net.la libpostkeep.la
