"""The next hops: Debian's Postfix, Exim, OpenSMTPD, and Dovecot's LMTP server, each configured as little as possible.
Every address at hop.example is a mailbox, but those that begin with one of the WORDS below. What arrives is in Maildirs
below /var/mail of the box (box.py)."""
import base64
import hashlib
import hmac
import json
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from box import Box, Missing, free_port  # noqa: E402,F401

PASSWORD = "Correct-Horse9"
MECHANISMS = ("PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256")
# Local parts that begin so are refused: for good, for now, and by Dovecot after the content.
BAD, LATER, BROKEN = "bad", "later", "broken"

POSTFIX_MAIN = """compatibility_level = 3.6
maillog_file = /var/log/mail
myhostname = mx.hop.example
mydestination =
mynetworks =
inet_interfaces = {address}
inet_protocols = {protocols}
alias_maps =
alias_database =
virtual_mailbox_domains = hop.example
virtual_mailbox_base = /var/mail
virtual_mailbox_maps = regexp:{{ {{ /^[^@]*/ all/ }} }}
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{uid}
virtual_mailbox_limit = 0
message_size_limit = 100000000
smtputf8_enable = yes
smtpd_sasl_local_domain = hop.example
smtpd_sasl_path = smtpd
cyrus_sasl_config_path = /etc/postfix/sasl
smtpd_sasl_security_options = noanonymous
smtpd_recipient_restrictions = check_recipient_access regexp:/etc/postfix/rcpt, permit_sasl_authenticated,
 reject_unauth_destination
smtpd_client_connection_rate_limit = 0
smtpd_client_connection_count_limit = 0
smtpd_error_sleep_time = 0
in_flow_delay = 0
smtpd_tls_loglevel = 1
{more}
"""
POSTFIX_MASTER = """pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix(Box):
    """Plain SMTP on `port`. With authority= (certificates.Authority) also, by kind of certificate, STARTTLS on
    tls[kind], where a login is required for other kinds than "open", and TLS from the first byte on wrapped."""
    hop = "postfix"
    kinds = ("good", "other", "expired", "untrusted", "self", "wild")

    def configure(self):
        authority = self.options.get("authority")
        self.port = self.options.get("port") or free_port()
        self.tls, self.wrapped, self.submission = {}, None, None
        more = self.options.get("extra", "")
        services = [(self.port, "")]
        if authority:
            self.submission, self.wrapped = free_port(), free_port()
            for kind in self.kinds:
                with open(authority.chain(kind)) as f:
                    self.write(f"/etc/postfix/{kind}.pem", f.read(), 0o600)
                self.tls[kind] = free_port()
                services.append((self.tls[kind], "-o smtpd_tls_security_level=may "
                                 f"-o smtpd_tls_chain_files=/etc/postfix/{kind}.pem"))
            good = ("-o smtpd_tls_chain_files=/etc/postfix/good.pem -o smtpd_sasl_auth_enable=yes "
                    "-o smtpd_client_restrictions=permit_sasl_authenticated,reject "
                    "-o smtpd_tls_auth_only=yes ")
            services += [(self.submission, good + "-o smtpd_tls_security_level=encrypt"),
                         (self.wrapped, good + "-o smtpd_tls_wrappermode=yes")]
            self._passwords()
        protocols = "ipv6" if ":" in self.address else "ipv4"
        self.write("/etc/postfix/main.cf", POSTFIX_MAIN.format(
            address=self.address, protocols=protocols, uid=self._uid(), more=more).replace(
                "regexp:{ { /^[^@]*/ all/ } }", "static:all/"))
        self.write("/etc/postfix/rcpt", f"/^{BAD}/ 550 5.1.1 no such mailbox here\n"
                   f"/^{LATER}/ 450 4.2.1 mailbox is busy\n")
        self.write("/etc/postfix/dynamicmaps.cf", "")
        host = f"[{self.address}]" if ":" in self.address else self.address
        self.write("/etc/postfix/master.cf", POSTFIX_MASTER + "".join(
            f"{host}:{port} inet n - n - - smtpd {options}\n" for port, options in services))
        for name in ("postfix-files", "postfix-script", "post-install", "postfix-tls-script", "postfix-wrapper"):
            for where in ("/etc/postfix/", "/usr/share/postfix/", "/usr/lib/postfix/sbin/"):
                if os.path.exists(self.root + where + name):
                    with open(self.root + where + name) as f:
                        self.write("/etc/postfix/" + name, f.read(), 0o755)
        self._spool()

    def _uid(self):
        return os.stat(self.path("/var/mail")).st_uid

    def _spool(self):
        # As `postfix check` would make them.
        spool = "/var/spool/postfix/"
        for name in ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private",
                     "saved", "trace"):
            self.own(spool + name, "postfix")
            os.chmod(self.path(spool + name), 0o700)
        for name, mode in (("public", 0o710), ("maildrop", 0o730)):
            self.own(spool + name, "postfix")
            os.chown(self.path(spool + name), -1, os.stat(self.path("/var/mail")).st_gid - self._drop_offset())
            os.chmod(self.path(spool + name), mode)
        os.makedirs(self.path(spool + "pid"))
        self.own("/var/lib/postfix", "postfix")

    @staticmethod
    def _drop_offset():
        from box import USERS
        return USERS.index("vmail") - USERS.index("postdrop")

    def _passwords(self):
        self.write("/etc/postfix/sasl/smtpd.conf", "pwcheck_method: auxprop\nauxprop_plugin: sasldb\n"
                   f"mech_list: {' '.join(MECHANISMS)}\nsasldb_path: /etc/postfix/sasldb2\n")
        self.run("saslpasswd2", "-c", "-p", "-f", "/etc/postfix/sasldb2", "-u", "hop.example", "relay",
                 input=PASSWORD.encode())
        os.chmod(self.path("/etc/postfix/sasldb2"), 0o644)

    def command(self):
        return ["/usr/lib/postfix/sbin/master", "-c", "/etc/postfix", "-d"]


EXIM = """primary_hostname = mx.hop.example
daemon_smtp_ports = {port}
local_interfaces = <; {address}
{ipv6}
spool_directory = /var/spool/exim4
log_file_path = /var/log/exim4-%s
pid_file_path = /run/exim4.pid
host_lookup =
rfc1413_query_timeout = 0s
notifier_socket =
message_size_limit = 100M
smtp_accept_max = 200
smtp_accept_queue_per_connection = 0
recipients_max = 50000
acl_smtp_rcpt = rcpt
acl_smtp_mail = accept
acl_smtp_data = accept
timeout_frozen_after = 1h
chunking_advertise_hosts = *
pipelining_connect_advertise_hosts =
{tls}
begin acl
rcpt:
  deny local_parts = ^{bad}
       message = no such mailbox here
  defer local_parts = ^{later}
        message = mailbox is busy
  accept domains = hop.example
  deny message = relay not permitted
