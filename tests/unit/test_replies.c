/* test_replies - the dictionary of replies, with texts as servers and our own programs write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/mem.h"
#include "lib/mail/replies.h"

struct reply_case {
	const char *row; /* NULL: nothing is known */
	const char *text;
	const char *dsn;
};

static const struct reply_case cases[] = {
    {"no-ptr",
	"host gmail-smtp-in.l.google.com[192.0.2.26] said: 550-5.7.25 [198.51.100.7] The IP "
	"address "
	"sending this message does not have a 550-5.7.25 PTR record setup, or the corresponding "
	"forward DNS entry does not 550 5.7.25 point to the sending IP. - gsmtp (in reply to end "
	"of "
	"DATA command)",
	"5.7.25"},
    {"no-ptr", "450 4.7.1 Client host rejected: cannot find your reverse hostname, [198.51.100.7]",
	""},
    {"no-ptr", "450 4.7.1 Client host 198.51.100.7 has no PTR record (G1F)", ""},
    {"no-ptr",
	"host mx00.gmx.net[192.0.2.4] said: 554-gmx.net (mxgmx104) Nemesis ESMTP Service not "
	"available 554-No SMTP service 554 Bad DNS PTR resource record.",
	"5.0.0"},
    {"dmarc",
	"550 5.7.509: Access denied, sending domain example.org does not pass DMARC verification "
	"and "
	"has a DMARC policy of reject.",
	"5.7.509"},
    {"dmarc",
	"smtp; 550-5.7.26 Unauthenticated email from example.org is not accepted due to domain's "
	"550-5.7.26 DMARC policy. Please contact the administrator of example.org domain",
	""},
    {"dmarc",
	"550 DMARC check failed http://service.mail.qq.com/cgi-bin/help?subtype=1&&no=1001508", ""},
    {"ms-authentication-level",
	"550 5.7.515 Access denied, sending domain example.org doesn't meet the required "
	"authentication level.",
	""},
    {"spf", "550 5.7.23 The message was rejected because of Sender Policy Framework violation", ""},
    {"spf",
	"550 <bob@example.com>: Reject due to SPF policy. The originating IP of the message is not "
	"permitted by the domain owner",
	""},
    {"spf",
	"421-4.7.27 Your email has been rate limited because SPF authentication didn't pass for "
	"this message.",
	""},
    {"dkim", "550 5.7.20 No passing DKIM signature found", ""},
    {"dkim", "550-5.7.1 DKIM signature verification failed", ""},
    {"unauthenticated",
	"host gmail-smtp-in.l.google.com[192.0.2.27] said: 550-5.7.26 This mail has been blocked "
	"because "
	"the sender is unauthenticated. 550-5.7.26 Gmail requires all senders to authenticate with "
	"either SPF or DKIM. (in reply to end of DATA command)",
	"5.7.26"},
    {"gmail-ipv6",
	"550-5.7.1 [2001:db8::7] Our system has detected that this message does 550-5.7.1 not meet "
	"IPv6 "
	"sending guidelines regarding PTR records and 550-5.7.1 authentication.",
	""},
    {"gmail-rate",
	"host smtp.google.com[192.0.2.27] said: 421-4.7.28 Gmail has detected an unusual rate of "
	"unsolicited mail. To protect 421-4.7.28 our users from spam, mail has been temporarily "
	"rate "
	"limited.",
	"4.7.28"},
    {"gmail-rate",
	"550-5.7.1 [198.51.100.7] Our system has detected an unusual rate 550-5.7.1 of unsolicited "
	"mail "
	"originating from your IP address.",
	""},
    {"gmail-tls-rate",
	"421-4.7.29 Your email has been rate limited because this message wasn't sent over a TLS "
	"connection.",
	""},
    {"gmail-reputation",
	"550-5.7.1 [198.51.100.7 19] Gmail has detected that this message is likely suspicious due "
	"to "
	"the very low reputation of the sending domain.",
	""},
    {"gmail-receiving-rate",
	"450-4.2.1 The user you are trying to contact is receiving mail at a rate that prevents "
	"additional messages from being delivered.",
	""},
    {"gmail-receiving-rate", "432 4.3.2 STOREDRV.Deliver; recipient thread limit exceeded", ""},
    {"gmail-receiving-rate", "550 Mailbox unavailable or access denied", ""},
    {"daily-limit", "550-5.4.5 Daily user sending limit exceeded. For more information on Gmail",
	""},
    {"ms-block-list",
	"host eur.olc.protection.outlook.com[192.0.2.33] said: 550 5.7.1 Unfortunately, messages "
	"from "
	"[198.51.100.7] weren't sent. Please contact your Internet service provider since part of "
	"their "
	"network is on our block list (S3150). You can also refer your provider to "
	"http://mail.live.com/mail/troubleshooting.aspx#errors. (in reply to MAIL FROM command)",
	""},
    {"ms-block-list",
	"550 5.7.1 Unfortunately, messages from [198.51.100.7] weren't sent. (S3140).", ""},
    {"ms-block-list", "550 5.7.606 Access denied, banned sending IP [198.51.100.7]", ""},
    {"ms-rate",
	"421 RP-001 (BAY004-MC1F5) Unfortunately, some messages from 198.51.100.7 weren't sent. "
	"Please "
	"try again. We have limits for how many messages can be sent per hour and per day.",
	""},
    {"ms-rate",
	"451 4.7.650 The mail server [198.51.100.7] has been temporarily rate limited due to IP "
	"reputation.",
	""},
    {"ms-tenant",
	"550 5.7.708 Service unavailable. Access denied, traffic not accepted from this IP.", ""},
    {"ms-recipient",
	"550 5.4.1 Recipient address rejected: Access denied. "
	"[DB5EUR01FT007.eop-EUR01.prod.protection.outlook.com]",
	""},
    {"qq-content",
	"550 Mail content denied. "
	"http://service.mail.qq.com/cgi-bin/help?subtype=1&&id=20022&&no=1000726",
	""},
    {"qq-frequency",
	"550 Connection frequency limited. "
	"http://service.mail.qq.com/cgi-bin/help?subtype=1&&no=1000722",
	""},
    {"qq-frequency", "550 Ip frequency limited. http://service.mail.qq.com/cgi-bin/help?no=1000725",
	""},
    {"qq-frequency", "550 Domain frequency limited.", ""},
    {"qq-recipient", "550 Mail is rejected by recipients http://service.mail.qq.com/", ""},
    {"netease-content",
	"554 DT:SPM 163 smtp10,AkUQrAB3a_x2,1.2.3,please see "
	"http://mail.163.com/help/help_spam_16.htm",
	""},
    {"netease-content", "451 DT:SPM ,please try again", ""},
    {"netease-rate", "421 HL:IFC 163 mx25,http://mail.163.com/help/help_spam_16.htm", ""},
    {"netease-rate", "451 MI:SFQ 163 smtp3, http://mail.163.com/help/help_spam_16.htm", ""},
    {"netease-reputation", "421 HL:REP 163 mx12, http://mail.163.com/help/help_spam_16.htm", ""},
    {"netease-reputation", "450 DT:RBL", ""},
    {"yahoo-rate",
	"421 4.7.0 [TSS04] Messages from 198.51.100.7 temporarily deferred due to unexpected "
	"volume or "
	"user complaints - 4.16.55.1; see https://postmaster.yahooinc.com/error-codes",
	"4.7.0"},
    {"yahoo-block",
	"553 5.7.1 [BL21] Connections will not be accepted from 198.51.100.7, because the ip "
	"is in Spamhaus's list",
	""},
    {"t-online",
	"554 IP=198.51.100.7 - None/bad reputation. Ask your postmaster for help or to contact "
	"tosa@rx.t-online.de for reset. (NOWL)",
	""},
    {"apple",
	"554 5.7.1 [HM08] Message rejected due to local policy. See "
	"https://support.apple.com/en-us/HT204137",
	""},
    {"orange",
	"421 mwinf5c08 ME Trop de connexions, veuillez verifier votre configuration. Too many "
	"connections, slow down. OFR004_104",
	""},
    {"dnsbl-resolver",
	"554 5.7.1 Service unavailable; Client host [198.51.100.7] blocked using zen.spamhaus.org; "
	"Error: "
	"open resolver; https://check.spamhaus.org/returnc/pub/192.0.2.53/",
	""},
    {"dnsbl-policy",
	"550 5.7.1 Service unavailable, Client host [198.51.100.7] blocked using pbl.spamhaus.org",
	""},
    {"dnsbl",
	"554 5.7.1 Service unavailable; Client host [198.51.100.7] blocked using zen.spamhaus.org; "
	"https://www.spamhaus.org/query/ip/198.51.100.7",
	""},
    {"dnsbl",
	"host mx.example.com[192.0.2.1] refused to talk to me: 554-mx.example.com 554 Your access "
	"to this mail system has been rejected: listed at bl.example.net",
	""},
    {"dnsbl", "550 5.7.1 Rejecting mail, 198.51.100.7 is blacklisted", ""},
    {"tls-required", "530 5.7.0 Must issue a STARTTLS command first", ""},
    {"tls-required", "554 5.7.10 Encryption needed", ""},
    {"tls-not-offered", "TLS is required, but was not offered by host mx.example.com[192.0.2.1]",
	"4.7.4"},
    {"tls-certificate", "Server certificate not trusted", "4.7.5"},
    {"tls-certificate", "TLSA lookup error for mx.example.com:25", "4.7.5"},
    {"tls-handshake", "Cannot start TLS: handshake failure", "4.7.5"},
    {"app-password",
	"534-5.7.9 Application-specific password required. For more information, go to", ""},
    {"app-password",
	"SASL authentication failed; server smtp.office365.com[192.0.2.5] said: 535 5.7.139 "
	"Authentication unsuccessful, basic authentication is disabled.",
	"4.7.139"},
    {"auth-failed",
	"SASL authentication failed; server smtp.gmail.com[192.0.2.6] said: 535-5.7.8 Username and "
	"Password not accepted. For more information, go to 535 5.7.8  "
	"https://support.google.com/mail/?p=BadCredentials",
	"4.7.8"},
    {"auth-failed", "535 Authentication credentials invalid", ""},
    {"auth-no-mechanism",
	"SASL authentication failed; cannot authenticate to server smtp.example.com[192.0.2.1]: no "
	"mechanism available",
	"4.7.0"},
    {"auth-required", "530 5.7.0 Authentication required", ""},
    {"auth-required",
	"530 5.7.57 SMTP; Client was not authenticated to send anonymous mail during MAIL FROM",
	""},
    {"sender-not-owned",
	"553 5.7.1 <alice@example.org>: Sender address rejected: not owned by user bob@example.org",
	""},
    {"sender-not-owned", "550 5.7.60 SMTP; Client does not have permissions to send as this sender",
	""},
    {"relay-denied", "554 5.7.1 <bob@example.com>: Relay access denied", ""},
    {"relay-denied", "550 5.7.64 TenantAttribution; Relay Access Denied [ValidationStatus of '']",
	""},
    {"relay-denied", "550 relay not permitted", ""},
    {"too-large", "552 5.3.4 Message size exceeds fixed limit", ""},
    {"too-large",
	"message size 52428800 exceeds size limit 26214400 of server mx.example.com[192.0.2.1]",
	"5.3.4"},
    {"virus", "554 5.7.1 virus Eicar-Test-Signature detected by ClamAV", ""},
    {"attachment",
	"552-5.7.0 This message was blocked because its content presents a potential 552-5.7.0 "
	"security "
	"issue.",
	""},
    {"malformed",
	"550-5.7.1 Messages missing a valid address in From: header, or having no From:", ""},
    {"malformed", "521 5.5.2 mx.example.com Error: bare <LF> received", ""},
    {"spam", "571 5.7.1 message classified as spam", ""},
    {"spam", "550 High probability of spam: is spam by score 12", ""},
    {"utf8", "SMTPUTF8 is required, but was not offered by host mx.example.com[192.0.2.1]",
	"5.6.7"},
    {"null-mx", "Domain example.com does not accept mail (nullMX)", "5.1.0"},
    {"null-mx", "556 5.1.10 Recipient address has null MX", ""},
    {"user-unknown",
	"host mx.example.com[192.0.2.1] said: 550-5.1.1 The email account that you tried to reach "
	"does "
	"not exist. (in reply to RCPT TO command)",
	"5.1.1"},
    {"user-unknown",
	"host spam-is-spam.example[192.0.2.1] said: 550 5.1.1 <as spam@example.com>: Recipient "
	"address rejected: User unknown in local recipient table",
	"5.1.1"},
    {"user-unknown", "554 delivery error: dd This user doesn't have a yahoo.com account", ""},
    {"user-unknown", "550 Mailbox not found. http://service.mail.qq.com/", ""},
    {"user-unknown", "550 Requested action not taken: mailbox unavailable", ""},
    {"user-unknown", "unknown user: \"bob\"", "5.1.1"},
    {"mailbox-disabled", "550 5.2.1 The email account that you tried to reach is disabled.", ""},
    {"mailbox-full", "552-5.2.2 The email account that you tried to reach is over quota.", ""},
    {"mailbox-full", "422 4.2.2 Quota limit exceeded", ""},
    {"server-full", "452 4.3.1 Insufficient system storage", ""},
    {"sender-domain", "550 5.1.8 <x@nowhere.invalid>: Sender address rejected: Domain not found",
	""},
    {"sender-domain", "550 Sender verify failed", ""},
    {"helo", "504 5.5.2 <localhost>: Helo command rejected: need fully-qualified hostname", ""},
    {"greylisting",
	"450 4.2.0 <bob@example.com>: Recipient address rejected: Greylisted, see "
	"http://postgrey.schweikert.ch/help/example.com.html",
	"4.2.0"},
    {"greylisting", "451 4.7.1 Please try again later", ""},
    {"too-many-recipients", "452 4.5.3 Error: too many recipients", ""},
    {"rate", "421 4.7.0 mx.example.com Error: too many connections from 198.51.100.7", ""},
    {"rate", "421 Rate limit reached. Please try again later", ""},
    {"unsupported-port", "Requested action not taken: no smtp MX only", ""},
    {"dns-again",
	"Host or domain name not found. Name service error for name=example.com type=MX: Host not "
	"found, "
	"try again",
	"4.4.3"},
    {"no-domain",
	"Host or domain name not found. Name service error for name=exmaple.com type=A: Host not "
	"found",
	"5.4.4"},
    {"loop", "mail for example.com loops back to myself", "5.4.6"},
    {"loop", "554 5.4.14 Hop count exceeded - possible mail loop ATTR34", ""},
    {"port-25-blocked", "connect to mx.example.com[192.0.2.1]:25: Connection timed out", "4.4.1"},
    {"connect-timeout", "connect to relay.example.com[192.0.2.1]:587: Connection timed out",
	"4.4.1"},
    {"connect-refused", "connect to mx.example.com[192.0.2.1]:25: Connection refused", "4.4.1"},
    {"unreachable", "connect to mx.example.com[2001:db8::1]:25: Network is unreachable", "4.4.1"},
    {"connection-lost",
	"lost connection with mx.example.com[192.0.2.1] while receiving the initial server "
	"greeting",
	"4.4.2"},
    {"connection-lost",
	"conversation with mx.example.com[192.0.2.1] timed out while sending RCPT TO", "4.4.2"},
    {"expired", "delivery time expired", "4.4.7"},
    {"dnssec",
	"Host or domain name not found. Name service error for name=example.com type=MX: DNSSEC "
	"validation "
	"failed (127.0.0.1: bogus)",
	"4.7.5"},
    {"no-domain",
	"Host or domain name not found. Name service error for name=example.com type=AAAA: Host "
	"found but no "
	"data record of requested type",
	"5.4.4"},
    {"tls-settings", "TLS is not usable: smtp_tls_CAfile: /etc/nothing: No such file or directory",
	"4.7.5"},
    {"mta-sts", "the MTA-STS policy of example.com does not have the host mx.example.net", "4.7.5"},
    {"mta-sts", "MTA-STS policy of example.com is not known: mtasts does not answer (timeout)",
	"4.7.5"},
    {"tls-settings", "TLS policy for example.com: unknown level \"securely\"", "4.7.5"},
    {"transport", "mail transport unavailable", "4.3.0"},
    {"port-25-blocked",
	"delivery temporarily suspended: connect to mx.example.com[192.0.2.1]:25: Connection timed "
	"out",
	"4.4.1"},
    {"permission",
	"maildir delivery failed: create maildir file /home/bob/Maildir/tmp/1: Permission denied",
	"4.3.0"},
    {"busy", "451 4.3.0 Temporary lookup failure", ""},
    {"busy", "421 mx.example.com Service not available, closing transmission channel", ""},
    {"policy", "550 5.7.1 Message refused by local rules", ""},
    {"policy", "554 Denied by policy", ""},
    /* What says nothing gets no advice, whatever it looks like. */
    {NULL, "", ""},
    {NULL, "reason unavailable", ""},
    {NULL, "250 2.0.0 Ok: queued as 4jXKcV6sGYz8", "2.0.0"},
    {NULL, "delivered to maildir", "2.0.0"},
    {NULL, "999 5.1.1", ""},
    {NULL, "host user-unknown.example[192.0.2.1] said: 451 foo (in reply to RCPT TO command)",
	"4.0.0"},
    {NULL, "451 <user unknown@example.com> foo", ""},
};

