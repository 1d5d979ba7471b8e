import pytest

from glassmail.core.formats.header_rewrite import HeaderError, Rewriter
from glassmail.core.formats.header_tokens import render, tokenise


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (b"a", b"a@host.domain.test"),
        (b"a@b", b"a@b.domain.test"),
        (b"a@b.c", b"a@b.c"),
        (b"a@b+", b"a@b.plus.test"),
        (b"a@b.c+", b"a@b.c.plus.test"),
        (b"a.b", b"a.b@host.domain.test"),
        (b"a@b.", b"a@b.domain.test"),
        (b"a@b..", b"a@b."),
        (b"a@", b"a@host.domain.test"),
        (b"a.", b"a@host.domain.test"),
        (b"a@.", b"a@host.domain.test"),
        (b"@r:a@b", b"a@b.domain.test"),
        (b"@r,@s:a", b"a@host.domain.test"),
        (b"@r", b""),
        (b"@", b""),
        (b".", b""),
        (b"", b""),
        (b"a@[]", b"a@[]"),
        (b"#@[]", b"#@[]"),
        (b"a-@host-@[]", b"a-@host-@[]"),
        (b"a@[1.2.3.4]", b"a@[1.2.3.4]"),
        (b'"a b"', b'"a b"@host.domain.test'),
    ],
)
def test_addresses(given, expected):
    address = tokenise(given)
    Rewriter(b"domain.test", b"host", b"plus.test").rewrite(address)
    assert render(address) == expected + b"\n"


def test_a_default_that_cannot_be_parsed():
    with pytest.raises(HeaderError) as raised:
        Rewriter(b"domain(", b"host", b"plus")
    assert raised.value.text == b"unable to parse this line:\n.domain("
