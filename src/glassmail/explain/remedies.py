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
    # --- the session ---
    Remedy("client_denied", "a rule for clients denies this one",
           "change that rule, or put one for this client into control/tcp.smtp: {source}"),
    Remedy("rcpthosts", "{domain} is not in rcpthosts",
           "let other servers send mail for {domain} here", "echo {domain} >>control/rcpthosts"),
    Remedy("relay", "{domain} is not in rcpthosts, and the client {client} may not relay",
           "one of four: {domain} is ours and lacks its line in rcpthosts; the client is ours and "
           "lacks a rule with RELAYCLIENT in control/tcp.smtp (it went by {source}); its user did "
           "not log in; or an MX record of {domain} leads here by mistake, which its owner mends. "
           "For the first", "echo {domain} >>control/rcpthosts"),
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
    # --- the queue ---
    Remedy("held", "an administrator holds the message", "let it go on",
           "glass queue release {message}"),
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
