import os
import ssl

import pytest

from glassmail.admin.certificate import self_signed
from glassmail.net.tls import TlsError, TlsLayer, TlsObject
from glassmail.stations import certificates
from glassmail.stations.certificates import Certificates

CIPHERS = b"ECDHE+AESGCM"


class Site:
    def __init__(self, root):
        self.root = root
        (root / "control").mkdir()
        (root / "ssl").mkdir()
        self.now = 100.0
        self.problems = []
        self.found = Certificates(str(root), lambda: self.now, self.problems.append)

    def put(self, name, host, path="control/servercert.pem"):
        (self.root / (path or name)).write_bytes(self_signed(host))

    def find(self, path=b"", **options):
        return self.found.choose(path, CIPHERS, **options)


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


class Client:
    """A TLS client in memory, against a layer."""

    def __init__(self, certificate, name="mx.test", **changes):
        self.layer = TlsLayer(certificate.context, certificate.name)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        for key, value in changes.items():
            if key == "chain":
                context.load_cert_chain(value)
            elif key == "ciphers":
                context.set_ciphers(value)
            else:
                setattr(context, key, value)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname=name)

    def shake(self):
        for _ in range(10):
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                pass  # the layer's turn
            self.layer.receive(self.outgoing.read())
            self.incoming.write(self.layer.output())
            if self.layer.is_done:
                self.tls.do_handshake()
                return self
        raise AssertionError("no end")

    def name(self):
        from cryptography import x509

        shown = x509.load_der_x509_certificate(self.tls.getpeercert(binary_form=True))
        return shown.subject.rfc4514_string()


def test_what_was_agreed_on(site):
    site.put("", b"mx.test")
    client = Client(site.find()).shake()
    facts = client.layer.facts()
    assert (facts.version, facts.server_name) == ("TLSv1.3", "mx.test")
    assert facts.cipher == "TLS_AES_256_GCM_SHA384"
    assert facts.certificate == "control/servercert.pem"
    assert facts.email == b""
    client.tls.write(b"EHLO x\r\n")
    assert client.layer.receive(client.outgoing.read()) == b"EHLO x\r\n"
    client.incoming.write(client.layer.encrypt(b"250 ok\r\n"))
    assert client.tls.read(100) == b"250 ok\r\n"
    client.incoming.write(client.layer.close())
    assert client.tls.read(100) == b""


def test_a_client_says_that_it_ends(site):
    site.put("", b"mx.test")
    client = Client(site.find()).shake()
    client.tls.write(b"QUIT\r\n")
    with pytest.raises(ssl.SSLWantReadError):
        client.tls.unwrap()
    assert client.layer.receive(client.outgoing.read()) == b"QUIT\r\n"
    assert client.layer.is_ended


