"""The seventeen classical faults, each produced on a running demo site: `trace` and `why` name
the cause and say what to do."""

import pytest

from glassmail.explain import exchange
from glassmail.explain.instructions import State
from glassmail.explain.remedies import REMEDIES
from tests.explain.demo import Demo
from tests.scenarios.site import code_of, free_ports
from tests.scenarios.waiting import until

DEFERRED = ("waiting",)
FAILED = ("failed",)


@pytest.fixture(scope="module")
def demo():
    made = Demo()
    try:
        yield made
    finally:
        made.close()


def told(hop, fault, command, state=State.PROBLEM):
    """A trace names this fault, and ends with this command for it."""
    assert hop.advice.id == fault, (hop.advice, hop.decision)
    assert hop.state is state
    assert hop.advice.fault
    assert hop.remedy.startswith(hop.advice.text)
    assert hop.advice.command == command


def explained(row, fault, command):
    """`why` names this fault, and says this command for it."""
    assert row["fault"] == fault, row
    assert row["command"] == command
    assert row["remedy"]


def warned(hop, fault):
    (warning,) = [warning for warning in hop.warnings if warning.id == fault]
    return warning


@pytest.mark.covers("fault/no_mailbox")
def test_01_wrong_spelling(demo):
    demo.site.control("checkrecipients", "1\n")
    try:
        hop = demo.trace("tamy@example.test")
        told(hop, "no_mailbox", "")
        assert "write the address as it exists" in hop.remedy
        assert "no mailbox here by that name" in hop.decision
        until(lambda: demo.send("tamy@example.test") == 550, "the setting is seen")
    finally:
        demo.site.control("checkrecipients", "0\n")
    explained(demo.why("tamy@example.test", ("refused",)), "no_mailbox", "")


@pytest.mark.covers("fault/no_such_host")
def test_01_wrong_spelling_of_a_domain(demo):
    told(demo.trace("x@lokal.test", dns=True), "no_such_host", "")
    demo.hand_in("x@lokal.test")
    row = demo.why("x@lokal.test", FAILED)
    explained(row, "no_such_host", "")
    assert "write the domain as it exists" in row["remedy"]


@pytest.mark.parametrize("domain", ["silent.test", "hollow.test"])
@pytest.mark.covers("fault/no_mx", "fault/mx_unresolvable")
def test_02_no_mx(demo, domain):
    hop = demo.trace(f"x@{domain}", dns=True)
    fault = "no_mx" if domain == "silent.test" else "mx_unresolvable"
    told(hop, fault, "")
    assert f"let the owner of {domain}" in hop.remedy or f"MX record of {domain}" in hop.remedy
    demo.hand_in(f"x@{domain}")
    explained(demo.why(f"x@{domain}", FAILED), fault, "")


@pytest.mark.covers("fault/mx_elsewhere")
def test_03_the_mx_leads_to_another_machine(demo, monkeypatch):
    monkeypatch.setattr(exchange, "is_ours", lambda _ip: False)
    demo.site.control("smtpgreeting", "another.test\n")
    hop = demo.trace("fred@local.test", probe=True, port=demo.site.smtp_port)
    demo.site.control("smtpgreeting", None)
    # The running server greets by its own name; the site now says another.
    told(hop, "mx_elsewhere", "")
    assert "MX records of local.test name this host" in hop.remedy


def test_03_behind_address_translation_the_greeting_tells(demo, monkeypatch):
    monkeypatch.setattr(exchange, "is_ours", lambda _ip: False)
    hop = demo.trace("fred@local.test", probe=True, port=demo.site.smtp_port)
    assert hop.state is State.FINE
    assert [step.answer for step in hop.steps if step.question == "remote.greeting"] == [
        "mx.example.test"
    ]


@pytest.mark.covers("fault/mx_is_us")
def test_03_the_mx_leads_here_but_the_domain_is_not_ours(demo):
    hop = demo.trace("x@listed.test", dns=True)
    told(hop, "mx_is_us", "glass reload")
    assert "control/locals or control/virtualdomains" in hop.remedy
    assert demo.send("x@listed.test") == 250
    explained(demo.why("x@listed.test", FAILED), "mx_is_us", "glass reload")


@pytest.mark.covers("fault/port_closed", "fault/connection_refused")
def test_04_port_closed(demo):
    port = demo.closed_port
    hop = demo.trace("x@closed.test", dns=True, probe=True)
    told(hop, "port_closed", "glass status")
    assert hop.advice.fault == f"127.0.0.1 port {port} takes no connection"
    demo.hand_in("x@closed.test")
    row = demo.why("x@closed.test", DEFERRED)
    explained(row, "connection_refused", "glass trace --probe x@closed.test")
    assert "is up, but no mail server listens" in row["fault_text"]