static void
test_cases(void **state)
{
	size_t rows = 0, wrong = 0, n = sizeof(cases) / sizeof(cases[0]);
	bool *hit;

	(void)state;
	while (reply_advice_at(rows))
		rows++;
	hit = mem_array(rows, sizeof(bool));
	for (size_t i = 0; i < n; i++) {
		const struct reply_advice *a =
		    reply_advice(str_c(cases[i].text), str_c(cases[i].dsn));
		const char *name = a ? a->name : "nothing", *want = cases[i].row;

		if (strcmp(name, want ? want : "nothing") != 0) {
			wrong++;
			print_error(
			    "%s: is %s, not %s\n", cases[i].text, name, want ? want : "nothing");
		}
		for (size_t row = 0; row < rows; row++)
			if (reply_advice_at(row) == a)
				hit[row] = true;
	}
	for (size_t row = 0; row < rows; row++)
		if (!hit[row]) {
			wrong++;
			print_error("no case has %s\n", reply_advice_at(row)->name);
		}
	free(hit);
	assert_int_equal(wrong, 0);
}

/* Names are there once; what people read are sentences. */
static void
test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; reply_advice_at(i); i++) {
		const struct reply_advice *a = reply_advice_at(i);

		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(a->name, reply_advice_at(j)->name);
		assert_true(str_ends_nocase(str_c(a->cause), STR(".")));
		assert_true(str_ends_nocase(str_c(a->remedy), STR(".")));
	}
}

/* Bytes of any kind, and much of them. */
static void
test_bytes(void **state)
{
	size_t size = 100000;
	char *many = mem_alloc(size);
	static const char with_nul[] = "550 5.1.1\0user unknown";

	(void)state;
	memset(many, '<', size);
	assert_null(reply_advice(str_n(many, size), STR_EMPTY));
	memset(many, 'x', size);
	memcpy(many, "550 5.1.1 ", 10);
	assert_string_equal(reply_advice(str_n(many, size), STR_EMPTY)->name, "user-unknown");
	assert_string_equal(
	    reply_advice(str_n(with_nul, sizeof(with_nul) - 1), STR_EMPTY)->name, "user-unknown");
	free(many);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_cases),
	    cmocka_unit_test(test_rows),
	    cmocka_unit_test(test_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
