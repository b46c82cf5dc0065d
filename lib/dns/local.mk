# lib/dns: questions to name servers. Part of libpostkeep-net: c-ares and libidn2 are only for who needs them.
libpostkeep_net_la_SOURCES += \
	lib/dns/dns.h lib/dns/mx.h \
	lib/dns/words.c
libpostkeep_net_la_CFLAGS += $(CARES_CFLAGS) $(LIBIDN2_CFLAGS)
libpostkeep_net_la_LIBADD += $(CARES_LIBS) $(LIBIDN2_LIBS)