def test_04_our_own_port_closed(demo):
    (port,) = free_ports(1)
    hop = demo.trace("fred@local.test", probe=True, port=port)
    told(hop, "port_closed", "glass status")
    assert "from outside" in hop.decision
    hop = demo.trace("fred@local.test", probe=True, port=demo.site.smtp_port)
    assert hop.state is State.FINE


@pytest.mark.covers("fault/rcpthosts", "fault/relay")
def test_05_missing_in_rcpthosts(demo):
    told(demo.trace("fred@inner.test"), "rcpthosts", "echo inner.test >>control/rcpthosts")
    assert demo.send("fred@inner.test") == 553
    row = demo.why("fred@inner.test", ("refused",))
    explained(row, "relay", "echo inner.test >>control/rcpthosts")


@pytest.mark.covers("fault/no_connection_seen")
def test_06_no_connection_seen(demo):
    assert demo.trace("fred@tommy.gov").advice.id == "extension_missing"
    row = demo.why("dora@local.test")
    assert row["kind"] == "nothing"
    explained(row, "no_connection_seen", "glass trace --probe dora@local.test")


@pytest.mark.covers("fault/not_queued")
def test_07_never_queued(demo):
    demo.site.control("queueminfree", "999999999999999999\n")
    demo.site.glass("reload")
    try:
        codes = []
        until(lambda: codes.append(demo.send("fred@local.test")) or codes[-1] == 452, "no room")
        trace_code = code_of(demo.said.decode())
        explained(demo.why(trace_code, ("refused for now",)), "not_queued", "glass status")
    finally:
        demo.site.control("queueminfree", None)
        until(lambda: demo.reload() or demo.send("fred-x@local.test") == 250, "room again")


@pytest.mark.covers("fault/no_deliveries", "fault/not_attempted", "fault/held")
def test_08_no_delivery_attempted(demo):
    demo.put(".qmail-late", "./Maildir/\n")
    demo.site.control("concurrencylocal", "0\n")
    demo.site.glass("reload")
    try:
        until(lambda: demo.trace("fred-late@local.test").state is State.PROBLEM, "it is told")
        hop = demo.trace("fred-late@local.test")
        told(hop, "no_deliveries", "glass reload")
        assert "control/concurrencylocal" in hop.remedy
        assert demo.send("fred-late@local.test") == 250
        row = demo.why("fred-late@local.test", DEFERRED, is_tried=False)
        explained(row, "not_attempted", "glass status")
        demo.site.glass("queue", "hold", str(row["message"]))
        held = demo.why("fred-late@local.test", ("held",), is_tried=False)
        explained(held, "held", f"glass queue release {row['message']}")
        demo.site.glass("queue", "release", str(row["message"]))
    finally:
        demo.site.control("concurrencylocal", None)
        demo.site.glass("reload")
    demo.why("fred-late@local.test", ("delivered",))


@pytest.mark.covers("fault/assign_missing")
def test_09_wrong_virtualdomains(demo):
    hop = demo.trace("dude@wrong.test")
    told(hop, "assign_missing", "qmail-newu")
    assert "control/virtualdomains:" in hop.advice.fault
    assert "wrong.test:fredd" in hop.advice.fault
    assert "mend that line of virtualdomains" in hop.remedy
    assert demo.send("dude@wrong.test") == 250
    row = demo.why("dude@wrong.test", FAILED)
    explained(row, "assign_missing", "qmail-newu")


@pytest.mark.covers("fault/locals_wins")
def test_09_locals_wins(demo):
    warning = warned(demo.trace("fred@both.test"), "locals_wins")
    assert warning.command == "glass reload"
    assert "control/locals" in warning.text
    assert demo.send("fred@both.test") == 250
    row = demo.why("fred@both.test", ("delivered",))
    assert row["state"] == "delivered"


@pytest.mark.covers("fault/not_ours")
def test_09_neither_in_locals_nor_in_virtualdomains(demo):
    assert warned(demo.trace("x@listed.test"), "not_ours").command == "glass reload"


