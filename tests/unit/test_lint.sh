#!/bin/bash
# tools/lint on small trees: a clean one, and the same with one fault at a time.
set -u

lint=$(cd "${srcdir:-.}" && pwd)/tools/lint
format=$(cd "${srcdir:-.}" && pwd)/.clang-format
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failures=0

# A tree that breaks no rule, and comes close to many.
make_tree()
{
	rm -rf "${work:?}/tree"
	mkdir -p "$work"/tree/{conf,man,lib/base,lib/conf,lib/mail,lib/smtp,lib/queue,post,other,tests/unit,tools}
	cp "$format" "$work/tree/.clang-format"
	cd "$work/tree" || exit 1
	printf 'int base(void);\n' >lib/base/base.h
	printf '#include "lib/base/base.h"\n' >lib/conf/conf.h
	printf '#include "lib/smtp/smtp.h"\n' >lib/mail/mail.h
	printf '#include "lib/base/base.h"\n' >lib/smtp/smtp.h
	printf '#include "lib/mail/mail.h"\n' >lib/queue/queue.h
	printf '#include "lib/queue/queue.h"\n' >post/post.h
	function_of 60 >lib/base/base.c
	{
		printf '#include "config.h"\n\n#include "post/post.h"\n\n#include <unistd.h>\n\n'
		printf 'int\nmain(int argc, char **argv)\n{\n'
		printf '\tstatic const char *const names[] = {"a"};\n\n'
		printf '\treturn getopt(argc, argv, "+ab:") + names[0][0];\n}\n'
	} >post/post.c
	printf '#include "post/post.h"\n' >tests/unit/test_post.c
	yes '/* line */' | head -800 >lib/base/long.h
	printf 'daemon_PROGRAMS += \\\n\tpost/post\npost_post_SOURCES = post/post.c \\\n' >post/local.mk
	printf '\tpost/post.h\nnoinst_PROGRAMS += post/test\n' >>post/local.mk
	{
		printf '.SH SYNOPSIS\n.B post\n[\\fB\\-a\\fR] [\\fB\\-b\\fI number\\fR]\n'
		printf '.SH PARAMETERS\n.IP "\\fBpost_limit\\fR (10)"\nAs postqueue \\-f has it.\n'
	} >man/post.8
	printf '# name\ttype\npost_limit\tint\t10\t0..\tused\tpost\tx\n' >conf/params.tsv
	printf 'post_idle\tint\t10\t0..\tknown\tpost\tx\n' >>conf/params.tsv
	printf '#!/bin/sh\nif true; then :; fi\n' >tools/run
}

# A function of $1 lines, counted from its name to its closing brace.
function_of()
{
	printf 'int\nbase(void)\n{\n'
	yes '	base();' | head -$(($1 - 4))
	printf '\treturn 0;\n}\n'
}

# expect TEXT: lint must fail, and say TEXT and nothing else.
expect()
{
	local said

	if said=$("$lint" "$work/tree"); then
		echo "FAIL: accepted: $1"
		failures=$((failures + 1))
	elif [ "$said" != "$1"$'\n'"lint: 1 problems" ]; then
		printf 'FAIL: expected: %s\n%s\n' "$1" "$said"
		failures=$((failures + 1))
	fi
	make_tree
}

make_tree
said=$("$lint" "$work/tree")
if [ $? != 0 ] || [ "$said" != "lint: ok" ]; then
	printf 'FAIL: the clean tree is refused:\n%s\n' "$said"
	failures=$((failures + 1))
fi

function_of 61 >lib/base/base.c
expect "lib/base/base.c:2: base() has 61 lines, more than 60"
echo '/* line */' >>lib/base/long.h
expect "lib/base/long.h:801: the file is longer than 800 lines"
printf '/* TO%s: all */\n' DO >lib/base/base.h
expect "lib/base/base.h:1: a mark of unfinished work; do it, or file it where work is tracked"
printf '# FIX%s\n' ME >>post/local.mk
expect "post/local.mk:6: a mark of unfinished work; do it, or file it where work is tracked"
printf 'all:\n\ttrue \n' >>post/local.mk
expect "post/local.mk:7: white space at the end of the line"
printf '#!/bin/sh\nif true; then\n' >tools/run
expect "tools/run:3: syntax error: unexpected end of file"
printf 'int base( void );\n' >lib/base/base.h
command -v clang-format >/dev/null &&
	expect "lib/base/base.h:1: not formatted; run clang-format -i lib/base/base.h"
make_tree

