#!/bin/bash
# doc/architecture.md says what the code says: programs, sockets, who may connect, and every function it names.
set -u
cd "${srcdir:-.}" || exit 1
failures=0
page=doc/architecture.md
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

fail()
{
	printf 'FAIL: %s\n' "$*"
	failures=$((failures + 1))
}

# Rows of the first table that has HEADING in its first line, columns separated by tabs.
table()
{
	awk -v heading="$1" '
		index($0, heading) == 1 { inside = 1; next }
		inside && !/^\|/ { exit }
		inside && !/^\|-/ {
			gsub(/`/, "")
			gsub(/ *\| */, "\t")
			sub(/^\t/, "")
			print
		}' $page
}

# The tables of lib/service/endpoint.c: "PATH PROGRAM PEERS" and "PROGRAM USER JAIL".
list_sockets()
{
	sed -n 's/^    {"\([a-z]*\)", "\([a-z/-]*\)", \(.*\)},$/\2 \1 \3/p' lib/service/endpoint.c
	sed -n '/program_table\[\] = {/,/^};/p' lib/service/endpoint.c | awk '
		/\.name = / { gsub(/[",]/, ""); name = $3; peers = "0" }
		/\.peers = / { sub(/.*\.peers = /, ""); sub(/,$/, ""); peers = $0 }
		/^    }/ && name != "" && peers != "0" {
			place = name == "pickup" || name == "postlogd" ? "public" : "private"
			print place "/" (name == "postlogd" ? "postlog" : name), name, peers
			name = ""
		}'
}

list_programs()
{
	sed -n '/program_table\[\] = {/,/^};/p' lib/service/endpoint.c | awk '
		/\.name = / { gsub(/[",]/, ""); name = $3; jail = "" }
		/\.user = / { sub(/.*SERVICE_USER_/, ""); sub(/,.*/, ""); user = tolower($0) }
		/\.jail = true/ { jail = "yes" }
		/\.jail_if_asked = true/ { jail = "if-asked" }
		/^    }/ && name != "" { print name, user, jail; name = "" }'
}

# The words of the page for a set of peers.
peers_in_words()
{
	case $1 in
	*PEER_ANYONE*) echo anyone ;;
	*PEER_POSTDROP*) echo "postdrop, work" ;;
	PEER_USERS | 0) echo root ;;
	*)
		for word in NETWORK WORK QUEUE USERS; do
			case $1 in *PEER_$word*) echo $word ;; esac
		done | tr 'A-Z\n' 'a-z,' | sed 's/,$//; s/,/, /g; s/users/root/'
		;;
	esac
}

check_sockets()
{
	local path program peers row listens lets

	table '| socket |' >"$work/sockets"
	list_sockets >"$work/found"
	[ "$(wc -l <"$work/found")" -ge 13 ] || fail "the tables of lib/service/endpoint.c are not understood"
	while read -r path program peers; do
		row=$(grep "^$path	" "$work/sockets") || {
			fail "$page has no row for $path"
			continue
		}
		listens=$(printf '%s' "$row" | cut -f2)
		lets=$(printf '%s' "$row" | cut -f3)
		[ "$listens" = "$program" ] || fail "$path: $listens listens, and not $program"
		[ "${lets%%:*}" = "$(peers_in_words "$peers")" ] ||
			fail "$path lets in $(peers_in_words "$peers"), and not ${lets%%:*}"
	done <"$work/found"
	while IFS=$(printf '\t') read -r path program _; do
		case $path in private/master | public/qmgr) continue ;; esac
		grep -q "^$path $program " "$work/found" || fail "$page has a row for $path, the code has not"
	done <"$work/sockets"
}

check_programs()
{
	local program user jail row calls folder

	table '| program | does' >"$work/programs"
	list_programs >"$work/found"
	[ "$(wc -l <"$work/found")" -ge 8 ] || fail "the programs of lib/service/endpoint.c are not understood"
	while read -r program user jail; do
		row=$(grep "^$program	" "$work/programs") || {
			fail "$page has no row for $program"
			continue
		}
		[ "$(printf '%s' "$row" | cut -f3)" = "$user" ] || fail "$program runs as $user"
		[ "$(printf '%s' "$row" | cut -f4)" = "$jail" ] || fail "$program: chroot is \"$jail\""
		folder=$program
		[ "$program" != lmtp ] || folder=smtp
		calls=$(sed -n 's/^[[:space:]]*\.sandbox = SANDBOX_\([A-Z]*\),$/\1/p' "$folder"/*.c | tr A-Z a-z | sed 's/none/all/')
		[ "$(printf '%s' "$row" | cut -f5)" = "$calls" ] || fail "$program: system calls are \"$calls\""
	done <"$work/found"
}

# What a program in a chroot finds there.
check_reaches()
{
	local program user jail said found

	table '| program | reaches' >"$work/reaches"
	list_programs >"$work/found"
	while read -r program user jail; do
		[ -n "$jail" ] || continue
		found=$(tr '\n' ' ' <lib/service/endpoint.c | grep -o "${program}_reaches\[\] = {[^}]*}" |
			grep -o '"[^"]*"' | tr -d '"' | paste -sd, | sed 's/,/, /g')
		said=$(sed -n "s/^$program	//p" "$work/reaches" | cut -f1)
		[ "$said" = "${found:-nothing}" ] || fail "$program reaches ${found:-nothing}, and not $said"
	done <"$work/found"
}

# Every message of the page exists, and every message of the code is on the page.
check_messages()
{
	local message

	sed -n '/^extern const struct ipc_schema msg_/,/;/p' lib/ipc/messages.h |
		grep -o 'msg_[a-z_]*' | sed 's/^msg_//' | sort -u >"$work/messages"
	[ "$(wc -l <"$work/messages")" -ge 30 ] || fail "lib/ipc/messages.h is not understood"
	while read -r message; do
		cut -f4,5 "$work/sockets" | grep -qw "$message" || fail "$page does not say who sends $message"
	done <"$work/messages"
	cut -f4,5 "$work/sockets" | grep -o '[a-z]*_[a-z_]*' | sort -u | while read -r message; do
		grep -qx "$message" "$work/messages" || echo "$message"
	done >"$work/unknown"
	[ ! -s "$work/unknown" ] || fail "messages that do not exist: $(tr '\n' ' ' <"$work/unknown")"
}

# Is there a function NAME in one of FILES?
defined()
{
	local name=$1

	shift
	grep -qE "^([a-z].*[ *])?$name\\(" "$@"
}

# `file.c: function()` names a function that is defined there; `function()` alone one that is anywhere.
check_functions()
{
	local file name

	tr '\n' ' ' <$page | grep -oE '`[^`]*\(\)`' | tr -d '`()' | awk '
		/^[a-z_\/]+\.[ch]: +[a-z_]+$/ { sub(/:$/, "", $1); print $1, $2 }
		/^[a-z_]+$/ { print "-", $1 }' | sort -u >"$work/functions"
	[ "$(wc -l <"$work/functions")" -ge 40 ] || fail "the functions of $page are not understood"
	while read -r file name; do
		if [ "$file" = - ]; then
			case $name in main | poll) continue ;; esac
			defined "$name" ./*/*.[ch] lib/*/*.[ch] || fail "there is no $name()"
		else
			defined "$name" "$file" || fail "$file has no $name()"
		fi
	done <"$work/functions"
	grep -oE '`[a-z_]+/[a-z_/]+\.[chm][dk]?`' $page doc/developing.md | tr -d '`' | while IFS=: read -r _ name; do
		[ -f "$name" ] || [ -f "doc/$name" ] || echo "$name"
	done >"$work/files"
	[ ! -s "$work/files" ] || fail "files that do not exist: $(tr '\n' ' ' <"$work/files")"
}

# The page of master.cf shows the file as it is installed.
check_example()
{
	local line

	grep -v '^#' conf/master.cf >"$work/services"
	while read -r line; do
		grep -qxF -- "$line" man/master.cf.5 || fail "man/master.cf.5 does not show: $line"
	done <"$work/services"
}

check_example
check_programs
check_sockets
check_reaches
check_messages
check_functions
if [ $failures != 0 ]; then
	echo "$failures failures"
	exit 1
fi
echo "the page and the code agree"
