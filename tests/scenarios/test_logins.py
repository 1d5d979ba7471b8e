"""People's mail programs log in and encrypt, against the running server."""

import os
import pwd
import re
import shutil
import smtplib
import ssl
import subprocess

import pytest

from tests.scenarios.site import BOB, HOST, ONE_USER, TAMMY, USERS, Site, free_ports
from tests.scenarios.waiting import until

ELSEWHERE = "someone@elsewhere.test"
AUTHS = ["PLAIN", "LOGIN"]
WAYS = ["plain", "starttls", "tls"]
TEXT = b"Subject: by {name}\nFrom: tammy@example.test\nTo: bob@example.test\n\nHello.\n"


@pytest.fixture(scope="module")
def secure():
    """A site with every kind of listener."""
    (tls_port,) = free_ports(1)
    made = Site(ONE_USER, options=["--listen", f"submissions 127.0.0.1:{tls_port}"])
    made.tls_port = tls_port
    made.control("authdelay", "0\n")
    try:
        yield made.start()
    finally:
        made.close()


def need(name):
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed (tools/setup.sh test installs it as root)")


def run(*words, text=TEXT):
    return subprocess.run(words, input=text, capture_output=True, timeout=60, check=False)


def insecure():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def log_in(site, way="starttls", user=TAMMY, password="secret"):
    if way == "tls":
        client = smtplib.SMTP_SSL("127.0.0.1", site.tls_port, "client.test", context=insecure())
    else:
        client = smtplib.SMTP("127.0.0.1", site.submission_port, "client.test")
    try:
        if way == "starttls":
            client.starttls(context=insecure())
        client.login(user, password)
    except BaseException:
        client.close()
        raise
    return client


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("auth", AUTHS)
def test_swaks(secure, auth, way):
    need("swaks")
    port = secure.tls_port if way == "tls" else secure.submission_port
    words = ["swaks", "--server", "127.0.0.1", "--port", str(port), "--helo", "client.test"]
    words += ["--from", TAMMY, "--to", BOB, "--auth", auth, "--auth-user", TAMMY]
    words += ["--auth-password", "secret", "--data", "-"]
    words += {"plain": [], "starttls": ["--tls"], "tls": ["--tls-on-connect"]}[way]
    before = len(secure.files(BOB))
    done = run(*words)
    assert done.returncode == 0, done.stdout.decode()
    message = secure.arrived(BOB, before + 1)[-1]
    assert b"(tammy@example.test@127.0.0.1)" in message
    assert (b" with ESMTPSA (TLSv1.3 " if way != "plain" else b" with ESMTPA (trace") in message


@pytest.mark.parametrize("way", ["starttls", "tls"])
@pytest.mark.parametrize("auth", ["plain", "login"])
def test_msmtp(secure, auth, way):
    need("msmtp")
    port = secure.tls_port if way == "tls" else secure.submission_port
    words = ["msmtp", "--file=/dev/null", "--host=127.0.0.1", f"--port={port}", f"--auth={auth}"]
    words += [f"--user={TAMMY}", "--passwordeval=echo secret", "--tls=on", "--tls-certcheck=off"]
    words += [f"--tls-starttls={'on' if way == 'starttls' else 'off'}", f"--from={TAMMY}"]
    before = len(secure.files(BOB))
    done = run(*words, "--", BOB)
    assert done.returncode == 0, done.stderr.decode()
    secure.arrived(BOB, before + 1)


@pytest.mark.parametrize("scheme", ["smtps", "submission"])
def test_s_nail(secure, tmp_path, scheme):
    need("s-nail")
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        pytest.skip("s-nail wants the caller to have an account")
    (tmp_path / "empty").touch()
    port = secure.tls_port if scheme == "smtps" else secure.submission_port
    place = f"{scheme}://tammy%40example.test:secret@127.0.0.1:{port}"
    words = ["s-nail", "-:/", "-Sv15-compat", f"-Smta={place}", "-Ssmtp-auth=plain"]
    words += ["-Stls-verify=ignore", "-Ssmtp-use-starttls", f"-Sfrom={TAMMY}", "-Snosave"]
    words += ["-Shostname=client.test", "-s", "by s-nail", BOB]
    before = len(secure.files(BOB))
    done = run(*words, text=b"Hello.\n")
    assert done.returncode == 0, done.stderr.decode()
    secure.arrived(BOB, before + 1)


@pytest.mark.parametrize("scheme", ["smtps", "smtp"])
def test_curl(secure, scheme):
    need("curl")
    port = secure.tls_port if scheme == "smtps" else secure.submission_port
    words = ["curl", "-sS", "-k", "--ssl-reqd", "--crlf", f"{scheme}://127.0.0.1:{port}/client.test"]
    words += ["--user", f"{TAMMY}:secret", "--mail-from", TAMMY, "--mail-rcpt", BOB]
    before = len(secure.files(BOB))
    done = run(*words, "--upload-file", "-")
    assert done.returncode == 0, done.stderr.decode()
    secure.arrived(BOB, before + 1)


