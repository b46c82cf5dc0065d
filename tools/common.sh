# common.sh - what demo and check share: packages, the build, words. Sourced by bash, never run.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
jobs=$(nproc 2>/dev/null || echo 2)
# ccache makes a second run quick where it is installed; nothing depends on it.
if command -v ccache >/dev/null 2>&1; then ccache="ccache "; else ccache=""; fi

say() {
	printf '\n==> %s\n' "$*"
}

die() {
	printf '\n%s: %s\n' "$(basename "$0")" "$*" >&2
	exit 1
}

# without_starting COMMAND…: runs it; what it installs (name servers, for tests) does not begin to serve this
# machine. That is what policy-rc.d is for, as invoke-rc.d(8) has it; one that is there stays.
without_starting() {
	local policy=/usr/sbin/policy-rc.d made=no status=0
	if [ ! -e $policy ]; then
		printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy && made=yes
	fi
	DEBIAN_FRONTEND=noninteractive "$@" || status=$?
	[ $made = no ] || rm -f $policy
	return $status
}

# need_packages PURPOSE…: installs what is missing (as root), or says what to install.
need_packages() {
	local wanted missing="" package purpose want
	wanted="$*"
	while read -r package purpose; do
		case "$package" in '#'* | '') continue ;; esac
		for want in $wanted; do
			[ "$purpose" = "$want" ] || continue
			dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
				missing="$missing $package"
		done
	done <"$top/tools/packages"
	[ -n "$missing" ] || return 0
	if [ "$(id -u)" = 0 ]; then
		say "installing Debian packages:$missing"
		apt-get update -qq || die "apt-get update failed"
		# shellcheck disable=SC2086
		without_starting apt-get install -y -qq --no-install-recommends $missing >/dev/null ||
			die "could not install:$missing"
	else
		die "these packages are missing; as root: apt-get install$missing"
	fi
}

# make_configure: the configure script, when it is missing or older than its source.
make_configure() {
	if [ ! -x "$top/configure" ] || [ -n "$(find "$top" -maxdepth 3 \( -name '*.mk' -o -name configure.ac \
		-o -name Makefile.am \) -newer "$top/configure" -not -path '*/build*' -print -quit)" ]; then
		say "making the configure script"
		mkdir -p "$top/build-aux"
		(cd "$top" && autoreconf -fi >"$1/autoreconf.log" 2>&1) || {
			tail -n 20 "$1/autoreconf.log"
			die "autoreconf failed"
		}
	fi
}

# build DIR CONFIGURE-ARGUMENTS…: configures and builds out of tree; the log is in DIR/build.log.
build() {
	local dir=$1
	shift
	mkdir -p "$dir"
	(
		cd "$dir" || exit 1
		if [ ! -f config.status ] || [ "$top/configure" -nt config.status ]; then
			"$top/configure" "$@" || exit 1
		fi
		make -j"$jobs"
	) >"$dir/build.log" 2>&1 || {
		tail -n 40 "$dir/build.log"
		die "the build in $dir failed (whole log: $dir/build.log)"
	}
}

# from_reachable_place SCRIPT ARGUMENT…: part of what root runs becomes another user, who must be able to
# reach this tree. Below a closed home directory it is copied to a place where everybody can, and run
# from there.
from_reachable_place() {
	local script=$1 copy status=0
	shift
	[ "$(id -u)" = 0 ] || return 0
	setpriv --reuid=nobody --regid=nogroup --clear-groups test -r "$top/tools/common.sh" && return 0
	copy=/var/tmp/postkeep-$(basename "$script")
	say "other users cannot reach $top: working in a copy, $copy"
	mkdir "$copy" 2>/dev/null || true # there may be one from the last time
	[ "$(stat -c '%F %u %A' "$copy" | sed 's/\(.*\) d....-..-.$/\1/')" = "directory 0" ] ||
		die "$copy is not a directory that root alone can write to: remove it"
	find "$copy" -mindepth 1 -maxdepth 1 ! -name 'build-*' -exec rm -rf {} +
	(cd "$top" && tar -cf - --exclude='./build-*' --exclude=./.git .) | tar -C "$copy" -xf - || die "cannot copy to $copy"
	"$copy/tools/$(basename "$script")" "$@" || status=$?
	exit $status
}