@pytest.mark.covers("fault/stale_table")
def test_09_the_running_server_has_older_tables(demo):
    before = (demo.site.root / "control" / "virtualdomains").read_text()
    demo.site.control("virtualdomains", before + "late.test:fred\n")
    try:
        hop = demo.trace("fred@local.test")
        told(hop, "stale_table", "glass reload")
        fault = "the running server still uses an older control/virtualdomains"
        assert hop.advice.fault == fault
        assert fault in hop.decision
        demo.reload()
        assert demo.trace("fred@local.test").state is State.FINE
    finally:
        demo.site.control("virtualdomains", before)
        demo.reload()


def test_10_missing_assign_line(demo):
    hop = demo.trace("dude@gone.test")
    told(hop, "assign_missing", "qmail-newu")
    assert "add a line for george- to users/assign" in hop.remedy
    assert demo.send("dude@gone.test") == 250
    explained(demo.why("dude@gone.test", FAILED), "assign_missing", "qmail-newu")


@pytest.mark.covers("fault/assign_stale")
def test_11_stale_cdb(demo):
    home = demo.directory(demo.homes / "newbie")
    demo.put(".qmail-default", "./Maildir/\n", user="newbie")
    demo.maildir(home / "Maildir")
    demo.user("newbie", home)
    demo.write_assign()
    told(demo.trace("one@newbie.test"), "assign_stale", "qmail-newu")
    assert demo.send("one@newbie.test") == 250
    explained(demo.why("one@newbie.test", FAILED), "assign_stale", "qmail-newu")
    demo.site.historical("qmail-newu")
    assert demo.trace("one@newbie.test").state is State.FINE


@pytest.mark.covers("control/assignrebuild")
def test_11_a_stale_cdb_is_built_by_setting(demo):
    home = demo.directory(demo.homes / "late")
    demo.put(".qmail-default", "./Maildir/\n", user="late")
    demo.maildir(home / "Maildir")
    demo.user("late", home)
    demo.site.control("assignrebuild", "1\n")
    demo.reload()
    demo.write_assign()
    try:
        assert demo.send("late-one@local.test") == 250
        demo.why("late-one@local.test", ("delivered",))
    finally:
        demo.site.control("assignrebuild", None)
    assert demo.trace("late-one@local.test").state is State.FINE


@pytest.mark.covers("fault/assign_malformed")
def test_11_a_malformed_assign_is_told_with_line_and_column(demo):
    good, demo.lines = demo.lines, demo.lines + b"=broken:joe\n"
    number = demo.lines.count(b"\n")
    demo.write_assign()
    try:
        hop = demo.trace("broken@local.test")
        told(hop, "assign_malformed", "qmail-newu")
        where = f"users/assign:{number}:12: bad format: 1 colons, seven are needed"
        assert where in hop.advice.fault
        done = demo.site.historical("qmail-newu", code=111)
        assert done.stderr == b"qmail-newu: fatal: bad format in users/assign\n"
        hop = demo.trace("fred@local.test")  # whom the old cdb knows: only a warning
        assert hop.state is State.FINE
        assert where in warned(hop, "assign_malformed").fault
    finally:
        demo.lines = good
        demo.build()


@pytest.mark.parametrize(
    ("name", "text", "mode", "fault"),
    [
        ("blank", "\n./Maildir/\n", 0o644, "dot_qmail_blank"),
        ("xbit", "./Maildir/\n", 0o755, "dot_qmail_x_bit"),
    ],
)
@pytest.mark.covers("fault/dot_qmail_blank", "fault/dot_qmail_x_bit")
def test_12_broken_dot_qmail(demo, name, text, mode, fault):
    demo.put(f".qmail-{name}", text, mode)
    file = demo.homes / "fred" / f".qmail-{name}"
    command = f"chmod -x {file}" if fault == "dot_qmail_x_bit" else ""
    hop = demo.trace(f"fred-{name}@local.test")
    told(hop, fault, command)
    assert str(file) in hop.advice.fault
    assert demo.send(f"fred-{name}@local.test") == 250
    explained(demo.why(f"fred-{name}@local.test", DEFERRED), fault, command)


@pytest.mark.covers("fault/dot_qmail_doubtful")
def test_12_doubtful_lines_are_told_with_line_and_column(demo):
    demo.put(".qmail-odd", "# a list\n& a@b.test\nMaildir/\na@b.test, c@d.test\n+lst\n")
    file = demo.homes / "fred" / ".qmail-odd"
    hop = demo.trace("fred-odd@local.test")
    faults = [warning.fault for warning in hop.warnings if warning.id == "dot_qmail_doubtful"]
    assert [fault.partition(f"{file}:")[2].partition(": ")[0] for fault in faults] == [
        "2:2",
        "3:1",
        "4:9",
        "5:1",
    ]


