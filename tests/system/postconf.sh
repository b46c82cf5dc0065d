#!/bin/bash
# postconf on small configuration directories: what it prints, what it leaves in the files, how it exits.
set -u
export LC_ALL=C
unset MAIL_CONFIG

postconf=${POSTCONF:-$PWD/admin/postconf}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
dir=$work/conf
cases=0 failures=0

fresh()
{
	rm -rf "$dir"
	mkdir "$dir"
	cat >"$dir/main.cf"
	cat >"$dir/master.cf" <<-'END'
		# services
		smtp      inet  n       -       y       -       -       smtpd
		587 inet n - y - - smtpd
		  -o syslog_name=submission
		#  -o commented=out
		  -o { smtpd_banner = $myhostname ready }
		  -v

		qmgr unix n - n 300 1 qmgr
		maildrop unix - n n - - pipe
		  flags=R user=vmail argv=/usr/bin/maildrop -o x=y
	END
}

# check STATUS EXPECTED-OUTPUT ARGUMENT…: standard output and standard error together.
check()
{
	local status=$1 expected=$2 output got
	shift 2
	output=$("$postconf" -c "$dir" "$@" 2>&1)
	got=$?
	cases=$((cases + 1))
	output=${output//"$dir"/DIR}
	[ "$got" = "$status" ] && [ "$output" = "$expected" ] && return
	failures=$((failures + 1))
	printf 'postconf %s\n--- expected, status %s:\n%s\n--- got, status %s:\n%s\n' \
		"$*" "$status" "$expected" "$got" "$output"
}

# check_file NAME EXPECTED: the whole file.
check_file()
{
	local got
	got=$(cat "$dir/$1" && printf .)
	cases=$((cases + 1))
	[ "$got" = "$2"$'\n.' ] && return
	failures=$((failures + 1))
	printf '%s:\n--- expected:\n%s\n--- got:\n%s\n' "$1" "$2" "${got%.}"
}

expect()
{
	cases=$((cases + 1))
	"$@" && return
	failures=$((failures + 1))
	echo "failed: $*"
}

# --- main.cf: showing -------------------------------------------------------------------------------

fresh <<'END'
# a comment
myhostname = mail.example.org
relayhost =
mine = value
virtual_transport = $mine
smtpd_recipient_restrictions = permit_mynetworks,
    # inside
    reject_unauth_destination
END
check 0 'queue_run_delay = 300s' queue_run_delay
check 0 'myhostname = mail.example.org
relayhost = ' myhostname relayhost
check 0 'mail.example.org' -h myhostname
check 0 'myhostname' -H myhostname
check 0 'mydestination = $myhostname, localhost.$mydomain, localhost' mydestination
check 0 'mydestination = mail.example.org, localhost.example.org, localhost' -x mydestination
check 0 'mydomain = example.org' mydomain
check 0 'mynetworks_style = host' -d mynetworks_style
check 0 'postconf: warning: nothing: unknown parameter' nothing
check 0 'postconf: warning: nothing: unknown parameter
queue_run_delay = 300s' queue_run_delay nothing
check 0 'foo_destination_rate_delay = $default_destination_rate_delay' foo_destination_rate_delay
check 0 'mine = value
myhostname = mail.example.org
relayhost = '"
"'smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination
virtual_transport = $mine' -n
check 0 'virtual_transport = value' -nx virtual_transport
check 0 'mine = value' -n -C user
check 0 'myhostname
relayhost
smtpd_recipient_restrictions
virtual_transport' -nH -C builtin
check 0 'myhostname = over.example' -o myhostname=over.example myhostname
check 0 'mydomain = example' -x -o myhostname=over.example mydomain
check 0 'forward_path = $home/.forward${recipient_delimiter}${extension}, $home/.forward' -x forward_path
check 0 'proxy_write_maps = $smtp_sasl_auth_cache_name $lmtp_sasl_auth_cache_name
    $address_verify_map $postscreen_cache_map' -f proxy_write_maps
check 0 'dotlock
fcntl
flock' -l
expect grep -qx static <("$postconf" -m)
# programs of older days that read logs do not know "tls="
check 0 'no' -hx -o compatibility_level=3.6 smtp_log_tls_feature_status
check 0 'yes' -hx -o compatibility_level=3.11 lmtp_log_tls_feature_status
# no SASL of the server is built in
check 0 '' -a
check 0 'cyrus' -A
# each option that changes what is shown excludes the others
check 1 'postconf: fatal: -a and -m exclude each other' -am
check 1 'postconf: fatal: -b and -t exclude each other' -bt
check 1 'postconf: fatal: -j: there is no output as JSON in this version' -j
check 1 'postconf: fatal: -T compile-version: postconf does not load OpenSSL; ask openssl(1)' -T compile-version

# the texts of notices, as bounce sends them
templates=$("$postconf" -c "$dir" -t)
expect test "$(grep -c '_template = <<EOF$' <<<"$templates")" = 4
expect grep -qx 'This is the mail system at host $myhostname\.' <<<"$templates"
expect grep -qx 'Postmaster-Subject: Postmaster copy: undelivered mail' <<<"$templates"
texts=$("$postconf" -c "$dir" -b)
expect test "$(grep -cx 'This is the mail system at host mail.example.org\.' <<<"$texts")" = 4
expect test "$(grep -c 'Subject:\|\$' <<<"$texts")" = 0
# They name a time, which goes on between two runs.
timeless() {
	sed 's/[0-9][0-9]:[0-9][0-9]:[0-9][0-9]/TIME/'
}
expect test "$(timeless <<<"$texts")" = "$("$postconf" -c "$dir" -b '' | timeless)"
expect grep -qx 'This is the mail system at host other\.' <("$postconf" -c "$dir" -b -o myhostname=other)
check 1 'postconf: fatal: FILE: No such file or directory' -b FILE
# what -t writes can be read again, and means the same
echo "$templates" >"$work/templates"
expect test "$("$postconf" -c "$dir" -t "$work/templates")" = "$templates"
expect test "$("$postconf" -c "$dir" -b -o bounce_template_file="$work/templates" | timeless)" = "$(timeless <<<"$texts")"
printf 'delay_template = <<END\n\nLate by $delay_warning_time_minutes minutes.\nEND\n' >"$work/own"
expect grep -qx 'Late by 60 minutes\.' <("$postconf" -c "$dir" -b -o delay_warning_time=1h "$work/own")
expect test "$("$postconf" -c "$dir" -t "$work/own" | grep -c 'mail system at host')" = 3
printf '# x\nfailure_template = <<EOF\nSubjet: x\n\nx\nEOF\n' >"$work/bad"
check 1 "postconf: fatal: $work/bad, line 3: not Charset, From, Subject or Postmaster-Subject, nor an empty line in front of the text: \"Subjet: x\"" -b "$work/bad"
expect test "$("$postconf" -d | wc -l)" -gt 1000
expect test "$("$postconf" -d | sort -c 2>&1)" = ""

# --- What is reported -------------------------------------------------------------------------------

fresh <<'END'
myhostname = a.example
smtpd_baner = x
elephant = y
relayhost = [mx.example] # hub
END
check 0 'myhostname = a.example
postconf: warning: DIR/main.cf: unused parameter: smtpd_baner=x (did you mean "smtpd_banner"?)
postconf: warning: DIR/main.cf: unused parameter: elephant=y
postconf: warning: DIR/main.cf, line 4: relayhost: "#" behind other text begins no comment: it is part of the value; put the comment on a line of its own' myhostname
# the settings that nobody asked about are no matter for -d
check 0 'relayhost = ' -d relayhost
check 1 'postconf: fatal: -d and -n exclude each other' -d -n
check 1 'postconf: fatal: -e and -X exclude each other' -e -X a
rm "$dir/main.cf"
check 1 'postconf: fatal: DIR/main.cf: cannot be read: No such file or directory; another configuration directory is named by -c or MAIL_CONFIG' myhostname
check 1 "postconf: fatal: DIR/main.cf: No such file or directory" -e a=b
expect test "$("$postconf" -Z 2>/dev/null; echo $?)" = 1

# --- main.cf: changing ------------------------------------------------------------------------------

fresh <<'END'
# first
myhostname = a.example

# about relayhost
relayhost = old,
  # inside
  older
relayhost = twice
mail_name = X
END
chmod 640 "$dir/main.cf"
check 0 '' -e 'relayhost = [mx.example]' 'mailbox_size_limit=0'
check_file main.cf '# first
myhostname = a.example

# about relayhost
relayhost = [mx.example]
  # inside
mail_name = X
mailbox_size_limit = 0'
expect test "$(stat -c %a "$dir/main.cf")" = 640
expect test "$(ls "$dir")" = 'main.cf
master.cf'
check 0 '' mail_name=Y 'mynetworks = 127.0.0.0/8, [::1]/128'
check_file main.cf '# first
myhostname = a.example

# about relayhost
relayhost = [mx.example]
  # inside
mail_name = Y
mailbox_size_limit = 0
mynetworks = 127.0.0.0/8, [::1]/128'
check 0 '' -X relayhost mynetworks
check 0 '' '-#' mail_name
check_file main.cf '# first
myhostname = a.example

# about relayhost
  # inside
#mail_name = Y
mailbox_size_limit = 0'
check 0 '' -e a=1 a=2
check 0 '' -e a=3 a=4
expect test "$(grep -c '^a = ' "$dir/main.cf")" = 1
expect grep -qx 'a = 4' "$dir/main.cf"
before=$(stat -c %i "$dir/main.cf")
check 0 '' -e a=4
expect test "$(stat -c %i "$dir/main.cf")" = "$before"
check 1 'postconf: fatal: "nothing": name=value is expected' -e nothing
check 1 'postconf: fatal: -X takes parameter names without a value: "a=1"' -X a=1
check 1 "postconf: fatal: -e accepts no text of several lines: \"a=1?b=2\"" -e $'a=1\nb=2'
# a comment must not come in through the name
check 1 'postconf: fatal: "#a=1": not a parameter name' -e '#a=1'
printf 'myhostname = a.example' >"$dir/main.cf"
check 0 '' -e b=1
check_file main.cf 'myhostname = a.example
b = 1'
# a link stays one
mv "$dir/main.cf" "$dir/real.cf"
ln -s real.cf "$dir/main.cf"
check 0 '' -e b=2
expect test -L "$dir/main.cf"
expect grep -qx 'b = 2' "$dir/real.cf"
if [ "$(id -u)" = 0 ]; then
	chown 65533:65532 "$dir/real.cf"
	check 0 '' -e b=3
	expect test "$(stat -c %u:%g "$dir/real.cf")" = 65533:65532
fi
# two at once lose nothing
for i in 1 2 3 4 5 6 7 8; do
	"$postconf" -c "$dir" -e "p$i=$i" &
done
wait
expect test "$(grep -c '^p[1-8] = ' "$dir/main.cf")" = 8

# --- master.cf --------------------------------------------------------------------------------------

fresh </dev/null
check 0 'smtp       inet  n       -       y       -       -       smtpd
587        inet  n       -       y       -       -       smtpd -o syslog_name=submission -o { smtpd_banner = $myhostname ready } -v
qmgr       unix  n       -       n       300     1       qmgr
maildrop   unix  -       n       n       -       -       pipe flags=R user=vmail argv=/usr/bin/maildrop -o x=y' -M
check 0 '587        inet  n       -       y       -       -       smtpd
    -o syslog_name=submission
    -o { smtpd_banner = $myhostname ready } -v' -Mf 587
check 0 'qmgr       unix  n       -       n       300     1       qmgr' -M qmgr/unix
check 0 'postconf: warning: unmatched request: "qmgr/inet"' -M qmgr/inet
check 0 'postconf: warning: unmatched request: "qmgr/unix/chrot"' -F qmgr/unix/chrot
check 0 'postconf: warning: unmatched request: "587/inet/nosuch"' -P 587/inet/nosuch
check 0 'qmgr/unix/service = qmgr
qmgr/unix/type = unix
qmgr/unix/private = n
qmgr/unix/unprivileged = -
qmgr/unix/chroot = n
qmgr/unix/wakeup = 300
qmgr/unix/process_limit = 1
qmgr/unix/command = qmgr' -F qmgr
check 0 'smtp/inet/chroot = y
587/inet/chroot = y' -F '*/inet/chroot'
check 0 'y' -Fh smtp/inet/chroot
check 0 '587/inet/syslog_name = submission
587/inet/smtpd_banner = $myhostname ready' -P
check 0 'submission' -Ph 587/inet/syslog_name

check 0 '' -Me '26/inet=26 inet n - y - - smtpd -o a=b'
check 0 '26         inet  n       -       y       -       -       smtpd -o a=b' -M 26
check 0 '' -Me '26/inet=26 inet n - n - 5 smtpd'
check 0 '26         inet  n       -       n       -       5       smtpd' -M 26
check 0 '' -MX 26/inet
check 0 'postconf: warning: unmatched request: "26"' -M 26
check 0 '' '-M#' qmgr/unix
check 0 'postconf: warning: unmatched request: "qmgr"' -M qmgr
expect grep -q '^#qmgr unix' "$dir/master.cf"
check 0 'postconf: warning: "no/inet": there is nothing of that name' -MX no/inet
check 0 '' -Fe smtp/inet/chroot=n 'smtp/inet/command=smtpd -v'
check 0 'smtp       inet  n       -       n       -       -       smtpd -v' -M smtp
check 0 '' -Pe 587/inet/syslog_name=other '587/inet/smtpd_banner=a b' 587/inet/mynetworks=
check 0 '587        inet  n       -       y       -       -       smtpd -v
    -o syslog_name=other
    -o { smtpd_banner = a b }
    -o mynetworks=' -Mf 587
expect grep -q '^#  -o commented=out' "$dir/master.cf"
check 0 '' -PX 587/inet/smtpd_banner 587/inet/mynetworks
check 0 '587        inet  n       -       y       -       -       smtpd -v -o syslog_name=other' -M 587
check 0 '' -Pe maildrop/unix/a=b
check 0 'maildrop   unix  -       n       n       -       -       pipe -o a=b flags=R user=vmail argv=/usr/bin/maildrop -o x=y' -M maildrop

# what would be nonsense changes nothing
before=$(cat "$dir/master.cf")
check 1 'postconf: fatal: "smtp/inet/chroot=maybe": chroot "maybe": must be y, n or -; nothing is changed' -Fe smtp/inet/chroot=maybe
check 1 'postconf: fatal: "smtp/inet/nofield=y": there is no such field; nothing is changed' -Fe smtp/inet/nofield=y
check 1 'postconf: fatal: "no/inet/chroot=y": there is no such service; nothing is changed' -Fe no/inet/chroot=y
check 1 'postconf: fatal: "a/unix=b unix - - n - - x": the line is that of another service; nothing is changed' -Me 'a/unix=b unix - - n - - x'
check 1 'postconf: fatal: "a/unix=a unix": eight columns are expected behind "="; nothing is changed' -Me 'a/unix=a unix'
check 1 'postconf: fatal: "a": service/type=value is expected' -Me a
check 1 'postconf: fatal: -F can be combined with -e only' -FX smtp/inet/chroot
expect test "$(cat "$dir/master.cf")" = "$before"

# faults are told, the rest is shown
printf 'a unix - - n - - x\nb unix - - n - x\n' >"$dir/master.cf"
check 0 'a          unix  -       -       n       -       -       x
postconf: warning: DIR/master.cf, line 2: only 7 of the 8 columns are there; "command" is missing' -M

# what has no effect yet is postkeep check's to tell
fresh <<'END'
content_filter = scan:
END
check 0 'scan:' -h content_filter

if [ "$failures" = 0 ]; then
	echo "postconf.sh: $cases cases, ok"
else
	echo "postconf.sh: $failures of $cases cases failed"
fi
exit $((failures > 0))
