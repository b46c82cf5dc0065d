# lib/table: look-up tables and match lists.
libpostkeep_la_SOURCES += \
	lib/table/match_list.c lib/table/match_private.h \
	lib/table/match_net.c \
	lib/table/table.c lib/table/table.h \
	lib/table/table_file.c lib/table/table_private.h \
	lib/table/table_proxy.c \
	lib/table/table_text.c \
	lib/table/table_unix.c
