import pytest

from glassmail.core.formats.domain_limits import Limits
from glassmail.core.route.alias_kind import AliasKind, kind_of


@pytest.mark.parametrize(
    ("lines", "kind"),
    [
        ([], AliasKind.ALIAS),
        ([b"bob@example.com"], AliasKind.ALIAS),
        ([b"&Bob@Example.COM "], AliasKind.ALIAS),
        ([b"./Maildir/"], AliasKind.ALIAS),
        ([b"/mail/a@b.test/Maildir/"], AliasKind.ALIAS),
        ([b"# a@b.test"], AliasKind.ALIAS),
        ([b"|/bin/true a@b.test"], AliasKind.ALIAS),
        ([b"bob@example.com", b"x@y.test"], AliasKind.FORWARD),
        ([b"x@y.test", b"| /home/vpopmail/bin/autorespond 10000 5 m d"], AliasKind.AUTORESPONDER),
        ([b"|vacation bob"], AliasKind.AUTORESPONDER),
        ([b"|vacation bob", b"x@y.test"], AliasKind.AUTORESPONDER),
        ([b"|/usr/bin/mlmmj-receive -L /lists/talk/"], AliasKind.MAILING_LIST),
        ([b"|vacation x", b"|/usr/bin/ezmlm-send '/lists/news'"], AliasKind.MAILING_LIST),
        ([b"|"], AliasKind.ALIAS),
    ],
)
def test_kinds(lines, kind):
    assert kind_of(lines, b"example.com") is kind


def test_limits_of_a_kind():
    limits = Limits(maxforwards=3, maxmailinglists=4, perm_autoresponder=5, perm_alias=2)
    assert AliasKind.FORWARD.most(limits) == 3
    assert AliasKind.MAILING_LIST.most(limits) == 4
    assert AliasKind.ALIAS.most(limits) == -1
    assert AliasKind.AUTORESPONDER.denied(limits) == 5
    assert AliasKind.ALIAS.denied(limits) == 2
    assert AliasKind.FORWARD.denied(limits) == 0
