"""What can be wrong with the way of mail, and what to do about it: each said once, here.

Purpose:
    `REMEDIES` is the catalogue that `trace` and `why` speak from: id -> fault, remedy, command.
    `advise` fills in the names of the case at hand.

Always:
    A remedy says what to do; a command is given where one can be typed as it stands. Texts hold
    `{fields}`; a field that the case does not know must not stand in its text.
"""

from typing import NamedTuple


class Remedy(NamedTuple):
    """One entry of the catalogue.

    Attributes:
        id: what programs ask for.
        fault: what is wrong, for people.
        text: what to do.
        command: what to type for it, empty where that depends on what is wanted.
    """

    id: str
    fault: str
    text: str
    command: str = ""


class Advice(NamedTuple):
    """A remedy with the names of a case."""

    id: str
    fault: str
    text: str
    command: str

    @property
    def sentence(self) -> str:
        """Remedy and command in one sentence."""
        return f"{self.text}: {self.command}" if self.command else self.text


NONE = Advice("", "", "", "")

_ALL = (
    # --- before any message: names, DNS, the connection ---
    Remedy("no_mailbox", "nobody here has that name",
           "write the address as it exists, or add the mailbox {address}"),
    Remedy("mailbox_locked", "the mailbox {address} is locked: it bounces all mail",
           "let it take mail again", "glass user set {address} --allow mail"),
    Remedy("mailbox_full", "the mailbox {address} has no room",
           "let its owner delete mail, or give {address} a larger quota"),
    Remedy("no_such_host", "DNS knows no {domain}",
           "write the domain as it exists, or publish its MX and address records"),
    Remedy("no_mx", "{domain} names no host that takes mail",
           "publish an MX record of {domain} whose host has an address"),
    Remedy("mx_unknown", "DNS does not answer for {domain}",
           "ask again later, or name a server that answers in control/dnsserver"),
    Remedy("mx_is_us", "the MX of {domain} leads here, but {domain} is not ours",
           "put {domain} into control/locals or control/virtualdomains, or mend its MX records",
           "glass reload"),
    Remedy("mx_elsewhere", "the MX of {domain} leads to another machine",
           "let the MX records of {domain} name this host, which answers as {us}"),
    Remedy("port_closed", "{where} takes no connection",
           "let its server run and its firewall pass port {port}", "glass status"),
    Remedy("no_connection", "no other server could be reached",
           "see which address is closed, and whether ours may go out by that port",
           "glass trace --probe {address}"),
    Remedy("no_connection_seen", "nothing came with that address",
           "ask the sender for the error that they got; see where the domain's MX leads and "
           "whether its port is open", "glass trace --probe {address}"),
    Remedy("nobody_connected", "nobody of {about} connected in that time",
           "ask the sender for the error that they got, and for the words of their own server's "
           "log: it has not tried yet, or something on the way keeps it from here",
           "glass trace --probe {address}"),
    Remedy("client_unseen", "{client} did not connect in that time",
           "see what its own log says, and whether this server would let it in",
           "glass trace --client {client}"),
    Remedy("only_refused", "{about} connected, but was refused",
           "see what was refused, and by which line", "glass why {client}"),
    Remedy("only_broken", "{about} connected, but every session broke off before it brought mail",
           "see where they broke off: a firewall, TLS, or a time limit", "glass why {client}"),
    Remedy("others_came", "{about} connected and brought other mail",
           "ask the sender whether it was sent to the right address, and when",
           "glass why {client}"),
    Remedy("sender_unknown", "whose mail is missing is not known, so nobody's visits can be told",
           "ask again with the sender's address or domain", "glass why --from @DOMAIN {address}"),
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
    # --- what another server said, or did not say ---
    Remedy("connection_refused", "{server} is up, but no mail server listens there",
           "let its administrator start it, or mend the MX record or the line of smtproutes that "
           "names it", "glass trace --probe {address}"),
    Remedy("connection_timed_out", "{server} does not answer on its port",
           "see whether it is up, whether its firewall lets us in, and whether ours (or our "
           "provider) lets port 25 out", "glass trace --probe {address}"),
    Remedy("port_25_closed", "{server} answers ping but not its port: something on the way drops "
           "the connection",
           "open the port in its firewall, or in ours and our provider's for mail that goes out",
           "glass trace --probe {address}"),
    Remedy("network_unreachable", "there is no way from here to {server}",
           "mend the route (of IPv6, if only IPv6 addresses are concerned)", "ip route get {ip}"),
    Remedy("mx_unresolvable", "{domain} has MX records, but their hosts have no address",
           "let the owner of {domain} give its MX hosts address records, or name hosts that "
           "have some"),
    Remedy("mx_partly_dead", "one of the hosts that take mail for {domain} is dead: {server}",
           "nothing for this message, another host answered; let its owner mend it or take it out "
           "of the MX records (or of our smtproutes)", "glass trace --probe {address}"),
    Remedy("their_slots", "{server} has no free place for another connection",
           "wait: the queue tries again by itself; when it goes on, send it fewer at a time",
           "glass queue list --to {address}"),
    Remedy("their_greeting", "{server} takes connections but does not want to talk now",
           "wait, or ask its administrator, with its words"),
    Remedy("their_no_mailbox", "{domain} exists, but its server does not know {address}",
           "write the address as it exists; ask the recipient by another way"),
    Remedy("their_relay", "{server} does not take mail for {domain}: to it we want to relay",
           "see whether the MX records of {domain} (or our line of smtproutes) name the right "
           "server; if it is our own relay, let it know us or log in there",
           "glass trace --dns {address}"),
    Remedy("their_mailbox_full", "the mailbox of {address} is full over there",
           "tell the recipient by another way; a refusal for now is tried again by itself"),
    Remedy("their_greylist", "{server} greylists: it takes the message on a later attempt",
           "wait: the queue tries again by itself"),
    Remedy("their_too_large", "the message is larger than {server} takes",
           "send less, or put it somewhere to be fetched"),
    Remedy("their_blocklist", "{server} refuses this server because of a block list",
           "look our address up in the list that its words name, end the cause, and ask for "
           "removal there"),
    Remedy("their_policy", "{server} refuses the message by its policy (SPF, DKIM, DMARC, content)",
           "see its words; publish SPF and DKIM for the sender's domain, or mend the message"),
    Remedy("their_rate", "{server} takes no more from us for now", "wait; send it less at a time"),
    Remedy("their_name", "{server} does not like the name that we give it",
           "let control/helohost be this host's full name, with an address that leads back to it"),
    Remedy("their_sender", "{server} refuses the sender's address",
           "see its words; the sender's domain must exist and take mail, and allow us to send"),
    Remedy("their_hung_up", "{server} ended the connection in the middle",
           "wait: the queue tries again by itself; when it goes on, a firewall or an MTU on the "
           "way is the usual cause", "glass trace --probe {address}"),
    Remedy("their_silence", "{server} stopped answering in the middle",
           "wait; when it goes on, see whether something on the way (a firewall, a content "
           "filter, an MTU) holds large packets back"),
    Remedy("maybe_duplicate", "{server} was silent after the whole message: it may have it",
           "nothing: it is sent again, and the recipient may get it twice"),
    Remedy("their_words", "{server} refuses it", "see its words, and ask its administrator"),
    Remedy("certificate", "the certificate of {server} is not for its name, or not trusted",
           "let its administrator mend it, or let control/me be among the certificate's names "
           "where it is ours"),
    Remedy("partial_line", "the message has no newline at its end, which SMTP cannot send",
           "let the program that made it end its last line"),
    # --- the end of a message ---
    Remedy("too_old", "the message was in the queue for longer than control/queuelifetime",
           "mend what deferred it (see the last words), then send it again"),
    Remedy("bounce_undeliverable", "the bounce cannot be delivered: its sender does not exist",
           "nothing for the mail; with many of them, refuse unknown recipients at once",
           "echo 1 >control/checkrecipients"),
    Remedy("loop_here", "the message was here before: it already has our Delivered-To line",
           "take out the forward that sends it back: the Delivered-To lines of the bounce name "
           "the way"),
    Remedy("too_many_hops", "the message passed 100 servers: it runs in a circle",
           "find two servers in its Received lines that repeat, and end the forward or MX record "
           "between them"),
    Remedy("program_deferred", "a program of {file} could not do its work; it said: {words}",
           "mend what it says; the queue tries again by itself"),
    Remedy("program_said", "a program of {file} refuses; it said: {words}",
           "see its words, or take its line out of {file}"),
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
    # --- the queue ---
    Remedy("held", "an administrator holds the message", "let it go on",
           "glass queue release {message}"),
    Remedy("account_held", "the account {account} sends more than it may, and its mail is held",
           "change its password if that was stolen, and drop the mail; else let the account go on "
           "and its messages", "glass block remove {account}; glass queue release {message}"),
    Remedy("not_attempted", "no delivery was attempted yet",
           "see whether deliveries may start (control/concurrencylocal and concurrencyremote "
           "above 0, their processes running)", "glass status"),
    Remedy("no_deliveries", "the running server starts no {channel} deliveries",
           "put a number above 0 into control/{setting}, or remove the file", "glass reload"),
    Remedy("not_running", "no server runs", "start it", "glass serve"),
    Remedy("stale_table", "the running server still uses an older {file}",
           "let it read {file} again", "glass reload"),
    # --- routing ---
    Remedy("locals_wins", "{domain} is in locals, so {line} counts for nothing",
           "take {domain} out of control/locals, or out of control/virtualdomains",
           "glass reload"),
    Remedy("not_ours", "rcpthosts has {domain}, but neither locals nor virtualdomains has it",
           "put it into control/locals or control/virtualdomains if its mail belongs here",
           "glass reload"),
    # --- users ---
    Remedy("assign_missing", "nobody is assigned {local}, which {source} leads to",
           "add a line for {prefix} to users/assign and run qmail-newu, or mend that line of "
           "virtualdomains", "qmail-newu"),
    Remedy("assign_stale", "users/cdb is older than users/assign",
           "build users/cdb from users/assign", "qmail-newu"),
    Remedy("assign_malformed", "users/assign cannot be used: {source}",
           "mend that line, then build users/cdb", "qmail-newu"),
    Remedy("assign_broken", "users/cdb is damaged", "build it from users/assign", "qmail-newu"),
    Remedy("alias_missing", "the alias user has no file for {local}",
           "create {file}, or write the address as it exists"),
    # --- the home and its dot-qmail files ---
    Remedy("home_missing", "the home {home} is not there",
           "make it, or mend the line of users/assign", "mkdir {home}"),
    Remedy("home_closed", "{user} may not enter the home {home} ({source})",
           "let its user enter it", "chmod u+x {home}"),
    Remedy("home_writable", "others may write to the home {home} ({source})",
           "take that away", "chmod o-w {home}"),
    Remedy("home_sticky", "the home {home} is sticky ({source})",
           "take the mark away when editing is done", "chmod -t {home}"),
    Remedy("parent_closed", "{user} may not pass through {directory} ({source})",
           "let {user} pass through {directory}", "chmod a+x {directory}"),
    Remedy("parent_missing", "{directory} is not there", "make it, or mend users/assign",
           "mkdir -p {home}"),
    Remedy("directory_writable", "{directory} ({source}) lets others replace what lies below it",
           "take that away", "chmod go-w {directory}"),
    Remedy("group_writable", "{path} ({source}) may be written by its group",
           "see that only {user} is in that group, or take that away", "chmod g-w {path}"),
    Remedy("extension_missing", "{home} has no dot-qmail file for that extension",
           "create {file}, or write the address as it exists"),
    Remedy("dot_qmail_writable", "others may write {file}", "take that away", "chmod o-w {file}"),
    Remedy("dot_qmail_closed", "{file} cannot be read ({source})", "let its user read it",
           "chmod u+r {file}"),
    Remedy("dot_qmail_blank", "the first line of {file} is blank",
           "write an instruction or a comment into the first line of {file}"),
    Remedy("dot_qmail_large", "{file} is too large", "shorten it"),
    Remedy("dot_qmail_x_bit", "{file} has its x bit set, which allows forwards only",
           "take the x bit off, or its other lines (or +list) out", "chmod -x {file}"),
    Remedy("dot_qmail_doubtful", "{source}", "write {file} anew if that is not meant"),
    Remedy("vanishes", "that mail is thrown away", "write an instruction into {file}"),
    Remedy("mailbox_closed", "the mailbox {path} takes no mail ({source})",
           "make it as {user}, or mend its mode", "maildirmake {path}"),
    Remedy("accounts_unreadable", "the mailboxes of {domain} cannot be told ({source})",
           "mend that; mail for it waits meanwhile"),
    Remedy("mbox_in_virtual", "vdelivermail delivers to no mbox", "write a Maildir into {file}"),
    Remedy("loop", "mail for {address} comes back to it",
           "take the forward to {address} out of one of the files above"),
    Remedy("program_refused", "a program of {file} says no",
           "see what the program wrote, or take its line out of {file}"),
    Remedy("route_broken", "the line of smtproutes cannot be obeyed", "mend {source}"),
    Remedy("nobodys", "an empty local part is nobody's",
           "write the part before the `@`"),
    Remedy("one_user", "this server delivers as one user only",
           "run the server as root to deliver as others, or assign the address to its user"),
    Remedy("as_root", "nothing is delivered as root", "give root's mail to somebody else",
           "echo '&NAME@DOMAIN' >alias/.qmail-root"),
    Remedy("no_alias_user", "there is no alias user", "make the directory alias", "mkdir alias"),
    Remedy("ask_as", "this cannot be told with our rights", "ask again as root{or_user}"),
)  # fmt: skip

REMEDIES: dict[str, Remedy] = {remedy.id: remedy for remedy in _ALL}


def advise(name: str, **facts: object) -> Advice:
    """Fill a remedy in with the facts of a case."""
    remedy = REMEDIES[name]
    fault, text, command = (part.format_map(facts) for part in remedy[1:])
    return Advice(name, fault, text, command)