# Static storage in functions, and what is none.
for declaration in 'static int count;' 'static char room[10];' 'static const char *name = "a";'; do
	printf 'int\nbase(void)\n{\n\t%s\n\n\treturn 0;\n}\n' "$declaration" >lib/base/base.c
	expect "lib/base/base.c:4: static storage inside base()"
done

# Floors.
printf '#include "lib/conf/conf.h"\n' >lib/base/base.h
said=$("$lint" "$work/tree" | head -1)
[ "$said" = "lib/base/base.h:1: lib/base stands below lib/conf and must not include it" ] || {
	echo "FAIL: a library may include what stands above it: $said"
	failures=$((failures + 1))
}
make_tree
printf '#include "lib/route/route.h"\n' >lib/smtp/frame.c
expect "lib/smtp/frame.c:1: lib/smtp stands below lib/route and must not include it"
printf '#include "post/post.h"\n' >lib/base/base.c
expect "lib/base/base.c:1: includes a header of the program folder post"
printf '#include "post/post.h"\n' >other/other.c
expect "other/other.c:1: includes a header of the program folder post"
printf '#include "tests/unit/x.h"\n' >other/other.c
expect "other/other.c:1: includes a header of the tests"
printf '#include "lib/new/new.h"\n' >other/other.c
expect "other/other.c:1: a library that stands on no floor: name it in tools/lint and in the design"
printf '#include "post.h"\n' >post/more.c
expect "post/more.c:1: \"post.h\": name headers by their path from the top of the tree"
printf '#include "post/post.h"\n\n#include "config.h"\n' >post/more.c
expect "post/more.c:3: config.h must be the first include"
printf '#include <uv.h>\n' >post/more.c
expect "post/more.c:1: only lib/fiber sees libuv"

# Cycles: of headers, and of libraries on one floor.
printf '#include "post/b.h"\n' >post/a.h
printf '#include "post/a.h"\n' >post/b.h
said=$("$lint" "$work/tree" | sed -n 's/.*: an include cycle: //p')
case $said in
"post/a.h post/b.h post/a.h" | "post/b.h post/a.h post/b.h") ;;
*)
	echo "FAIL: a cycle of headers is not seen: $said"
	failures=$((failures + 1))
	;;
esac
make_tree
printf '#include "lib/mail/mail.h"\n' >lib/smtp/smtp.c
said=$("$lint" "$work/tree" | sed -n 's/.*: an include cycle: //p')
case $said in
"lib/mail lib/smtp lib/mail" | "lib/smtp lib/mail lib/smtp") ;;
*)
	echo "FAIL: a cycle of libraries is not seen: $said"
	failures=$((failures + 1))
	;;
esac
make_tree

# Pages.
printf 'bin_PROGRAMS += other/other\n' >other/local.mk
expect "other/local.mk:1: other has no page in man/"
sed 's/"+ab:"/"+ab:c"/' post/post.c >x && mv x post/post.c
expect "man/post.8:1: the option -c of post is not explained"
sed 's/"+ab:"/"+a"/' post/post.c >x && mv x post/post.c
expect "man/post.8:3: post has no option -b"
printf 'static const enum param used[] = {\n    P_post_limit,\n};\n\nvoid\nload(void)\n{\n' >post/few.c
printf '\tconf_load_some(used, P_post_limit, P_post_idle);\n}\n' >>post/few.c
sed 's|post/post.c|post/post.c post/few.c|' post/local.mk >x && mv x post/local.mk
expect "post/few.c:8: P_post_idle is not among those that conf_load_some() loads"
sed 's/known\tpost/used\tother/' conf/params.tsv >x && mv x conf/params.tsv
expect "conf/params.tsv:3: no page in man/ names post_idle"
sed 's/known\tpost/used\tpost/' conf/params.tsv >x && mv x conf/params.tsv
sed 's/post_limit/post_idle/' man/post.8 >man/other.8
expect "man/post.8:1: post reads post_idle, which is not named"
printf '.Va post_limit , post_limits ;\n' >>man/post.8
expect "man/post.8:7: there is no parameter post_limits"
if command -v mandoc >/dev/null; then
	printf '.Dd November 22, 2026\n.Dt TABLE 5\n.Os\n.Sh NAME\n.Nm post\n.Nd x\n.Sh SEE ALSO\n.Sh SEE ALSO\n.Xr post 8\n' >man/table.5
	expect "man/table.5:8: duplicate section title: Sh SEE ALSO"
fi

if [ $failures != 0 ]; then
	echo "$failures failures"
	exit 1
fi
echo "all as expected"
