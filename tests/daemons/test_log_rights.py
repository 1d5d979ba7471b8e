import os

from glassmail.daemons.log.rights import Rights

UIDS = {"smtpd": (901, 901), "queue": (902, 902), "log": (903, 903)}


def test_only_daemons_tell_and_only_the_queue_tells_facts(tmp_path, monkeypatch):
    os.chmod(tmp_path, 0o755)
    monkeypatch.setattr(os, "geteuid", lambda: 903)
    owner = os.stat(tmp_path).st_uid
    rights = Rights(str(tmp_path), UIDS)
    assert [uid for uid in (0, owner, 901, 902, 903, 1000) if not rights.may_tell(uid)] == [1000]
    assert [uid for uid in (901, 902, 903, 1000) if rights.may_tell_facts(uid)] == [902, 903]
    assert rights.may_see_all(0, 0)
    assert rights.may_see_all(owner, 0)
    assert not rights.may_see_all(901, 901)
    assert not rights.may_see_all(123_456, 123_456)


def test_members_of_group_glass_see_all(tmp_path, monkeypatch):
    import grp
    import pwd

    class Group:
        gr_gid = 555
        gr_mem = ("tammy",)

    class User:
        pw_name = "tammy"

    def getpwuid(uid):
        if uid != 1234:
            raise KeyError(uid)
        return User

    monkeypatch.setattr(grp, "getgrnam", lambda name: Group)
    monkeypatch.setattr(pwd, "getpwuid", getpwuid)
    rights = Rights(str(tmp_path), UIDS)
    assert rights.may_see_all(1234, 100)
    assert rights.may_see_all(7777, 555)
    assert not rights.may_see_all(7777, 100)
