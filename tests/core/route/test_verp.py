"""Variable envelope return paths."""

import pytest

from glassmail.core.route.verp import bounce_recipient, delivery_sender


@pytest.mark.parametrize(
    ("sender", "recipient", "expected"),
    [
        (b"list-@host.test-@[]", b"box@dom.test", b"list-box=dom.test@host.test"),
        (b"list-@host.test-@[]", b"nodomain", b"list-@host.test-@[]"),
        (b"list-@host.test", b"box@dom.test", b"list-@host.test"),
        (b"list-@host.test-@[]", b"a@b@dom.test", b"list-a@b=dom.test@host.test"),
        (b"a@b-@host-@[]", b"box@dom", b"a@b-box=dom@host"),
        (b"@host-@[]", b"box@dom", b"box=dom@host"),
        (b"nothing-@[]", b"box@dom", b"nothing-@[]"),
        (b"-@[]", b"box@dom", b"-@[]"),
        (b"#@[]", b"box@dom", b"#@[]"),
        (b"", b"box@dom", b""),
    ],
)
@pytest.mark.covers("routing/VERP sender")
def test_delivery_sender(sender, recipient, expected):
    assert delivery_sender(sender, recipient) == expected


@pytest.mark.covers("routing/VERP bounce")
def test_bounce_recipient():
    assert bounce_recipient(b"list-@host.test-@[]") == b"list-@host.test"
    assert bounce_recipient(b"joe@host.test") == b"joe@host.test"
    assert bounce_recipient(b"#@[]") == b"#@[]"
