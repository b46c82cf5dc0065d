# lib/tls: OpenSSL on streams.
libpostkeep_net_la_SOURCES += \
	lib/tls/client.c \
	lib/tls/connection.c \
	lib/tls/dane.c \
	lib/tls/describe.c \
	lib/tls/identity.c \
	lib/tls/internal.h \
	lib/tls/names.c \
	lib/tls/policy.c \
	lib/tls/protocols.c \
	lib/tls/sessions.c \
	lib/tls/settings.c \
	lib/tls/tls.h \
	lib/tls/trust.c \
	lib/tls/verify.c
libpostkeep_net_la_CFLAGS += $(OPENSSL_CFLAGS)
libpostkeep_net_la_LIBADD += $(OPENSSL_LIBS)

# The client that test_tls.py drives.
noinst_PROGRAMS += tests/system/tls_probe
tests_system_tls_probe_SOURCES = tests/system/tls_probe.c
tests_system_tls_probe_LDADD = libpostkeep-net.la libpostkeep.la
tests_system_tls_probe_LDFLAGS = $(AM_LDFLAGS) -no-install
