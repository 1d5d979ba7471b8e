"""What can be wrong in a session of a client, and what to do: a part of explain.remedies."""

from glassmail.explain.remedy import Remedy

SESSION_REMEDIES = (
    # --- the session ---
    Remedy("client_denied", "a rule for clients denies this one",
           "change that rule, or put one for this client into control/tcp.smtp: {source}"),
    Remedy("blocked", "the client is shut out for a while: {source}",
           "wait, or let it in again (a rule with NOLIMITS keeps it in)",
           "glass block remove {network}"),
    Remedy("too_many_connections", "the client, or its network, has too many connections open",
           "let it use fewer, or raise the limit: {source}"),
    Remedy("too_busy", "the load of this host is above MAXLOAD of the client's rule",
           "see what keeps the host busy, or raise the limit: {source}"),
    Remedy("too_many_logins", "too many wrong passwords came from there: {source}",
           "mend the password in the program that tries it, then let it in again",
           "glass block list"),
    Remedy("no_proxy", "the connection does not begin as one of a known proxy: {source}",
           "name the proxy in control/listen, let it send PROXY headers (haproxy: send-proxy-v2), "
           "or let the client use another port"),
    Remedy("rcpthosts", "{domain} is not in rcpthosts",
           "let other servers send mail for {domain} here", "echo {domain} >>control/rcpthosts"),
    Remedy("relay", "{domain} is not in rcpthosts, and the client {client} may not relay",
           "one of four: {domain} is ours and lacks its line in rcpthosts; the client is ours and "
           "lacks a rule with RELAYCLIENT in control/tcp.smtp (it went by {source}); its user did "
           "not log in; or an MX record of {domain} leads here by mistake, which its owner mends. "
           "For the first", "echo {domain} >>control/rcpthosts"),
    Remedy("relay_denied", "the server that said so does not take mail for {domain}, and its "
           "client may not relay there",
           "if this server said it, see whether {domain} stands in control/rcpthosts and whether "
           "the client may relay; if another one did, see where the MX records of {domain} lead"),
    Remedy("badmailfrom", "the envelope sender (MAIL FROM, not the `From:` line) is unwanted here",
           "take the line out of the list, or put `?{sender}` into it: {source}"),
    Remedy("badrcptto", "the recipient shall get no mail",
           "take the line out of the list: {source}"),
    Remedy("badhelo", "the name that the client gives itself is not taken",
           "let the client give its own name, or put `name!` into control/badhelo: {source}"),
    Remedy("sender_domain", "the sender's domain takes no mail, so no bounce could reach it",
           'let its owner publish an MX record; or set MFCHECK="0" for this client'),
    Remedy("dns_soft", "DNS did not answer in time about the sender or the client's name",
           "ask again later, or name a server that answers in control/dnsserver"),
    Remedy("rcptcheck", "the site's own program refused the recipient",
           "see what RCPTCHECK's program says: {source}"),
    Remedy("rcptcheck_broken", "the site's own program could not be asked",
           "mend the program of RCPTCHECK, or unset it: {source}"),
    Remedy("validrcptto", "the list of valid recipients does not have {address}",
           "build the cdb of VALIDRCPTTO_CDB anew: {source}"),
    Remedy("recipients_list", "control/recipients does not have {address}",
           "add the recipient, or a line for its domain: {source}"),
    Remedy("not_queued", "the queue did not take the message",
           "see whether the queue runs and its disk has room", "glass status"),
    Remedy("refused", "the session refused it",
           "change what the answer rests on ({source}), or let the sender mend the message"),
    # --- the end of a session ---
    Remedy("our_slots", "all connections of this server were in use",
           "see who holds them, and whether they are honest",
           "glass status"),
    Remedy("too_large", "the message is larger than databytes allows",
           "raise control/databytes, or DATABYTES in the rule of that client: {source}"),
    Remedy("greylisted", "greylisted here: first contact from that client, sender and recipient",
           "nothing: a mail server comes again by itself"),
    Remedy("scanner_refused", "the scanner (the program in the queue's place) said no",
           "see its words and its own log: {source}"),
    Remedy("scanner_orphaned", "the scanner's parent process died: the client was gone, or the "
           "session timed out, before the scan was over. Nothing was accepted",
           "nothing for one: the client comes again. For many: make the scan faster, give it "
           "more memory, and raise control/timeoutsmtpd"),
    Remedy("line_ends", "the client sends lines that end with a bare LF",
           "let the client be mended; for an old device set FIXCRIO in its rule of "
           "control/tcp.smtp"),
    Remedy("client_hung_up", "the client hung up before it had sent a message",
           "nothing here: ask its administrator what its log says at that time"),
    Remedy("client_cut_off", "the connection ended in the middle of the message; nothing of it was "
           "taken",
           "nothing for one: a mail server comes again. When it goes on, something between here "
           "and there (a firewall, an MTU, a virus scanner) holds large packets back"),
    Remedy("client_only_asked", "the client had the recipient confirmed, and left without mail",
           "nothing: servers see so whether an address exists. If mail is missing, ask its "
           "administrator what its log says at that time"),
    Remedy("client_silent", "the client fell silent, and the session timed out",
           "see whether something on the way (a firewall, an MTU) holds its packets back"),
    Remedy("pre_greet", "the client spoke before it was greeted, as programs for spam do",
           "if it is honest, set GREETDELAY to 0 in its rule of control/tcp.smtp"),
    Remedy("too_many_recipients", "the message has more recipients than one may have",
           "nothing: the client sends the rest in another message; or raise MAXRCPT, "
           "MAXRECIPIENTS or control/maxrcpt: {source}"),
    Remedy("local_sender", "this client may not send as {sender}",
           "let it use an address of its own, or change LOCALMFCHECK in its rule: {source}"),
    Remedy("refused_by_rule", "a rule refuses all mail of this client with a text",
           "take RBLSMTPD out of the client's rule, or leave it empty: {source}"),
    Remedy("relay_forms", "the recipient's local part holds another address, as relaying tricks do",
           "write the plain address, or take RELAYREJ out of the client's rule: {source}"),
    Remedy("tarpitted", "the client named very many or very many wrong recipients",
           "see what it sends; raise TARPITCOUNT in its rule if it is honest: {source}"),
    Remedy("guessing", "the client guesses recipients: too many of them do not exist",
           "see whose client it is; raise VALIDRCPTTO_LIMIT in its rule if it is honest: {source}"),
    Remedy("bad_command", "the client said what is no command of SMTP, or not in its place",
           "see its words above: a mail server or mail program does not say that; one that does "
           "it by mistake must be mended there"),
    Remedy("too_many_errors", "the client made so many errors that it was hung up on",
           "see which of its commands were refused before"),
    Remedy("login_unknown", "nobody could tell whether name and password are right: {source}",
           "mend what it says; the mail program tries again by itself"),
    Remedy("tls_failed", "TLS could not be agreed on: {source}",
           "let the client speak TLS 1.2 or newer, begin with STARTTLS on ports 25 and 587, and "
           "with TLS itself on 465; see whether control/servercert.pem is there"),
    Remedy("tls_first", "TLS is demanded first: {source}",
           "let the client use STARTTLS, or change its rule (FORCE_TLS, UCSPITLS, "
           "ALLOW_INSECURE_AUTH)"),
    Remedy("login_first", "the client has not logged in, and its rule does not let it relay",
           "let its user log in (under TLS), or give the client RELAYCLIENT: {source}"),
    Remedy("security_variables", "variables of the client's rule contradict each other: {source}",
           "take one of them out of the rule"),
    Remedy("login_failed", "name or password was wrong, or the account may not send",
           "let the user type them again; see what the account may log in for",
           "glass trace {address}"),
)  # fmt: skip