def test_openssl_sees_the_certificate_and_its_replacement(secure):
    need("openssl")

    def subject():
        place = f"127.0.0.1:{secure.submission_port}"
        words = ["openssl", "s_client", "-connect", place, "-starttls", "smtp"]
        done = run(*words, text=b"QUIT\r\n")
        return next(line for line in done.stdout.splitlines() if line.startswith(b"subject="))

    assert subject() == b"subject=CN = " + HOST.encode()
    path = secure.root / "control" / "servercert.pem"
    kept = path.read_bytes()
    from glassmail.admin.certificate import self_signed

    secure.write(path, self_signed(b"new.example.test"), 0o640)
    until(lambda: b"new.example.test" in subject(), "the new certificate counts")
    secure.write(path, kept, 0o640)


def test_a_login_relays_and_why_names_it(secure):
    with log_in(secure) as client:
        client.mail(TAMMY)
        assert client.rcpt(BOB)[0] == 250
        assert client.rcpt(ELSEWHERE)[0] == 250
        client.rset()
        client.mail(TAMMY)
        client.rcpt(BOB)
        reply = client.data(b"Subject: x\r\n\r\nx\r\n")[1].decode()
    code = reply[reply.rindex("[") + 1 : -1]
    until(lambda: "allowed by login" in secure.glass("why", code, code=None), "the history has it")
    told = " ".join(secure.glass("why", code, code=None).split())
    assert "is the client tammy@example.test? yes PLAIN" in told or (
        "is the client tammy@example.test? yes LOGIN" in told
    )
    assert "is TLS under the session (TLS_AES_256_GCM_SHA384)?" in told


def test_wrong_passwords_are_lines_and_cases(secure):
    with smtplib.SMTP("127.0.0.1", secure.submission_port, "client.test") as client:
        client.starttls(context=insecure())
        with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
            client.login(TAMMY, "wrong-canary")
    assert refused.value.smtp_code == 535
    line = "AUTH failed (bad password) [127.0.0.1] tammy@example.test"
    until(lambda: any(line in each for each in secure.log_lines("smtpd")), line)
    everything = b"".join(
        path.read_bytes()
        for folder in ("log", "history", "run")
        for path in (secure.root / folder).rglob("*")
        if path.is_file() and not path.is_symlink()
    )
    assert b"wrong-canary" not in everything
    assert b"d3JvbmctY2FuYXJ5" not in everything


def test_lines_match_a_filter_of_fail2ban(secure):
    need("fail2ban-regex")
    for password in ("x", "y"):
        with pytest.raises(smtplib.SMTPAuthenticationError):
            log_in(secure, password=password)
    until(lambda: sum("AUTH failed" in each for each in secure.log_lines("smtpd")) >= 2, "lines")
    pattern = r"^\s*qmail-smtpd\[\d+\]: AUTH failed \([a-z ]+\) \[<HOST>\]"
    done = run("fail2ban-regex", str(secure.root / "log" / "smtpd" / "current"), pattern)
    matched = re.search(rb"(\d+) matched", done.stdout)
    assert matched, done.stdout.decode()
    assert int(matched[1]) >= 2


def test_submission_without_a_login(secure):
    rules = secure.root / "control" / "tcp.smtp"
    kept = rules.read_text()
    secure.control("tcp.smtp", ":allow\n")
    try:
        def refused():
            with smtplib.SMTP("127.0.0.1", secure.submission_port, "client.test") as client:
                client.ehlo()
                return client.mail(TAMMY)[0] == 530

        until(refused, "the rules are read anew")
        with log_in(secure) as client:
            assert client.mail(TAMMY)[0] == 250
    finally:
        secure.control("tcp.smtp", kept)


def test_trace_goes_the_same_way(secure):
    words = ["trace", "--client", "192.0.2.7", "--service", "submission", "--helo", "x"]
    words += ["--from", TAMMY, "--rcpt", ELSEWHERE]
    assert "reply: 530 Authorization required" in secure.glass(*words, code=1)
    assert "no password is taken in the clear" in " ".join(
        secure.glass(*words, "--auth", TAMMY, code=1).split()
    )
    told = " ".join(secure.glass(*words, "--auth", TAMMY, "--tls").split())
    assert "may 192.0.2.7 send to any domain? yes login tammy@example.test" in told
    assert "decision: accepted" in told


def test_with_a_user_for_each_daemon(make_site):
    """smtpd may read the key and no password; the keeper the passwords and no key."""
    site = make_site(USERS)
    site.start()
    with log_in(site) as client:
        client.mail(TAMMY)
        client.rcpt(BOB)
        assert client.data(b"Subject: x\r\n\r\nx\r\n")[0] == 250
    assert b"(tammy@example.test@127.0.0.1)" in site.arrived(BOB)[0]
    assert (site.root / "domains/example.test/tammy/lastauth").read_bytes() == b"127.0.0.1"


def test_no_certificate_for_a_listener_that_needs_one(make_site):
    (port,) = free_ports(1)
    site = make_site(ONE_USER, options=["--listen", f"submissions 127.0.0.1:{port}"])
    path = site.root / "control" / "servercert.pem"
    path.unlink()
    assert "servercert.pem does not exist: put key" in site.refuses_to_start()
    site.write(path, b"rubbish", 0o400)
    assert "control/servercert.pem: " in site.refuses_to_start()
    site.may_complain = True
