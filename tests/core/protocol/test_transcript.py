import pytest

from glassmail.core.protocol.transcript import HELD_BYTES_MAX, Transcript

SECRETS = (b"AHRhbW15AGdlaGVpbQ==", b"dGFtbXk=", b"Z2VoZWlt")


def told(steps, **options):
    transcript = Transcript(**{"is_greeted": steps[0][1][:3] != b"220", **options})
    lines = []
    for side, data in steps:
        lines += transcript.client(data) if side == "<" else transcript.server(data)
    return [f"{line.side} {line.text.decode()}".rstrip() for line in lines]


SESSION = [
    (">", b"220 mx ESMTP\r\n"),
    ("<", b"EHLO me\r\n"),
    (">", b"250-mx\r\n250 8BITMIME\r\n"),
    ("<", b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"),
    (">", b"250 ok\r\n250 ok\r\n354 go ahead\r\n"),
    ("<", b"Subject: x\r\n\r\nbody\r\n.\r\nQUIT\r\n"),
    (">", b"250 ok 1 qp 2\r\n221 mx\r\n"),
]


def test_a_session_without_its_body():
    assert told(SESSION) == [
        "> 220 mx ESMTP", "< EHLO me", "> 250-mx", "> 250 8BITMIME", "< MAIL FROM:<a@b>",
        "< RCPT TO:<c@d>", "< DATA", "> 250 ok", "> 250 ok", "> 354 go ahead",
        "- message of 20 bytes", "< QUIT", "> 250 ok 1 qp 2", "> 221 mx",
    ]  # fmt: skip


def test_a_session_with_its_body():
    lines = told(SESSION, has_bodies=True)
    assert lines[10:16] == ["< Subject: x", "<", "< body", "< .", "- message of 20 bytes", "< QUIT"]


@pytest.mark.parametrize("step", [1, 2, 3, 7])
@pytest.mark.parametrize("has_bodies", [False, True])
def test_any_split_tells_the_same(step, has_bodies):
    split = [
        (side, data[at : at + step]) for side, data in SESSION for at in range(0, len(data), step)
    ]
    assert told(split, has_bodies=has_bodies) == told(SESSION, has_bodies=has_bodies)


AUTH = [
    ("<", b"AUTH PLAIN AHRhbW15AGdlaGVpbQ==\r\n"),
    (">", b"535 no\r\n"),
    ("<", b"AUTH LOGIN\r\n"),
    (">", b"334 VXNlcm5hbWU6\r\n"),
    ("<", b"dGFtbXk=\r\n"),
    (">", b"334 UGFzc3dvcmQ6\r\n"),
    ("<", b"Z2VoZWlt\r\n"),
    (">", b"235 ok\r\n"),
    ("<", b"NOOP\r\n"),
]


def test_no_secret_is_told():
    lines = told(AUTH)
    assert lines == [
        "< AUTH PLAIN (not shown)", "> 535 no", "< AUTH LOGIN", "> 334 VXNlcm5hbWU6",
        "< (not shown)", "> 334 UGFzc3dvcmQ6", "< (not shown)", "> 235 ok", "< NOOP",
    ]  # fmt: skip


def test_secrets_are_told_when_asked_for():
    text = "\n".join(told(AUTH, has_secrets=True))
    assert all(secret.decode() in text for secret in SECRETS)


@pytest.mark.parametrize("refusal", [b"503 auth not available\r\n", b"504 what\r\n"])
def test_a_password_behind_a_refused_auth(refusal):
    steps = [("<", b"AUTH LOGIN\r\ndGFtbXk=\r\nZ2VoZWlt\r\n"), (">", refusal)]
    steps += [(">", b"502 unimplemented\r\n" * 2), ("<", b"QUIT\r\n")]
    lines = told(steps)
    assert lines[:4] == ["< AUTH LOGIN", f"> {refusal.decode().strip()}", "< (not shown)",
                         "< (not shown)"]  # fmt: skip
    assert lines[-1] == "< QUIT"


def test_an_early_talker_and_its_body_in_one_piece():
    said = b"HELO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nsecret\r\n.\r\nQUIT\r\n"
    steps = [("<", said)]
    steps += [(">", b"220 mx\r\n250 mx\r\n250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n221 mx\r\n")]
    lines = told(steps, is_greeted=False)
    assert "< secret" not in lines
    assert lines[-4:] == ["- message of 8 bytes", "< QUIT", "> 250 ok", "> 221 mx"]


def test_from_the_middle_of_an_auth():
    steps = [("<", b"Z2VoZWlt\r\n"), (">", b"235 ok\r\n"), ("<", b"NOOP\r\n")]
    assert told(steps, is_in_auth=True) == ["< (not shown)", "> 235 ok", "< NOOP"]


def test_from_the_middle_of_a_group():
    steps = [("<", b"DATA\r\n"), (">", b"250 ok\r\n354 go\r\n"), ("<", b"secret\r\n.\r\n")]
    assert told(steps, unanswered=1)[-1] == "- message of 8 bytes"
    assert told(steps)[-1] == "- message of 8 bytes"


def test_data_that_was_refused_has_no_body():
    lines = told([("<", b"DATA\r\nQUIT\r\n"), (">", b"503 MAIL first\r\n")])
    assert lines == ["< DATA", "> 503 MAIL first", "< QUIT"]


def test_from_the_middle_of_a_message():
    lines = told([("<", b"rest\r\n.\r\nNOOP\r\n"), (">", b"250 ok\r\n")], is_in_body=True)
    assert lines == ["- message of 6 bytes", "< NOOP", "> 250 ok"]


def test_dots_do_not_end_it():
    body = b"..\r\n.x\r\n\n.\n\r\n.\r.\r\n"
    steps = [("<", b"DATA\r\n"), (">", b"354 go\r\n"), ("<", body), ("<", b".\r\nQUIT\r\n")]
    assert told(steps)[2:] == [f"- message of {len(body)} bytes", "< QUIT"]


def test_what_is_kept_is_bounded():
    transcript = Transcript()
    for _ in range(40):
        transcript.client(b"x" * 65_536)
    assert len(transcript._held) <= HELD_BYTES_MAX
    transcript.server(b"y" * 100_000)
    assert len(transcript._said) <= 4_096
