"""The faults beyond the classical seventeen, each produced on a site: `trace` names cause and
remedy; the running demo site's `why` too, where mail can meet the fault."""

import os
import tempfile
from pathlib import Path

import pytest

from glassmail.explain.instructions import State
from glassmail.explain.trace import Inquiry, trace_address
from glassmail.stations import system_users
from tests.explain.demo import Demo
from tests.explain.test_classical_faults import DEFERRED, explained, told, warned
from tests.explain.test_trace import Site


@pytest.fixture(scope="module")
def demo():
    made = Demo()
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def quiet_site():
    """A site of several users that does not run."""
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        yield Site(Path(directory))


def put_and_ask(demo, name, text, **inquiry):
    demo.put(f".qmail-{name}", text)
    return demo.trace(f"fred-{name}@local.test", **inquiry)


@pytest.mark.covers("fault/home_missing")
def test_a_home_that_is_not_there(demo):
    demo.user("ghost", demo.homes / "ghost")
    demo.build()
    command = f"mkdir {demo.homes}/ghost"
    told(demo.trace("ghost@local.test"), "home_missing", command)
    assert demo.send("ghost@local.test") == 250
    explained(demo.why("ghost@local.test", DEFERRED), "home_missing", command)


@pytest.mark.covers("fault/parent_missing")
def test_a_parent_that_is_not_there(demo):
    home = demo.homes / "nowhere" / "orphan"
    demo.user("orphan", home)
    demo.build()
    hop = demo.trace("orphan@local.test")
    told(hop, "parent_missing", f"mkdir -p {home}")
    assert hop.advice.fault == f"{demo.homes}/nowhere is not there"


@pytest.mark.covers("fault/dot_qmail_large")
def test_a_dot_qmail_beyond_its_limit(demo):
    hop = put_and_ask(demo, "huge", "# a comment\n" * 100_000)
    told(hop, "dot_qmail_large", "")
    assert f"{demo.homes}/fred/.qmail-huge" in hop.advice.fault
    assert demo.send("fred-huge@local.test") == 250
    explained(demo.why("fred-huge@local.test", DEFERRED), "dot_qmail_large", "")


@pytest.mark.covers("fault/vanishes")
def test_comments_alone_throw_mail_away(demo):
    hop = put_and_ask(demo, "silence", "# nothing here\n")
    told(hop, "vanishes", "", State.FINE)
    assert demo.send("fred-silence@local.test") == 250
    assert demo.why("fred-silence@local.test", ("delivered",))["text"] == "did 0+0+0\n"


@pytest.mark.covers("fault/mailbox_closed")
def test_a_maildir_that_is_not_there(demo):
    command = f"maildirmake {demo.homes}/fred/Gone/"
    told(put_and_ask(demo, "gone", "./Gone/\n"), "mailbox_closed", command)
    assert demo.send("fred-gone@local.test") == 250
    row = demo.why("fred-gone@local.test", DEFERRED)
    explained(row, "mailbox_closed", command)


@pytest.mark.covers("fault/loop")
def test_a_forward_that_comes_back(demo):
    demo.put(".qmail-ping", "&fred-pong@local.test\n")
    demo.put(".qmail-pong", "&fred-ping@local.test\n")
    hops = trace_address(demo.place, b"fred-ping@local.test", Inquiry()).hops
    told(hops[-1], "loop", "")
    assert "fred-ping@local.test" in hops[-1].remedy


@pytest.mark.covers("fault/program_refused")
def test_a_program_of_ours_that_refuses(demo):
    hop = put_and_ask(demo, "closed", "|bouncesaying 'moved away'\n")
    told(hop, "program_refused", "")
    assert f"{demo.homes}/fred/.qmail-closed" in hop.advice.fault


@pytest.mark.covers("fault/mbox_in_virtual")
def test_vdelivermail_has_no_mbox(demo):
    mailbox = demo.site.root / "domains" / "example.test" / "tammy"
    demo.site.write(mailbox / ".qmail", "./mbox\n")
    try:
        told(demo.trace("tammy@example.test"), "mbox_in_virtual", "")
    finally:
        (mailbox / ".qmail").unlink()


