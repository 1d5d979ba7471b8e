"""tcprules and tcprulescheck beside ucspi-tcp's own, for odd inputs too.

The real ones come from the Debian package ucspi-tcp: `apt-get download ucspi-tcp`, then
`dpkg -x ucspi-tcp_*.deb .cache/peers/ucspi`.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from glassmail.faces.compat import tcprules, tcprulescheck

PEERS = Path(__file__).parents[2] / ".cache" / "peers" / "ucspi" / "usr" / "bin"
TCPRULES = shutil.which("tcprules", path=f"{PEERS}:/usr/bin")
TCPRULESCHECK = shutil.which("tcprulescheck", path=f"{PEERS}:/usr/bin")

pytestmark = pytest.mark.skipif(
    not TCPRULES or not TCPRULESCHECK,
    reason="ucspi-tcp is neither installed nor unpacked below .cache/peers/ucspi",
)

LINES = [
    b"1.2.3.4:allow", b"1.2.3.4:deny", b"1.2.3.:allow", b":allow", b":deny", b"=:allow",
    b"=a.test:allow", b"=.test:deny", b"joe@1.2.3.4:allow", b"joe@=a.test:allow",
    b'1.2.3.4:allow,X="y"', b"1.2.3.4:allow,X=/y/,Z=.w.", b'1.2.3.4:deny,X="y"',
    b'1.2.3.4:allow,X="a:b"', b'1.2.3.4:allow,X=""', b'1.2.3.4:allow,="y"', b'1.2.3.4:allow,X="y',
    b"1.2.3.4:allow,X", b"1.2.3.4:allowed", b"1.2.3.4:permit", b"1.2.3.4:allow,", b"1.2.3.4:allow ",
    b" 1.2.3.4:allow", b"1.2.3.4", b"# c", b"", b"\\t", b"1.2.3.37-53:allow", b"10.2-3.:deny",
    b"1.2.3.5-4:allow", b"1.2.3.250-300:allow", b"1.2.3.-4:allow", b"1.2.3.4-:allow", b"-:allow",
    b"1.2-3.4-5:allow", b"a-b:allow", b"=a-b.test:allow", b"joe-x@1.2.3.4:allow",
    b'1.2.3.4:allow,X="y",X="z"', b'1.2.3.4:allow,X="y"Z', b'1.2.3.4:allow,X="y" ,Z="w"',
    b'1.2.3.4:allow,X="\\xff\\xfe"', b"1.2.3.4:allow,X=  y ", b"1.2.3.4:ALLOW", b":", b"::allow",
    b"1.2.3.4:allow,X==y=", b'1.2.3.4:allowX="y"', b"1.2.3.4:deny,", b"01.2.3.4:allow",
    b"1.2.3.007-9:allow", b"1.2.3.4:allow\\r", b"1.2.3.4:allow\\0x",
]  # fmt: skip
CLIENTS = [
    (b"1.2.3.4", None, None), (b"1.2.3.4", b"a.test", b"joe"), (b"1.2.3.40", None, None),
    (b"1.2.3.5", b"b.a.test", None), (b"10.3.1.1", None, None), (b"9.9.9.9", b"a-b.test", b"joe"),
    (b"9.9.9.9", b"test", None), (b"9.9.9.9", b"", b""), (b" 1.2.3.4", None, None),
    (b"", None, None), (b"9", None, None),
]  # fmt: skip
# Where this project takes more than ucspi-tcp: `address` may hold colons and prefixes (IPv6).
WIDER = {b"::allow"}


def real(directory, data):
    done = subprocess.run(
        [TCPRULES, "r.cdb", "r.tmp"], cwd=directory, input=data, capture_output=True, check=False
    )
    return done.returncode, done.stderr


def ours(directory, data, monkeypatch, capfd):
    monkeypatch.chdir(directory)
    reader, writer = os.pipe()
    os.write(writer, data)
    os.close(writer)
    with os.fdopen(reader) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        code = tcprules.main(["tcprules", "r.cdb", "r.tmp"])
    return code, capfd.readouterr().err


@pytest.mark.parametrize("line", [line for line in LINES if line not in WIDER])
def test_one_line(line, tmp_path, monkeypatch, capfd):
    first, second = tmp_path / "real", tmp_path / "ours"
    first.mkdir()
    second.mkdir()
    code, errors = real(first, line + b"\n")
    our_code, our_errors = ours(second, line + b"\n", monkeypatch, capfd)
    assert (our_code, our_errors) == (code, errors.decode("utf-8", "replace"))
    if not code:
        assert (second / "r.cdb").read_bytes() == (first / "r.cdb").read_bytes()


@pytest.mark.parametrize("client", CLIENTS)
def test_check(client, tmp_path, monkeypatch, capfd):
    good = [line for line in LINES if line not in WIDER]
    kept = [line for line in good if real(tmp_path, line + b"\n")[0] == 0]
    # one file with the narrow rules and one with all, since the first of equal keys counts
    for number, data in enumerate((b"\n".join(kept), b"\n".join(reversed(kept)), b"")):
        assert real(tmp_path, data + b"\n")[0] == 0, number
        names = (b"TCPREMOTEIP", b"TCPREMOTEHOST", b"TCPREMOTEINFO")
        told = {n: v for n, v in zip(names, client, strict=True) if v is not None}
        for name in names:
            monkeypatch.delitem(os.environb, name, raising=False)
        for name, value in told.items():
            monkeypatch.setitem(os.environb, name, value)
        path = str(tmp_path / "r.cdb")
        done = subprocess.run([TCPRULESCHECK, path], capture_output=True, check=False, env=told)
        code = tcprulescheck.main(["tcprulescheck", path])
        said = capfd.readouterr().out
        assert (code, said) == (done.returncode, done.stdout.decode("utf-8", "replace"))
