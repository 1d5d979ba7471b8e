"""What can be wrong with the way of mail, and what to do about it: each said once, here.

Purpose:
    `REMEDIES` is the catalogue that `trace` and `why` speak from: id -> fault, remedy, command.
    `advise` fills in the names of the case at hand.

Always:
    A remedy says what to do; a command is given where one can be typed as it stands. Texts hold
    `{fields}`; a field that the case does not know must not stand in its text.
"""

import pwd
import re
from collections.abc import Mapping
from typing import NamedTuple

from glassmail.core.route.users import User
from glassmail.explain.remedy import Remedy
from glassmail.explain.session_remedies import SESSION_REMEDIES


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
    Remedy("name_unknown", "no message or session of that name is in the history",
           "see whether another server gave it, or whether it is older than the history "
           "(control/historydays); or ask by sender and recipient, with --from and --to"),
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
    *SESSION_REMEDIES,
    # --- what another server said, or did not say ---
    Remedy("connection_refused", "{server} refuses connections: it is up, but no mail server "
           "listens there",
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
           "wait: the queue tries again by itself; when it goes on, see how much waits for it, "
           "and let control/concurrencyremote be smaller", "glass queue list --by destination"),
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
           "nothing for the mail; with many of them, see that control/checkrecipients is 1, which "
           "refuses unknown recipients at once"),
    Remedy("loop_here", "the message was here before: it already has our Delivered-To line",
           "take out the forward that sends it back: the Delivered-To lines of the bounce name "
           "the way"),
    Remedy("too_many_hops", "the message passed 100 servers: it runs in a circle",
           "find two servers in its Received lines that repeat, and end the forward or MX record "
           "between them"),
    Remedy("program_deferred", "a program of {file} could not do its work; it said: {words}",
           "mend what it says; the queue tries again by itself"),
    Remedy("program_crashed", "a program of {file} crashed, or was killed by a signal",
           "see its own log and what limits it has; the queue tries again by itself"),
    Remedy("program_slow", "a program of {file} ran longer than control/timeoutprogram allows",
           "see what it waits for, or raise control/timeoutprogram; the queue tries again by "
           "itself"),
    Remedy("program_said", "a program of {file} refuses; it said: {words}",
           "see its words, or take its line out of {file}"),
    # --- the queue ---
    Remedy("held", "an administrator holds the message", "let it go on",
           "glass queue release {message}"),
    Remedy("by_hand", "an administrator ended it: glass queue {verb}",
           "if it was meant to go on, send it again"),
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
           "add a line for {prefix} to users/assign and build users/cdb, or mend that line of "
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
           "let only its user write to it", "chmod o-w {home}"),
    Remedy("home_sticky", "the home {home} is sticky ({source})",
           "take the mark away when editing is done", "chmod -t {home}"),
    Remedy("parent_closed", "{user} may not pass through {directory} ({source})",
           "let {user} pass through {directory}", "chmod a+x {directory}"),
    Remedy("parent_missing", "{directory} is not there", "make it, or mend users/assign",
           "mkdir -p {home}"),
    Remedy("directory_writable", "{directory} ({source}) lets others replace what lies below it",
           "let only its owner write to it", "chmod go-w {directory}"),
    Remedy("group_writable", "{path} ({source}) may be written by its group",
           "see that only {user} is in that group, or let the group not write to it",
           "chmod g-w {path}"),
    Remedy("extension_missing", "{home} has no dot-qmail file for that extension",
           "create {file}, or write the address as it exists"),
    Remedy("dot_qmail_writable", "others may write {file}", "let only its user write it",
           "chmod o-w {file}"),
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
    Remedy("mailbox_broken", "the mailbox {path} takes no mail ({source})",
           "mend that: {user} must be able to write to its new, cur and tmp"),
    Remedy("mbox_closed", "the mbox {path} takes no mail ({source})",
           "mend that: {user} must be able to write to it, or to make it"),
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

_FIELD = re.compile(r"{([a-z_]+)}")
REMEDIES: dict[str, Remedy] = {remedy.id: remedy for remedy in _ALL}


# What a field is called where a case does not name it; nothing where its sentence says it already.
_KINDS = {
    "server": "the other server", "address": "that address", "domain": "that domain",
    "ip": "ADDRESS", "file": "the .qmail file", "home": "", "path": "", "user": "its user",
    "client": "the client", "sender": "the sender",
}  # fmt: skip
_OPTIONAL = (("source", " ({source})"), ("source", ": {source}"), ("words", "; it said: {words}"))


def in_general(text: str, known: Mapping[str, object] = _KINDS) -> str:
    """Fill in a text of the catalogue where not all names are known."""
    for name, part in _OPTIONAL:
        text = text if known.get(name) else text.replace(part, "")
    return " ".join(text.format_map(_Kinds({**_KINDS, **known})).split())


class _Kinds(dict[str, object]):
    """Fields by name; one that is not known is called by its name."""

    def __missing__(self, name: str) -> str:
        return f"the {name}"


def advise(name: str, **facts: object) -> Advice:
    """Fill a remedy in with the facts of a case."""
    remedy = REMEDIES[name]
    fault, text = remedy.fault.format_map(facts), remedy.text.format_map(facts)
    return Advice(name, fault, text, command_of(remedy, facts))


def ask_as(user: User) -> Advice:
    """Say whose rights show it: root's, or those of the account that a user's files belong to."""
    try:
        name = pwd.getpwuid(user.uid).pw_name
    except KeyError:  # a virtual domain's name is nobody's login
        name = f"uid {user.uid}"
    return advise("ask_as", or_user=f" or as {name}" if user.uid else "")


def command_of(remedy: Remedy, facts: Mapping[str, object]) -> str:
    """Fill the command in; empty when a name in it is not known: it could not be typed."""
    is_whole = all(facts.get(field) for field in _FIELD.findall(remedy.command))
    return remedy.command.format_map(facts) if is_whole else ""