begin routers
all:
  driver = accept
  transport = maildir
begin transports
maildir:
  driver = appendfile
  directory = /var/mail/all
  maildir_format
  user = vmail
  group = vmail
  delivery_date_add
  envelope_to_add
  return_path_add
begin retry
* * F,1h,1m
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and {{{{eq{{$auth2}}{{relay}}}}{{eq{{$auth3}}{{{password}}}}}}}}}
  server_advertise_condition = ${{if def:tls_in_cipher}}
"""


class Exim(Box):
    """Plain SMTP and, with authority=, STARTTLS with a good certificate and a login, on `port`."""
    hop = "exim"

    def configure(self):
        authority = self.options.get("authority")
        self.port = free_port()
        tls = "tls_advertise_hosts =\n"
        if authority:
            with open(authority.chain("good")) as f:
                self.write("/etc/exim4/good.pem", f.read())
            tls = ("tls_advertise_hosts = *\ntls_certificate = /etc/exim4/good.pem\n"
                   "tls_privatekey = /etc/exim4/good.pem\n")
        self.write("/etc/exim4/exim4.conf", EXIM.format(
            port=self.port, address=self.address, ipv6="disable_ipv6 = true", tls=tls, bad=BAD, later=LATER,
            password=PASSWORD))
        self.own("/var/spool/exim4", "Debian-exim")
        self.own("/var/log", "Debian-exim")

    def command(self):
        return ["/usr/sbin/exim4", "-bdf", "-q1m"]


OPENSMTPD = """{pki}smtp max-message-size 100M
table users {{ "@" = "vmail" }}
table bad file:/etc/bad
listen on {address} port {port} hostname mx.hop.example {tls}
action "in" maildir "/var/mail/all" virtual <users>
match from any for domain "hop.example" rcpt-to <bad> reject
match from any for domain "hop.example" action "in"
"""


class OpenSMTPD(Box):
    """Plain SMTP and, with authority=, STARTTLS with a good certificate, on `port`."""
    hop = "opensmtpd"

    def configure(self):
        authority = self.options.get("authority")
        self.port = free_port()
        pki = tls = ""
        if authority:
            with open(authority.chain("good")) as f:
                self.write("/etc/good.pem", f.read(), 0o600)
            pki = 'pki hop cert "/etc/good.pem"\npki hop key "/etc/good.pem"\n'
            tls = "tls pki hop"
        self.write("/etc/bad", "".join(f"{BAD}{n}@hop.example\n" for n in ("", "1", "2", "3")))
        self.write("/etc/smtpd.conf", OPENSMTPD.format(pki=pki, tls=tls, address=self.address, port=self.port))
        self.write("/etc/aliases", "")
        os.makedirs(self.path("/var/spool/smtpd"), 0o711)
        os.makedirs(self.path("/var/lib/opensmtpd/empty"))

    def command(self):
        return ["/usr/sbin/smtpd", "-d", "-f", "/etc/smtpd.conf"]


DOVECOT = """protocols = lmtp
base_dir = /run/dovecot
log_path = /var/log/dovecot
mail_location = maildir:~/Maildir
ssl = no
first_valid_uid = 0
auth_mechanisms = plain
lmtp_hdr_delivery_address = none
passdb {{
  driver = passwd-file
  args = /etc/dovecot/users
}}
userdb {{
  driver = passwd-file
  args = /etc/dovecot/users
}}
service lmtp {{
  inet_listener lmtp {{
    address = {address}
    port = {port}
  }}
  unix_listener lmtp {{
    mode = 0666
  }}
}}
protocol lmtp {{
  auth_username_format = %Ln
}}
"""


class Dovecot(Box):
    """LMTP on `port` and at `socket`, for the users box1 … box100 and broken1 … broken3, whose mailboxes cannot be
    written to. Other recipients do not exist."""
    hop = "dovecot"

    def configure(self):
        self.port = free_port()
        self.socket = self.path("/run/dovecot/lmtp")
        uid = os.stat(self.path("/var/mail")).st_uid
        users = ""
        for name in [f"box{i}" for i in range(1, 101)] + [f"{BROKEN}{i}" for i in range(1, 4)]:
            home = f"/var/mail/{name}"
            users += f"{name}:{{PLAIN}}{PASSWORD}:{uid}:{uid}::{home}::\n"
            self.own(home, "vmail")
            if name.startswith(BROKEN):
                os.chown(self.path(home), 0, 0)
                os.chmod(self.path(home), 0o500)
        self.write("/etc/dovecot/users", users)
        self.write("/etc/dovecot/dovecot.conf", DOVECOT.format(address=self.address, port=self.port))

    def command(self):
        return ["/usr/sbin/dovecot", "-F", "-c", "/etc/dovecot/dovecot.conf"]


SUBMISSION = """protocols = submission
base_dir = /run/dovecot
log_path = /var/log/dovecot
auth_verbose = yes
hostname = mx.hop.example
mail_location = maildir:~/Maildir
first_valid_uid = 0
ssl = required
ssl_cert = </etc/dovecot/good.pem
ssl_key = </etc/dovecot/good.pem
auth_mechanisms = {mechanisms}
auth_failure_delay = 0
passdb {{
  driver = oauth2
  mechanisms = oauthbearer xoauth2
  args = /etc/dovecot/oauth2.conf
}}
userdb {{
  driver = static
  args = uid=vmail gid=vmail home=/var/mail/%u
}}
# Who has failed is not made to wait.
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
submission_relay_host = {address}
submission_relay_port = {next}
service submission-login {{
  inet_listener submission {{
    address = {address}
    port = {port}
  }}
}}
"""
# The server judges tokens by itself: JSON Web Tokens (RFC 7519) signed with a key that both sides have.
OAUTH2 = """introspection_mode = local
local_validation_key_dict = fs:posix:prefix=/etc/dovecot/keys/
username_attribute = sub
"""
KEY = b"a key of thirty-two bytes at least"


class Submission(Box):
    """Dovecot's submission server on `port`, with STARTTLS and a good certificate (authority=), where a token is what one
    logs in with. next=: the port of a server that it hands the mail to."""
    hop = "submission"

    def configure(self):
        self.port = free_port()
        with open(self.options["authority"].chain("good")) as f:
            self.write("/etc/dovecot/good.pem", f.read(), 0o600)
        self.write("/etc/dovecot/oauth2.conf", OAUTH2)
        self.write("/etc/dovecot/keys/default/HS256/default", base64.b64encode(KEY).decode())
        self.write("/etc/dovecot/dovecot.conf", SUBMISSION.format(
            address=self.address, port=self.port, next=self.options["next"],
            mechanisms=self.options.get("mechanisms", "oauthbearer xoauth2")))

    def command(self):
        return ["/usr/sbin/dovecot", "-F", "-c", "/etc/dovecot/dovecot.conf"]

    @staticmethod
    def token(user, seconds=3600, key=KEY):
        """For USER, good for so many SECONDS from now."""
        now = int(time.time())

        def part(data):
            return base64.urlsafe_b64encode(data).rstrip(b"=")

        text = b".".join(part(json.dumps(x).encode()) for x in (
            {"alg": "HS256", "typ": "JWT"},
            {"sub": user, "iat": now - 7200, "nbf": now - 7200, "exp": now + seconds}))
        return (text + b"." + part(hmac.new(key, text, hashlib.sha256).digest())).decode()
