import os
import ssl
import stat

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from glassmail.admin.certificate import VALID_DAYS, self_signed
from tests.admin.site import make


def test_what_it_holds(tmp_path):
    path = tmp_path / "cert.pem"
    path.write_bytes(self_signed(b"mx.example.test"))
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(path)
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    assert certificate.subject.rfc4514_string() == "CN=mx.example.test"
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.value.get_values_for_type(x509.DNSName) == ["mx.example.test"]
    lasts = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    assert lasts.days == VALID_DAYS + 1
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    assert key.public_key() == certificate.public_key()


def test_a_long_name(tmp_path):
    host = b"a" * 60 + b"." + b"b" * 60 + b".test"
    certificate = x509.load_pem_x509_certificate(self_signed(host))
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.value.get_values_for_type(x509.DNSName) == [host.decode()]


def test_a_new_site_has_one_that_others_cannot_read(tmp_path):
    place = make(tmp_path)
    status = os.stat(place.server_certificate)
    assert stat.S_IMODE(status.st_mode) == 0o400
    assert status.st_uid == os.geteuid()
    with open(os.path.join(place.control, "smtpauth"), "rb") as file:
        assert file.read() == b"vpopmail\n"