def test_split_bytes_and_long_ones(site):
    site.put("", b"mx.test")
    client = Client(site.find()).shake()
    client.tls.write(b"x" * 100_000)
    data = client.outgoing.read()
    heard = b"".join(client.layer.receive(data[at : at + 999]) for at in range(0, len(data), 999))
    assert heard == b"x" * 100_000


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"maximum_version": ssl.TLSVersion.TLSv1_1, "minimum_version": ssl.TLSVersion.TLSv1_1},
         "unsupported protocol"),
        ({"maximum_version": ssl.TLSVersion.TLSv1_2, "ciphers": "AES128-GCM-SHA256"},
         "no shared cipher"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_what_is_not_agreed_on(site, changes, reason):
    site.put("", b"mx.test")
    try:
        client = Client(site.find(), **changes)
        with pytest.raises(TlsError, match=reason):
            client.shake()
    except ssl.SSLError:  # this OpenSSL's client does not even offer it
        return
    assert client.layer.output() or "protocol" in reason


def test_no_tls_at_all(site):
    site.put("", b"mx.test")
    layer = TlsLayer(site.find().context)
    with pytest.raises(TlsError, match=r"wrong version number|record"):
        layer.receive(b"EHLO plain.example\r\n")


def test_an_endless_handshake(site, monkeypatch):
    site.put("", b"mx.test")
    layer = TlsLayer(site.find().context)
    monkeypatch.setattr("glassmail.net.tls.HANDSHAKE_BYTES_MAX", 10)
    with pytest.raises(TlsError, match="more than 10 bytes"):
        layer.receive(b"\x16\x03\x01\x40\x00" + b"x" * 10)


def test_a_replaced_file_counts(site):
    assert site.find() is None
    site.put("", b"one.test")
    assert site.find() is None  # looked at once a second
    site.now += 2
    first = site.find()
    assert Client(first).shake().name() == "CN=one.test"
    site.now += 2
    assert site.find() is first
    site.put("", b"two.test")
    os.utime(site.root / "control/servercert.pem", ns=(1, 1))
    site.now += 2
    assert Client(site.find()).shake().name() == "CN=two.test"
    (site.root / "control/servercert.pem").write_bytes(b"rubbish")
    site.now += 2
    assert Client(site.find()).shake().name() == "CN=two.test"  # the last good one
    assert len(site.problems) == 1
    assert site.problems[0].startswith("control/servercert.pem: ")
    site.now += 2
    site.find()
    assert len(site.problems) == 1
    (site.root / "control/servercert.pem").unlink()
    site.now += 2
    assert site.find() is None


@pytest.mark.covers("rule-variable/TLS_SERVER_CERT")
def test_another_file(site):
    site.put("", b"other.test", "ssl/mine")
    assert Client(site.find(b"ssl/mine")).shake().name() == "CN=other.test"
    absolute = os.fsencode(site.root / "ssl/mine")
    assert Client(site.find(absolute)).shake().name() == "CN=other.test"
    assert site.find() is None


@pytest.mark.parametrize(
    ("asked", "got"),
    [
        ("mail.one.test", "mail.one.test"),
        ("MAIL.one.test", "mail.one.test"),
        ("a.b.two.test", ".two.test"),
        ("two.test", "mx.test"),
        ("elsewhere.test", "mx.test"),
        ("xn--ss-xyz.two.test", ".two.test"),
        (None, "mx.test"),
    ],
)
def test_sni(site, asked, got):
    site.put("", b"mx.test")
    site.put("", b"mail.one.test", "ssl/mail.one.test.pem")
    site.put("", b".two.test", "ssl/.two.test.pem")
    client = Client(site.find(), asked).shake()
    assert client.name() == f"CN={got}"
    assert client.layer.facts().server_name.lower() == (asked or "").lower()


def test_a_name_becomes_no_path(site):
    site.put("", b"mx.test")
    key = next(iter(site.found._kept), None) or certificates._Key("x", "", False)
    for name in ("../control/servercert", "a/../../b", ".", "", "..", "x" * 300, "a\0b"):
        assert site.found._named(name, key) is None


@pytest.mark.covers("rule-variable/TLSCIPHERS")
def test_ciphers(site):
    site.put("", b"mx.test")
    old = {"maximum_version": ssl.TLSVersion.TLSv1_2}
    found = site.found.choose(b"", b"ECDHE-ECDSA-AES128-GCM-SHA256")
    assert Client(found, **old).shake().layer.facts().cipher == "ECDHE-ECDSA-AES128-GCM-SHA256"
    found = site.found.choose(b"", b"ECDHE-ECDSA-CHACHA20-POLY1305")
    assert Client(found, **old).shake().layer.facts().cipher == "ECDHE-ECDSA-CHACHA20-POLY1305"
    assert site.found.choose(b"", b"no-such-cipher") is None
    assert site.problems[-1].startswith("ciphers 'no-such-cipher': no cipher")
    assert "mend control/tlsserverciphers, or TLSCIPHERS of a rule" in site.problems[-1]


def test_objects_are_ours(site):
    site.put("", b"mx.test")
    assert site.find().context.sslobject_class is TlsObject
