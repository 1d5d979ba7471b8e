import pytest

from glassmail.core.policy.login_variables import NO_LOGIN_VARIABLES, read_login


def test_a_client_without_them_costs_nothing():
    assert read_login({b"RELAYCLIENT": b"", b"MAXRCPT": b"9"}) is NO_LOGIN_VARIABLES


@pytest.mark.parametrize(
    ("name", "value", "field"),
    [
        (b"REQUIRE_AUTH", b"1", "requires_auth"),
        (b"ALLOW_CRAM", b"1", "allows_cram"),
        (b"ALLOW_INSECURE_AUTH", b"2x", "allows_insecure"),
        (b"DENY_TLS", b"1", "denies_tls"),
        (b"FORCE_TLS", b"1", "forces_tls"),
        (b"SSL", b"1", "is_ssl"),
        (b"SMTPAUTH", b"-", "is_auth_off"),
        (b"SMTPAUTH", b"!", "requires_auth"),
        (b"SMTPAUTH", b"!+cram", "allows_cram"),
        (b"SMTPAUTH", b"cram", "is_cram_alone"),
        (b"UCSPITLS", b"-", "denies_tls"),
        (b"UCSPITLS", b"!", "forces_tls"),
        (b"UCSPITLS", b"?", "asks_certificate"),
        (b"UCSPITLS", b"@", "asks_certificate"),
    ],
)
def test_flags(name, value, field):
    assert getattr(read_login({name: value}), field) is True
    assert getattr(read_login({name: b""}), field) is False
    assert getattr(read_login({name: b"0"}), field) is False


def test_paths_and_changes():
    read = read_login({
        b"AUTH_CDB": b"users/auth.cdb", b"TLS_SERVER_CERT": b"ssl/x.pem", b"TLSCIPHERS": b"HIGH",
        b"AUTH_SET_DATABYTES": b"0", b"AUTH_UNSET_MFCHECK": b"", b"FORCE_TLS": b"1", b"SSL": b"1",
    })  # fmt: skip
    assert (read.auth_cdb, read.certificate, read.ciphers) == (
        b"users/auth.cdb", b"ssl/x.pem", b"HIGH",
    )  # fmt: skip
    assert read.changes == ((b"DATABYTES", b"0"), (b"MFCHECK", None))
    assert not read.forces_tls  # forced 0 where TLS was taken off before
