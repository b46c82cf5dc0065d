/*
 * replies_table - what well-known replies mean, one row each
 *
 * Facts gathered from the pages of providers and from replies that servers gave; the words are our own.
 * Particular rows first. A row is named by what is wrong, or by who says it.
 */
#include "lib/mail/replies_table.h"

const struct reply_row reply_rows[] = {
    {{"gmail-ipv6",
	 "Gmail takes mail over IPv6 only from addresses with a reverse DNS name that leads back "
	 "to them, and with SPF or DKIM passing.",
	 "Have the PTR record of the IPv6 address set and the address listed in SPF, or send over "
	 "IPv4 (smtp_address_preference = ipv4, inet_protocols = ipv4)."},
	{{NULL, NULL, "ipv6 sending guidelines"}}},
    {{"no-ptr",
	 "The sending address has no reverse DNS name (PTR record), or that name does not lead "
	 "back to the address.",
	 "Whoever provides the address (hosting or access provider) can set its PTR record; let it "
	 "name this server's myhostname, and let that name's A or AAAA record be the address."},
	{{NULL, "7.25", NULL},
	    {NULL, NULL,
		"ptr record|ptr lookup|bad dns ptr|no ptr|cannot find your reverse hostname|cannot "
		"find your hostname|reverse dns|reverse hostname|no proper reverse mapping|does "
		"not resolve to * hostname"}}},
    {{"dmarc",
	 "The sender's domain has a DMARC policy that tells receivers to refuse mail which proves "
	 "neither by SPF nor by DKIM that it comes from that domain.",
	 "Send such mail by a server that the domain's SPF record names, or have it signed with a "
	 "DKIM key of the domain in From:. Mail that is forwarded or sent by a list needs a "
	 "signature that survives."},
	{{NULL, "7.509", NULL},
	    {NULL, NULL,
		"dmarc policy|dmarc check failed|dmarc verification|dmarc validation|failed "
		"dmarc|dmarc evaluation|violates dmarc"}}},
    {{"ms-authentication-level",
	 "Microsoft's consumer services want SPF, DKIM and DMARC to pass for domains that send "
	 "much mail to them; this domain's do not.",
	 "Publish SPF, DKIM and DMARC records for the domain in From:, and sign with a key of that "
	 "domain."},
	{{NULL, "7.515", NULL}}},
    {{"spf", "The SPF record of the sender's domain does not list this server's address.",
	 "Add the address (or include the relay) in the TXT record \"v=spf1 ...\" of the domain, "
	 "or send by a server that it lists. Forwarded mail fails SPF unless the sender is "
	 "rewritten."},
	{{NULL, NULL,
	     "spf check|spf policy|sender policy framework|spf validation|spf fail|failed spf|does "
	     "not designate|spf: fail|spf hard fail"},
	    {NULL, "7.27", NULL}}},
    {{"dkim",
	 "The message has no valid DKIM signature of its sender's domain, and the receiver wants "
	 "one.",
	 "Sign outgoing mail, and compare the public key in DNS (selector._domainkey.domain) with "
	 "the one that is used for signing. Nothing may change the message after it was signed."},
	{{NULL, "7.20|7.21|7.22|7.30", NULL},
	    {NULL, NULL, "dkim signature|dkim check|dkim verif|dkim validation|no dkim"}}},
    {{"unauthenticated",
	 "The receiver takes no mail from domains that prove neither by SPF nor by DKIM who they "
	 "are.",
	 "Publish an SPF record that lists this server's addresses (IPv4 and IPv6), or sign with "
	 "DKIM, better both; or send through a relay that does (relayhost)."},
	{{NULL, "7.26", NULL},
	    {NULL, NULL,
		"sender is unauthenticated|unauthenticated email|is not authenticated * spf"}}},
    {{"gmail-rate",
	 "Gmail has limited mail from this address or domain: more of it than usual, or more "
	 "complaints.",
	 "The mail is tried again by itself. Look for an account or a web form that sends spam "
	 "(postqueue --by reason; the senders in postqueue -p), send more slowly, and see what "
	 "Google's Postmaster Tools say."},
	{{NULL, "7.28", NULL}, {NULL, NULL, "unusual rate of"}}},
    {{"gmail-tls-rate", "The receiver limits mail that comes without TLS.",
	 "Let smtp use TLS: smtp_tls_security_level = may."},
	{{NULL, "7.29", NULL}}},
    {{"gmail-reputation",
	 "The receiver takes the message for unsolicited, because of its content or because the "
	 "sending address or domain has a bad name.",
	 "Find out whether spam leaves this server, ask recipients who want the mail to mark it as "
	 "no spam, and let new addresses begin with little mail."},
	{{NULL, NULL,
	    "likely unsolicited|likely suspicious|very low reputation|low reputation of the "
	    "sending"}}},
    {{"gmail-receiving-rate",
	 "The recipient gets more mail at present than the provider lets through.",
	 "It is tried again by itself. Do not send to this recipient that often."},
	{{NULL, NULL,
	    "receiving mail at a rate|received too much email in a short|mailbox unavailable or "
	    "access denied|recipient thread limit"}}},
    {{"daily-limit",
	 "The account that is used with the relay has sent as much as it may within a day.",
	 "Wait until the provider's limit ends, or send through another relay (relayhost, "
	 "sender_dependent_relayhost_maps)."},
	{{NULL, NULL,
	    "daily user sending limit|daily sending quota|sending quota exceeded|daily limit "
	    "exceeded|exceeded * messages per day|sending limit exceeded"}}},
    {{"ms-block-list", "Microsoft blocks the address of this server, or the network it belongs to.",
	 "Look the address up in Microsoft's SNDS, make sure that no spam leaves it, and ask for "
	 "its removal with the sender support form of outlook.com. Networks of cheap hosts are "
	 "often blocked as a whole: a relay (relayhost) helps at once."},
	{{NULL, NULL,
	     "(s3140)|(s3150)|(s3115)|part of their network is on our block list|banned sending "
	     "ip|block list (as"},
	    {NULL, "7.606|7.511", NULL}}},
    {{"ms-rate",
	 "Microsoft limits how much it takes from this address for now; new addresses without a "
	 "history get little.",
	 "It is tried again by itself. Send less at once (default_destination_concurrency_limit, "
	 "default_destination_rate_delay), and register the address with Microsoft's SNDS."},
	{{"4", "7.650|7.651|7.652|7.500", NULL},
	    {NULL, NULL, "rp-001|rp-002|rp-003|rate limited due to ip reputation"}}},
    {{"ms-tenant",
	 "Microsoft has limited what this tenant may send: a new one, or one that has sent spam.",
	 "The tenant's administrator sees and lifts it in the Microsoft 365 admin centre."},
	{{NULL, "7.705|7.708|7.750|1.8", "access denied|tenant"}}},
    {{"ms-recipient", "The recipient's organisation at Microsoft knows no such address.",
	 "Compare the address with the one the recipient gave."},
	{{NULL, "4.1", "recipient address rejected: access denied"}}},
    {{"qq-content", "QQ takes the content for bulk mail or spam.",
	 "Change subject and text, leave out links and pictures from elsewhere, and send it to "
	 "fewer recipients at once."},
	{{NULL, NULL, "mail content denied|suspected spam sender|service.*mail.qq.com*1000726"}}},
    {{"qq-frequency",
	 "QQ has counted too many messages from this sender, domain or address within a minute, an "
	 "hour or a day.",
	 "Send more slowly to qq.com (a transport of its own with default_destination_rate_delay), "
	 "later again; publish SPF and DKIM, for unknown domains get less."},
	{{NULL, NULL, "frequency limited"}}},
    {{"qq-recipient", "The recipient at QQ has a rule that refuses this sender.",
	 "Ask the recipient, by another way, to allow the sender."},
	{{NULL, NULL, "mail is rejected by recipients"}}},
    {{"netease-content",
	 "NetEase (163.com, 126.com, yeah.net) takes the message for spam, because of its content "
	 "or of how this server sends.",
	 "Change subject and text; publish SPF and DKIM; see that the PTR record names this "
	 "server. A reply 451 DT:SPM is tried again by itself."},
	{{NULL, NULL, "dt:spm|dt:spt|dt:ilf|dt:sum"}}},
    {{"netease-rate",
	 "NetEase (163.com, 126.com, yeah.net) limits connections, recipients or messages from "
	 "this address, or from this sender.",
	 "Send more slowly: a transport of its own for these domains with a low concurrency limit "
	 "and a rate delay."},
	{{NULL, NULL,
	    "hl:icc|hl:ifc|mi:dmc|mi:sfq|mi:ccl|mi:cel|rp:drc|rp:trc|rp:qrc|rp:ccl|rp:cel|rp:"
	    "rcl"}}},
    {{"netease-reputation",
	 "NetEase (163.com, 126.com, yeah.net) has seen many wrong recipients or forged senders "
	 "from this address, or has it on a list.",
	 "Remove recipients that do not exist from lists, and make sure that nobody sends spam by "
	 "this server; the block ends by itself after some time."},
	{{NULL, NULL, "hl:rep|hl:mep|dt:rbl|wm:bli|wm:blu|mail.163.com/help"}}},
    {{"yahoo-rate",
	 "Yahoo (and AOL) puts off mail from this address: more of it than usual, or complaints of "
	 "recipients.",
	 "It is tried again by itself, for hours perhaps. Look for the source of spam, and enroll "
	 "in Yahoo's complaint feedback loop."},
	{{NULL, NULL,
	    "[tss0|[ts0|unexpected volume or user complaints|temporarily deferred due to user "
	    "complaints"}}},
    {{"yahoo-block",
	 "Yahoo (and AOL) takes nothing from this address: it is on a list, or has sent spam.",
	 "Look the address up at Spamhaus, stop the spam, and ask Yahoo's postmaster pages for its "
	 "removal."},
	{{NULL, NULL, "[bl2|[bl1|permanently deferred|message not allowed - [ph01]"}}},
    {{"t-online",
	 "T-Online takes no mail from servers that it does not know, or whose name shows no person "
	 "or company behind it.",
	 "Write to the address in the reply and ask to be allowed; it wants a web page with an "
	 "imprint under the server's domain. Until then use a relay (relayhost)."},
	{{NULL, NULL, "rx.t-online.de"}}},
    {{"apple", "iCloud refuses the message by its own rules: reputation, content or sender domain.",
	 "See that SPF, DKIM and DMARC pass, stop unwanted mail, and write to Apple's postmaster "
	 "when it goes on."},
	{{NULL, NULL, "[hm07]|[hm08]|[cs01]|[hme1]"}}},
    {{"orange", "Orange and Wanadoo limit or block mail from this address.",
	 "Open fewer connections at once (a transport of its own with a concurrency limit of 1 or "
	 "2), and ask Orange's abuse desk when it goes on."},
	{{NULL, NULL, "ofr004|ofr005|ofr006|ofr_|trop de connexions"}}},
    {{"dnsbl-resolver",
	 "The receiving server asks its block list in a way that the list does not allow (through "
	 "a public resolver, or too often), and takes the error for a listing. This server is not "
	 "listed for that reason.",
	 "Only the receiver's postmaster can mend it: write to them by another way."},
	{{NULL, NULL,
	    "error: open resolver|public resolver|public/open resolver|excessive "
	    "queries|127.255.255."}}},
    {{"dnsbl-policy",
	 "The address stands in a list of addresses that are not meant to send mail directly: "
	 "those of homes, and of dynamic assignment (PBL and the like).",
	 "Send through your provider's mail server (relayhost), or, if the address is yours for "
	 "good, have it taken off the list."},
	{{NULL, NULL,
	    "pbl.spamhaus|/pbl/|dul.dnsbl|dul.sorbs|dynamic ip|dynamic/residential|dialup|generic "
	    "ptr|residential"}}},
    {{"dnsbl",
	 "The receiver asks a DNS block list, and the sending address (or a domain in the message) "
	 "is on it.",
	 "The list's own page says why and how to be taken off; find the source of the spam first, "
	 "or the address is listed again. Until then a relay helps (relayhost)."},
	{{NULL, NULL,
	     "spamhaus|barracudacentral|barracudanetworks.com/"
	     "reputation|spamcop|sorbs.net|manitu.net|uceprotect|invaluement|senderscore|abuseat|"
	     "mailspike|0spam|psbl."},
	    {NULL, NULL,
		"blocked using|dnsbl| rbl|rbl:|listed in|listed at|listed on|blacklist|block "
		"list|blocklist|black ip|denylist"}}},
    {{"tls-required", "The server takes mail only over TLS.",
	 "Let smtp use TLS: smtp_tls_security_level = may, or encrypt for this destination "
	 "(smtp_tls_policy_maps). A server on port 465 needs smtp_tls_wrappermode = yes."},
	{{NULL, "7.10", NULL},
	    {NULL, NULL,
		"starttls command first|starttls is required|starttls first|encryption "
		"required|encryption is required|requires tls|must use tls|tls required"}}},
    {{"tls-not-offered",
	 "The settings here want TLS for this destination, and its server does not offer it.",
	 "Ask the other side; or lower the level for this destination in smtp_tls_policy_maps if "
	 "its mail may go unprotected."},
	{{NULL, NULL, "tls is required, but"}}},
    {{"tls-settings",
	 "The settings for TLS on this side are wrong, so that mail waits instead of going out "
	 "unprotected.",
	 "The text names the parameter; postkeep check names all that is wrong, with file and "
	 "line."},
	{{NULL, NULL, "tls is not usable|tls policy for|smtp_tls_wrappermode needs"}}},
    {{"mta-sts",
	 "The domain has a policy (MTA-STS) that its servers must keep: it could not be fetched, "
	 "or this server does not keep it.",
	 "Only the domain's owner can mend its servers. smtp_tls_policy_maps can make an exception "
	 "for one domain."},
	{{NULL, NULL, "mta-sts"}}},
    {{"tls-certificate",
	 "The server's certificate is not what the settings here (or DANE, or MTA-STS) want: "
	 "unknown issuer, other name, or expired.",
	 "The log has the details. If the server's name is another one on purpose, give it with "
	 "match= in smtp_tls_policy_maps; an authority of your own goes into smtp_tls_CAfile."},
	{{NULL, NULL,
	    "certificate not trusted|certificate not verified|certificate verif|certificate has "
	    "expired|certificate mismatch|certificate fingerprint|tlsa|dane "}}},
    {{"tls-handshake", "Encryption could not be agreed on with the server.",
	 "Try it by hand: openssl s_client -starttls smtp -connect HOST:25. Old servers may need "
	 "smtp_tls_protocols or smtp_tls_ciphers widened; on port 465 smtp_tls_wrappermode = yes "
	 "is needed."},
	{{NULL, NULL,
	    "cannot start tls|tls handshake|ssl_connect error|handshake failure|wrong version "
	    "number"}}},
    {{"app-password",
	 "The provider does not take the account's ordinary password from a mail program.",
	 "Make an app password in the account's security settings and put it into the table of "
	 "smtp_sasl_password_maps."},
	{{NULL, "7.9|7.14|7.139", NULL},
	    {NULL, NULL,
		"application-specific password|app password|please log in via your web "
		"browser|less secure app|basic authentication is disabled"}}},
    {{"auth-no-mechanism", "The server and the settings here have no way to log in in common.",
	 "See what the server offers after EHLO (postkeep probe), and smtp_sasl_security_options "
	 "and smtp_sasl_mechanism_filter. PLAIN and LOGIN are used without TLS only if noplaintext "
	 "is not among the options."},
	{{NULL, NULL,
	    "no mechanism available|no worthy mech|no matching sasl mechanism|no common "
	    "mechanism"}}},
    {{"auth-failed", "The server does not accept user name and password.",
	 "Compare the line for this server in the table of smtp_sasl_password_maps (the key is the "
	 "next hop as relayhost has it, brackets and port included). Many providers want an app "
	 "password instead of the account's own."},
	{{"535", NULL, NULL},
	    {NULL, NULL,
		"username and password not accepted|sasl authentication failed|authentication "
		"failed|authentication credentials invalid|authentication unsuccessful|invalid "
		"login|too much fail authentication"}}},
    {{"auth-required",
	 "The server wants a login before it takes mail: it is a relay for its own users.",
	 "Set smtp_sasl_auth_enable = yes and smtp_sasl_password_maps for it. If it should take "
	 "the mail as the recipient's server, it is the wrong host or port: mail for others goes "
	 "to port 25."},
	{{"530", "7.0|7.1|5.1", NULL}, {NULL, "7.57", NULL},
	    {NULL, NULL,
		"authentication required|authentication is required|must authenticate|client was "
		"not authenticated|smtp auth required|need to authenticate|not logged in"}}},
    {{"sender-not-owned",
	 "The account that this server logs in with may not send with this sender's address.",
	 "Send with the account's own address (smtp_generic_maps rewrites it), let the provider "
	 "allow the other one, or use an account per sender (smtp_sender_dependent_authentication, "
	 "sender_dependent_relayhost_maps)."},
	{{NULL, "7.60", NULL},
	    {NULL, NULL,
		"not owned by user|sendasdenied|send as this sender|not allowed to send as|sender "
		"address is not owned|sender does not match|from address is not|mail from must "
		"equal"}}},
    {{"relay-denied", "The server does not take mail for this recipient's domain from this server.",
	 "If it is the recipient's server, the domain's MX records point to the wrong one: tell "
	 "its owner. If it is your relay, it wants a login (smtp_sasl_auth_enable) or has to know "
	 "this server's address."},
	{{NULL, "7.64", NULL},
	    {NULL, NULL,
		"relay access denied|relaying denied|relay not permitted|relaying not "
		"allowed|unable to relay|do not relay|not permitted to relay|relay denied|relaying "
		"is prohibited|host denies relay|mail relaying"}}},
    {{"too-large", "The message is larger than the receiver takes.",
	 "Send a smaller one, or a link to the file. Attachments grow by a third on their way."},
	{{NULL, "3.4|2.3", NULL},
	    {NULL, NULL,
		"message size|message too large|size exceeds|exceeds size limit|exceeds fixed "
		"maximum|message is too long|maximum message size|exceeded mailsize"}}},
    {{"virus", "The receiver has found what it takes for a virus.",
	 "Check the attachment with a scanner; send documents in another form if it is clean."},
	{{NULL, NULL, "virus|malware|infected|trojan"}}},
    {{"attachment", "The receiver does not take attachments of this kind.",
	 "Send a link instead, or the file in another form; programs and encrypted archives are "
	 "refused nearly everywhere."},
	{{NULL, NULL,
	    "potential security issue|attachment*not allowed|blocked attachment|prohibited "
	    "attachment|file type"}}},
    {{"malformed", "The receiver finds that the message is not written as the standards say.",
	 "Look at its header: exactly one From: with an address, one Date:, one Subject:. What "
	 "made the message has to be mended."},
	{{NULL, NULL,
	    "rfc 5322|rfc 2822|rfc5322|rfc2822|missing a valid address in from|multiple addresses "
	    "in from|bare lf|bare <lf>|bare newline|bare cr|invalid header|duplicate header"}}},
    {{"spam", "The receiver takes the message for spam.",
	 "Look for what a filter may dislike (links, many capitals, hidden text), see that SPF, "
	 "DKIM and DMARC pass, and ask the recipient's postmaster."},
	{{NULL, NULL,
	    "spam message|as spam|is spam|spam detected|spam content|spam score|like spam|spam "
	    "filter|spam denied|spam engine|anti-spam|antispam|considered spam|suspected spam|junk "
	    "mail|unsolicited|content rejected|content reject|bulk mail"}}},
    {{"utf8", "Address or header need SMTPUTF8, and the receiver's server does not have it.",
	 "Use an address in ASCII, for sender and recipient, and encode the header."},
	{{NULL, "6.7|6.8|6.9|6.10", NULL}, {NULL, NULL, "smtputf8"}}},
    {{"null-mx", "The recipient's domain says in DNS that it takes no mail at all (null MX).",
	 "The address is wrong: nothing can be sent to that domain."},
	{{NULL, "1.10", NULL}, {NULL, NULL, "nullmx|null mx|does not accept mail"}}},
    {{"user-unknown", "The recipient's server knows no such address.",
	 "Compare the address with the one the recipient gave: a typing error, an old address, or "
	 "one that was given up."},
	{{NULL, "1.1", NULL},
	    {NULL, NULL,
		"user unknown|unknown user|no such user|no such recipient|user not found|user not "
		"exist|mailbox not found|no mailbox|does not exist|doesn't exist|doesn't have "
		"a*account|recipient not found|unknown recipient|unknown or illegal alias|invalid "
		"recipient|recipient unknown|address unknown|account not found|unrouteable "
		"address|not our customer"},
	    {"550", NULL, "mailbox unavailable"}}},
    {{"mailbox-disabled",
	 "The recipient's mailbox exists, but takes no mail: closed, locked, or not used for long.",
	 "Reach the recipient by another way."},
	{{NULL, "2.1", NULL},
	    {NULL, NULL,
		"mailbox disabled|account is disabled|account disabled|account inactive|is "
		"inactive|mailbox is locked|user is locked|account*suspended|currently "
		"suspended|user suspended"}}},
    {{"mailbox-full", "The recipient's mailbox is full.",
	 "The recipient has to make room; tell them by another way."},
	{{NULL, "2.2", NULL},
	    {NULL, NULL,
		"mailbox full|mailbox is full|over quota|overquota|quota exceeded|quota "
		"limit|exceeded storage|out of storage|disk quota|user has no space"}}},
    {{"server-full", "The receiving server has no room left.",
	 "It is tried again by itself; only the other side can make room."},
	{{NULL, "3.1", NULL},
	    {NULL, NULL,
		"insufficient system storage|insufficient system resources|insufficient disk|disk "
		"full|no space left"}}},
    {{"sender-domain",
	 "The receiver finds no mail domain in DNS for the sender's address, and could not answer.",
	 "Send with an address whose domain exists: myorigin is what local senders get, "
	 "smtp_generic_maps rewrites single ones."},
	{{NULL, "1.8|1.7", NULL},
	    {NULL, NULL,
		"sender address rejected*domain not found|sender domain|domain of sender|valid "
		"sender domain|sender verify failed|sender address verification|sender*does not "
		"resolve|mail from invalid"}}},
    {{"helo", "The receiver does not like the name with which this server greets.",
	 "myhostname (or smtp_helo_name) must be a full name that exists in DNS, best the one of "
	 "the PTR record."},
	{{NULL, NULL,
	    "helo command rejected|invalid helo|helo name|ehlo name|helohost|helo/ehlo|bad "
	    "helo|helo hostname|need fully-qualified hostname"}}},
    {{"greylisting",
	 "Greylisting: the receiver puts off the first message of an unknown sender, to see "
	 "whether it is tried again.",
	 "Nothing: it is tried again by itself and taken some minutes later."},
	{{NULL, NULL,
	     "greylist|graylist|grey-list|grey list|greylisted|postgrey|sqlgrey|deferred for "
	     "security reasons"},
	    {"45", "7.1|2.0", "try again|please retry|retry later|come back later"}}},
    {{"too-many-recipients", "The receiver takes fewer recipients at once.",
	 "The rest goes with the next attempt; smtp_destination_recipient_limit makes deliveries "
	 "smaller."},
	{{NULL, "5.3", NULL}, {NULL, NULL, "too many recipients|out of allow rcpt"}}},
    {{"rate",
	 "The receiver limits how many connections or messages it takes from this server within a "
	 "time.",
	 "It is tried again by itself. Lower default_destination_concurrency_limit or set a "
	 "default_destination_rate_delay for this destination, and look for a sender of spam."},
	{{NULL, NULL,
	     "too many connections|too many concurrent|concurrent connections|rate "
	     "limit|rate-limit|ratelimit|throttl|too many messages|too many mails|too much "
	     "mail|too many errors|sending too fast|slow down|too frequent|connection limit|limits "
	     "exceeded"},
	    {"421", "7.0", NULL}}},
    {{"unsupported-port",
	 "The other side wants mail only from the servers it has listed, or by another way.",
	 "Look at the domain's MX records again, or ask its postmaster."},
	{{NULL, NULL, "mx only|not a valid mail server|smtpport check"}}},
    {{"dnssec",
	 "The domain's answers are signed (DNSSEC) and the signature is wrong: forged, or expired.",
	 "Ask the domain's owner to mend it (delv DOMAIN MX shows what is wrong). If it is so for "
	 "all domains, see this machine's clock and its resolver."},
	{{NULL, NULL, "dnssec validation failed"}}},
    {{"dns-again",
	 "DNS gives no answer at present: the resolver, or the domain's own name servers, do not "
	 "work.",
	 "Ask by hand: host -t MX DOMAIN. If other domains work, it is the domain's fault; if none "
	 "does, see /etc/resolv.conf, or set dns_servers."},
	{{NULL, NULL,
	     "host not found, try again|name service error*try again|temporary failure in name "
	     "resolution|dns query error|server failure|servfail|no answer from dns"},
	    {NULL, "4.3", NULL}}},
    {{"no-domain",
	 "The domain, or the host that should take its mail, does not exist in DNS, or has no "
	 "address there.",
	 "Compare the domain with what the recipient gave. If it is a relay of yours, see "
	 "relayhost and transport_maps; [brackets] ask for the host itself instead of its MX."},
	{{NULL, "1.2|4.4", NULL},
	    {NULL, NULL,
		"host or domain name not found|name service error|host not found|domain not "
		"found|unable to look up host|unable to find*mx|no mx|nodename nor servname"}}},
    {{"loop",
	 "The mail goes round in a circle: this server is, by its own name or by MX, the one it "
	 "should send to.",
	 "Put the domain into mydestination, virtual_mailbox_domains or relay_domains with a route "
	 "in transport_maps; or mend its MX record."},
	{{NULL, "4.6|4.14", NULL},
	    {NULL, NULL,
		"loops back to myself|too many hops|hop count exceeded|mail forwarding loop|mail "
		"loop|routing loop|looping message|too many received"}}},
    {{"port-25-blocked",
	 "Nothing answers on port 25. When it is the same for many destinations, the provider "
	 "blocks outgoing port 25.",
	 "postkeep probe tells the two apart. If it is blocked, ask the provider to open it, or "
	 "send through a relay on port 587 or 465 (relayhost)."},
	{{NULL, NULL, "]:25: connection timed out|port 25*timed out"}}},
    {{"connect-timeout", "The server does not answer: it is down, or a firewall drops the packets.",
	 "It is tried again by itself. See host and port (relayhost, transport_maps), and try "
	 "postkeep probe HOST:PORT."},
	{{NULL, NULL, "connection timed out|operation timed out"}}},
    {{"connect-refused",
	 "The host is there, but nothing listens on that port, or a firewall refuses.",
	 "It is tried again by itself. If it is your relay, see its port: 587 (STARTTLS) and 465 "
	 "(TLS from the start) are usual."},
	{{NULL, NULL, "connection refused"}}},
    {{"unreachable", "There is no way to that network from here.",
	 "If only IPv6 addresses fail, this machine has no working IPv6: inet_protocols = ipv4. "
	 "Otherwise see the machine's routes and firewall."},
	{{NULL, NULL,
	    "network is unreachable|no route to host|network unreachable|address family not "
	    "supported|cannot assign requested address"}}},
    {{"connection-lost",
	 "The connection broke off, or the server stopped answering in the middle of the "
	 "conversation.",
	 "It is tried again by itself. If it is always at the same point, a firewall or filter "
	 "between is likely (large packets, inspection of SMTP)."},
	{{NULL, "4.2", NULL},
	    {NULL, NULL,
		"lost connection|timed out while|timeout exceeded|connection dropped|connection "
		"reset|broken pipe|rcpt handle timeout"}}},
    {{"expired", "It could not be delivered before its time in the queue was over.",
	 "The reasons of the attempts before say why; what was sent has to be sent again."},
	{{NULL, "4.7", NULL},
	    {NULL, NULL, "delivery time expired|message expired|retry timeout exceeded"}}},
    {{"transport",
	 "The program that delivers such mail does not run here, or master.cf has no line for it.",
	 "See postkeep status and the log of master. The transport's name stands in the log line; "
	 "transport_maps, relayhost and default_transport name transports."},
	{{NULL, NULL, "mail transport unavailable|unknown mail transport"}}},
    {{"permission", "The mailbox, or a directory above it, may not be written by its owner.",
	 "Look at owner and mode of the path in the reason; home_mailbox and mail_spool_directory "
	 "say where mail goes."},
	{{NULL, NULL, "permission denied|read-only file system|operation not permitted"}}},
    {{"busy",
	 "The receiving server does not take mail at present: overloaded, in maintenance, or "
	 "restarting.",
	 "It is tried again by itself."},
	{{"4", "3.0|3.2|3.5", NULL},
	    {"4", NULL,
		"not available|server busy|service unavailable|temporarily unavailable|try again "
		"later|too busy|local error|temporary*failure|queue unavailable"}}},
    {{"policy", "The receiver refuses it by a rule of its own, and does not say which.",
	 "The text of the reply, and links in it, are all there is; ask the recipient's postmaster "
	 "by another way."},
	{{"5", "7.0|7.1|7.2|7.7", NULL},
	    {"55", NULL,
		"access denied|policy|not accepted|rejected|refused|not authorized|not "
		"permitted"}}},
};

const size_t reply_row_count = sizeof(reply_rows) / sizeof(reply_rows[0]);
