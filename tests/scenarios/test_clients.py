"""Mail programs that people have, against the running server."""

import os
import pwd
import shutil
import subprocess

import pytest

from tests.scenarios.site import TAMMY
from tests.scenarios.waiting import until

TEXT = "Subject: by {name}\nFrom: sender@src.test\nTo: tammy@example.test\n\nHello, {name}.\n.dot\n"


def swaks(port, _home):
    words = ["--server", f"127.0.0.1:{port}", "--from", "sender@src.test", "--to", TAMMY]
    return [*words, "--helo", "client.test", "--data", "-"]


def curl(port, _home):
    words = ["-sS", "--crlf", f"smtp://127.0.0.1:{port}/client.test", "--upload-file", "-"]
    return [*words, "--mail-from", "sender@src.test", "--mail-rcpt", TAMMY]


def msmtp(port, _home):
    words = ["--file=/dev/null", "--host=127.0.0.1", f"--port={port}", "--auth=off", "--tls=off"]
    return [*words, "--from=sender@src.test", "--", TAMMY]


def s_nail(port, home):
    (home / "empty").touch()
    words = ["-:/", "-Sv15-compat", f"-Smta=smtp://127.0.0.1:{port}", "-Ssmtp-auth=none"]
    words += ["-Ssmtp-config=-all", "-Sfrom=sender@src.test", "-Snosave", "-Shostname=client.test"]
    return [*words, "-s", "by s-nail", TAMMY]


PROGRAMS = {"swaks": swaks, "curl": curl, "msmtp": msmtp, "s-nail": s_nail}


def has_account():
    try:
        return bool(pwd.getpwuid(os.geteuid()))
    except KeyError:
        return False


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_sends(site, tmp_path, name):
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed (tools/setup.sh test installs it as root)")
    if name == "s-nail" and not has_account():
        pytest.skip("s-nail wants the caller to have an account")
    text = TEXT.format(name=name)
    given = text.partition("\n\n")[2] if name == "s-nail" else text
    done = subprocess.run(
        [name, *PROGRAMS[name](site.smtp_port, tmp_path)],
        input=given.encode(),
        capture_output=True,
        timeout=30,
        check=False,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
    )
    assert done.returncode == 0, (done.stdout, done.stderr)
    wanted = f"Subject: by {name}\n".encode()
    (message,) = until(
        lambda: [m for m in site.messages(TAMMY) if wanted in m], f"what {name} sent arrives"
    )
    assert message.startswith(b"Return-Path: <sender@src.test>\n")
    body = f"\n\nHello, {name}.\n.dot\n" + "\n" * (name == "swaks")  # which adds a line end
    assert message.endswith(body.encode())


def test_smtplib_sends_with_extensions(site):
    with site.client(site.submission_port) as client:
        client.ehlo()
        assert {"pipelining", "8bitmime", "size", "smtputf8"} <= set(client.esmtp_features)
        refused = client.sendmail(
            "sender@src.test",
            [TAMMY],
            "Subject: by smtplib\r\n\r\nZwölf Boxkämpfer\r\n".encode(),
            mail_options=["BODY=8BITMIME"],
        )
    assert refused == {}
    wanted = "Subject: by smtplib\n\nZwölf Boxkämpfer\n".encode()
    until(lambda: [m for m in site.messages(TAMMY) if m.endswith(wanted)], "it arrives")