@pytest.mark.covers("fault/route_broken")
def test_a_line_of_smtproutes_without_sense(demo):
    demo.add("smtproutes", "odd.test:relay.test:notaport")
    number = (demo.site.root / "control" / "smtproutes").read_text().count("\n")
    hop = demo.trace("x@odd.test")
    told(hop, "route_broken", "")
    assert f"control/smtproutes:{number}" in hop.remedy


@pytest.mark.covers("fault/nobodys")
def test_an_empty_local_part(demo):
    told(demo.trace("@local.test"), "nobodys", "")


@pytest.mark.covers("fault/one_user")
def test_a_server_of_one_user_delivers_as_nobody_else(demo):
    before = demo.lines
    home = demo.directory(demo.homes / "other")
    demo.lines += f"=other:other:12345:12345:{home}:::\n".encode()
    demo.build()
    try:
        told(demo.trace("other@local.test"), "one_user", "")
        assert demo.send("other@local.test") == 250
        explained(demo.why("other@local.test", DEFERRED), "one_user", "")
    finally:
        demo.lines = before
        demo.build()


@pytest.mark.covers("fault/as_root")
def test_nothing_is_delivered_as_root(quiet_site):
    quiet_site.lines.append(f"=toor:root:0:0:{quiet_site.homes}:::")
    quiet_site.user("joe")
    hop = quiet_site.trace(b"toor@local.test").hops[0]
    told(hop, "as_root", "echo '&NAME@DOMAIN' >alias/.qmail-root")


@pytest.mark.covers("fault/no_alias_user")
def test_without_an_alias_user(quiet_site, monkeypatch):
    monkeypatch.setattr(system_users, "look_up", lambda _name: None)  # some hosts have an alias
    os.rmdir(quiet_site.place.alias)
    hop = quiet_site.trace(b"somebody@local.test").hops[0]
    told(hop, "no_alias_user", "mkdir alias")


@pytest.mark.covers("fault/assign_broken")
def test_a_damaged_cdb(demo):
    whole = (demo.site.root / "users" / "cdb").read_bytes()
    demo.site.write(demo.place.assign_cdb, whole[: len(whole) // 2])
    try:
        told(demo.trace("fred@local.test"), "assign_broken", "qmail-newu", State.UNKNOWN)
        assert demo.send("fred-cdb@local.test") == 250
        explained(demo.why("fred-cdb@local.test", DEFERRED), "assign_broken", "qmail-newu")
    finally:
        demo.build()


@pytest.mark.covers("fault/mx_unknown")
def test_a_name_server_that_fails(demo):
    hop = demo.trace("x@unknown.test", dns=True)
    told(hop, "mx_unknown", "", State.UNKNOWN)
    demo.hand_in("x@unknown.test")
    explained(demo.why("x@unknown.test", DEFERRED), "mx_unknown", "")


@pytest.mark.covers("fault/refused")
def test_a_refusal_of_another_kind(demo):
    demo.site.control("databytes", "10\n")
    demo.reload()
    try:
        assert demo.send("fred-small@local.test") == 552
        row = demo.why("fred-small@local.test", ("refused",))
        assert row["fault"] in {"too_large", "refused"}
    finally:
        demo.site.control("databytes", None)
        demo.reload()


@pytest.mark.covers("fault/not_running")
def test_no_server_runs(demo):
    demo.site.stop()
    warning = warned(demo.trace("fred@local.test"), "not_running")
    assert warning.command == "glass serve"


@pytest.mark.covers("fault/ask_as")
@pytest.mark.skipif(os.geteuid() != 0, reason="needs a second user")
def test_what_our_rights_do_not_show(demo):
    home = demo.homes / "fred"
    os.chown(home, 4321, 4321)
    home.chmod(0o700)
    child = os.fork()
    if child == 0:
        os.setgid(65_534)
        os.setuid(65_534)
        hop = demo.trace("fred-secret@local.test")
        os._exit(0 if hop.advice.id == "ask_as" else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
