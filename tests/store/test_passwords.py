import pytest

from glassmail.store import passwords
from glassmail.store.passwords import PasswordError

# "secret", hashed by crypt(3) in each of its kinds.
KINDS = {
    "DES": b"arC0VSJvUYhR6",
    "MD5": b"$1$abcdefgh$",
    "SHA-256": b"$5$rounds=1000$abcdefgh$",
    "SHA-512": b"$6$rounds=1000$abcdefgh$",
    "bcrypt": b"$2b$04$abcdefghijklmnopqrstuu",
    "yescrypt": b"$y$j75$abcdefgh$",
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_crypt(kind):
    hashed = passwords._crypt(b"secret", KINDS[kind])
    assert hashed is not None
    assert passwords.verify(b"secret", hashed)
    assert not passwords.verify(b"Secret", hashed)


def test_a_hash_that_vpopmail_made():
    hashed = (  # vpopmail-commands.txt, ann
        b"$6$xeIJ3x05$/KF9gQ791FVUJuPdDZehbTr3I394qPn2mt0.wBe/T5axEEEhR22/bN50.clRd80SVOHoHpHcd2W0"
        b"/UA1gy9bF1"
    )
    assert passwords.verify(b"annpw1secret", hashed)
    assert not passwords.verify(b"annpw1secre", hashed)


def test_new_hashes():
    hashed = passwords.hash_password(b"pw")
    assert hashed.startswith(b"$6$")
    assert b":" not in hashed
    assert passwords.verify(b"pw", hashed)
    assert passwords.hash_password(b"pw") != hashed


def test_argon2id():
    hashed = passwords.hash_password(b"pw", b"argon2id")
    assert hashed.startswith(b"$argon2id$")
    assert b":" not in hashed
    assert passwords.verify(b"pw", hashed)
    assert not passwords.verify(b"pv", hashed)
    assert not passwords.verify(b"pw", b"$argon2id$broken")


@pytest.mark.parametrize("hashed", [b"", b"*", b"!", b"!$6$x$", b"x", b"$6$", b"$9$x$y", None])
def test_locked_and_unreadable_hashes_match_nothing(hashed):
    for password in (b"", b"*", b"x", b"secret"):
        assert not passwords.verify(password, hashed)


def test_passwords_that_cannot_be():
    for password in (b"", b"a\0b", b"x" * 513):
        with pytest.raises(PasswordError):
            passwords.hash_password(password)
        assert not passwords.verify(password, passwords.hash_password(b"a"))
    with pytest.raises(PasswordError, match="write sha512 or argon2id"):
        passwords.hash_password(b"pw", b"md5")
