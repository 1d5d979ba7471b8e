import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassmail.core.protocol import sasl
from glassmail.core.protocol.sasl import Attempt, Challenge, exchange


def test_plain():
    plain = exchange(b"PLAIN", b"")
    assert plain.begin(None) == Challenge(b"")
    assert plain.step(b"\0joe@here\0a b:c") == Attempt(b"PLAIN", b"joe@here", b"a b:c")
    assert exchange(b"PLAIN", b"").begin(b"JOE\0joe\0x") == Attempt(b"PLAIN", b"joe", b"x")


@pytest.mark.parametrize(
    "data", [b"", b"joe\0x", b"\0\0x", b"\0joe\0x\0", b"ann\0joe\0x", b"\0" + b"j" * 321 + b"\0x"]
)
def test_malformed_plain(data):
    assert exchange(b"PLAIN", b"").begin(data) is None


def test_login():
    login = exchange(b"LOGIN", b"")
    assert login.begin(None) == Challenge(b"Username:")
    assert login.step(b"joe") == Challenge(b"Password:")
    assert login.step(b"secret") == Attempt(b"LOGIN", b"joe", b"secret")
    short = exchange(b"LOGIN", b"")
    assert short.begin(b"joe") == Challenge(b"Password:")
    assert short.step(b"") == Attempt(b"LOGIN", b"joe", b"")
    assert exchange(b"LOGIN", b"").begin(b"") is None


def test_cram():
    """The example of RFC 2195."""
    challenge = b"<1896.697170952@postoffice.reston.mci.net>"
    cram = exchange(b"CRAM-MD5", challenge)
    assert cram.begin(None) == Challenge(challenge)
    response = b"tim b913a602c7eda7a495b4e6e7334d3890"
    expected = Attempt(b"CRAM-MD5", b"tim", challenge, b"b913a602c7eda7a495b4e6e7334d3890")
    assert cram.step(response) == expected
    assert exchange(b"CRAM-MD5", challenge).begin(b"tim x") is None
    assert cram.step(b"nodigest") is None


def test_scram():
    """The example of RFC 7677."""
    scram = exchange(b"SCRAM-SHA-256", b"%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0")
    assert scram.begin(None) == Challenge(b"")
    assert scram.step(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO") == Attempt(sasl.SCRAM_SALT, b"user")
    first = (
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
        b"s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    )
    assert scram.learned(b"4096,W22ZaJ0SNY7soEsUEjb6gQ==") == Challenge(first)
    final = b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    proof = b"dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    attempt = scram.step(final + b",p=" + proof)
    signed = b"n=user,r=rOprNGfwEbeRWgbNEkqO," + first + b"," + final
    expected = Attempt(b"SCRAM-SHA-256", b"user", signed, base64.b64decode(proof))
    assert attempt == expected
    salt = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
    salted = hashlib.pbkdf2_hmac("sha256", b"pencil", salt, 4096)
    key = hmac.digest(salted, b"Server Key", "sha256")
    signature = base64.b64encode(hmac.digest(key, signed, "sha256"))
    assert signature == b"6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
    assert scram.learned(signature) == Challenge(b"v=" + signature)


@pytest.mark.parametrize(
    "data",
    [
        b"p=tls-unique,,n=user,r=abcdefgh",
        b"n,,n=,r=abcdefgh",
        b"n,a=other,n=user,r=abcdefgh",
        b"n,,m=x,n=user,r=abcdefgh",
        b"n,,n=user,r=abc",
        b"n,,n=user",
        b"",
    ],
)
def test_malformed_client_first(data):
    assert exchange(b"SCRAM-SHA-256", b"nonce").begin(data) is None


@pytest.mark.parametrize(
    "data",
    [
        b"c=biws,r=abcdefghNONCE",
        b"c=biws,r=abcdefghOTHER,p=YQ==",
        b"c=eSws,r=abcdefghNONCE,p=YQ==",
        b"c=biws,r=abcdefghNONCE,p=!!",
        b"",
    ],
)
def test_malformed_client_final(data):
    scram = exchange(b"SCRAM-SHA-256", b"NONCE")
    assert scram.begin(b"n,,n=us=2Cer,r=abcdefgh") == Attempt(sasl.SCRAM_SALT, b"us,er")
    scram.learned(b"4096,c2FsdA==")
    assert scram.step(data) is None


@given(st.sampled_from(sasl.MECHANISMS), st.lists(st.binary(max_size=60), min_size=1, max_size=4))
def test_any_bytes_are_answered(mechanism, responses):
    made = exchange(mechanism, b"NONCE")
    made.begin(None)
    for data in responses:
        answer = made.step(data)
        if answer is None:
            return
        if isinstance(answer, Attempt):
            assert sasl.is_name(answer.user)
            made.learned(b"4096,c2FsdA==")