@pytest.mark.covers("fault/dot_qmail_writable", "fault/dot_qmail_closed")
def test_13_mode_of_the_dot_qmail(demo):
    demo.put(".qmail-open", "./Maildir/\n", 0o666)
    command = f"chmod o-w {demo.homes}/fred/.qmail-open"
    told(demo.trace("fred-open@local.test"), "dot_qmail_writable", command)
    assert demo.send("fred-open@local.test") == 250
    row = demo.why("fred-open@local.test", DEFERRED)
    explained(row, "dot_qmail_writable", command)
    demo.put(".qmail-shut", "./Maildir/\n", 0)
    command = f"chmod u+r {demo.homes}/fred/.qmail-shut"
    told(demo.trace("fred-shut@local.test"), "dot_qmail_closed", command)
    assert demo.send("fred-shut@local.test") == 250
    explained(demo.why("fred-shut@local.test", DEFERRED), "dot_qmail_closed", command)


@pytest.mark.parametrize(
    ("mode", "fault", "change"),
    [(0o757, "home_writable", "o-w"), (0o1755, "home_sticky", "-t"), (0, "home_closed", "u+x")],
)
@pytest.mark.covers("fault/home_writable", "fault/home_sticky", "fault/home_closed")
def test_14_mode_of_the_home(demo, mode, fault, change):
    home = demo.homes / "harry"
    home.chmod(mode)
    try:
        command = f"chmod {change} {home}"
        hop = demo.trace(f"harry-{fault}@local.test")
        told(hop, fault, command)
        assert demo.send(f"harry-{fault}@local.test") == 250
        explained(demo.why(f"harry-{fault}@local.test", DEFERRED), fault, command)
    finally:
        home.chmod(0o755)


@pytest.mark.covers("fault/parent_closed")
def test_15_mode_of_a_parent(demo):
    parent = demo.homes / "closed"
    parent.chmod(0o644)
    try:
        command = f"chmod a+x {parent}"
        hop = demo.trace("petra@local.test")
        told(hop, "parent_closed", command)
        owner = "owner {}:{}".format(*demo.ids)
        assert f"pass through {parent} ({owner}, mode 0644)" in hop.advice.fault
        assert demo.send("petra@local.test") == 250
        explained(demo.why("petra@local.test", DEFERRED), "parent_closed", command)
    finally:
        parent.chmod(0o755)


@pytest.mark.covers("fault/directory_writable", "fault/group_writable")
def test_16_group_and_world_writable(demo):
    demo.put(".qmail-group", "./Maildir/\n", 0o664)
    home, parent = demo.homes / "fred", demo.homes
    home.chmod(0o775)
    parent.chmod(0o777)
    try:
        hop = demo.trace("fred-group@local.test")
        assert hop.state is State.FINE
        assert warned(hop, "directory_writable").command == f"chmod go-w {parent}"
        assert [w.command for w in hop.warnings if w.id == "group_writable"] == [
            f"chmod g-w {home}",
            f"chmod g-w {home}/.qmail-group",
        ]
        assert demo.send("fred-group@local.test") == 250  # qmail delivers all the same
        assert demo.why("fred-group@local.test", ("delivered",))["fault"] == ""
    finally:
        home.chmod(0o755)
        parent.chmod(0o755)


@pytest.mark.parametrize(
    ("address", "fault", "file"),
    [
        ("paula@local.test", "alias_missing", "{root}/alias/.qmail-paula"),
        ("Paula-X.y@local.test", "alias_missing", "{root}/alias/.qmail-paula-x:y"),
        ("fred-none@local.test", "extension_missing", "{homes}/fred/.qmail-none"),
        ("fred-list@local.test", "extension_missing", "{homes}/fred/.qmail-list"),
    ],
)
@pytest.mark.covers("fault/alias_missing", "fault/extension_missing")
def test_17_missing_alias_file(demo, address, fault, file):
    demo.put(".qmail-list-default", "./Maildir/\n")  # for list-x, not for list
    assert demo.trace("fred-list-x@local.test").state is State.FINE
    hop = demo.trace(address)
    told(hop, fault, "")
    file = file.format(root=demo.site.root, homes=demo.homes)
    assert hop.remedy == f"create {file}, or write the address as it exists"
    assert demo.send(address) == 250
    row = demo.why(address, FAILED)
    explained(row, fault, "")
    assert row["remedy"] == hop.remedy


def test_every_remedy_reads_as_a_sentence():
    for remedy in REMEDIES.values():
        assert remedy.fault[0] not in ".,; "
        assert not remedy.text.endswith((".", ":"))
