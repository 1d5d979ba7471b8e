import pytest

from glassmail.core.model.networks import parse
from glassmail.core.schedule.gate_book import (
    BAD_RECIPIENT,
    BLOCKS_MAX,
    CONNECT,
    GateBook,
    GateLimits,
)

ONE, TWO, FAR = parse("192.0.2.1"), parse("192.0.2.2"), parse("198.51.100.1")
NOW = 1_000_000.0


def book(**limits):
    made = GateBook()
    made.limits = GateLimits(**{"bad_logins": 10, **limits})
    return made


def test_connections_are_counted_by_address_and_network():
    made = book()
    assert made.enter(ONE) == (1, 1, 1)
    assert made.enter(ONE) == (2, 2, 2)
    assert made.enter(TWO) == (1, 3, 3)
    assert made.enter(FAR) == (1, 1, 4)
    made.leave(ONE)
    assert made.count(ONE) == (1, 2, 3)
    for address in (ONE, TWO, FAR):
        made.leave(address)
    assert made.count(ONE) == (0, 0, 0)


def test_one_customer_of_ipv6_is_one_address():
    made = book()
    made.enter(parse("2001:db8:1:2::1"))
    assert made.enter(parse("2001:db8:1:2:ffff::9")) == (2, 2, 2)
    assert made.enter(parse("2001:db8:1:3::1")) == (1, 3, 3)
    assert made.enter(parse("2001:db8:2::1")) == (1, 1, 4)


def test_a_client_that_passes_a_limit_is_blocked_and_then_free_again():
    made = book(bad_recipients=3, block_s=60)
    blocks = [made.happened(BAD_RECIPIENT, ONE, NOW) for _ in range(5)]
    assert blocks[:3] == [None] * 3
    assert (blocks[3].network, blocks[3].until) == (ONE, NOW + 60)
    assert blocks[3].reason == "more than 3 unknown recipients within a minute"
    assert blocks[4] is None  # it is blocked already
    assert made.block_of(ONE, NOW + 1) == blocks[3]
    assert made.block_of(TWO, NOW + 1) is None
    assert made.block_of(ONE, NOW + 61) is None
    assert made.expire(NOW + 61) == [blocks[3]]
    assert len(made.blocks) == 0


def test_many_clients_of_a_network_have_nine_times_the_limit():
    made = book(connects=2)
    blocked = [made.happened(CONNECT, parse(f"192.0.{n // 64}.{n % 64}"), NOW) for n in range(256)]
    networks = [each.network.text for each in blocked if each is not None]
    assert "192.0.0.0/26" in networks  # 6 of 64 addresses
    assert "192.0.0.0/21" in networks  # 18 of 2,048
    assert parse("192.0.0.0/21").holds(parse("192.0.7.1"))


def test_this_host_is_never_blocked_by_a_limit():
    made = book(bad_recipients=1)
    assert [made.happened(BAD_RECIPIENT, parse("127.0.0.1"), NOW) for _ in range(9)] == [None] * 9


def test_what_is_not_limited_is_not_counted():
    assert book().happened(BAD_RECIPIENT, ONE, NOW) is None


def test_wrong_passwords_of_a_client():
    made = book()
    answers = [made.may_log_in(ONE, b"joe", NOW)[0].is_permitted for _ in range(1_000)]
    assert answers == [True] * 10 + [False] * 990
    assert not made.may_log_in(ONE, b"ann", NOW + 599)[0].is_permitted
    assert made.may_log_in(TWO, b"joe", NOW)[0].is_permitted
    assert made.block_of(ONE, NOW) is None  # mail is still taken from there
    assert made.block_of(ONE, NOW, login=True).is_login_only
    assert made.may_log_in(ONE, b"joe", NOW + 601)[0].is_permitted


def test_a_right_password_gives_its_try_back():
    made = book()
    for _ in range(100):
        assert made.may_log_in(ONE, b"joe", NOW)[0].is_permitted
        made.logged_in(ONE, b"joe", NOW)


def test_a_try_that_nobody_could_judge_is_given_back():
    made = book()
    for _ in range(100):
        assert made.may_log_in(ONE, b"joe", NOW)[0].is_permitted
        made.give_back(ONE, b"joe", NOW)
    tried = [made.may_log_in(TWO, b"joe", NOW)[0].is_permitted for _ in range(20)]
    assert sum(tried) == 10  # nobody is known for having been judged by nobody
    made.limits = GateLimits(bad_logins=0)
    made.give_back(ONE, b"joe", NOW)


def test_a_thousand_wrong_passwords_from_many_addresses():
    made = book()
    made.logged_in(ONE, b"joe", NOW)
    addresses = [parse(f"10.{n % 250}.{n // 250}.1") for n in range(1_000)]
    tried = [made.may_log_in(address, b"joe", NOW)[0].is_permitted for address in addresses]
    assert sum(tried) == 90
    assert made.may_log_in(ONE, b"joe", NOW)[0].is_permitted  # where the owner logged in before
    assert made.may_log_in(addresses[-1], b"ann", NOW)[0].is_permitted


def test_no_limit_of_logins():
    made = book(bad_logins=0)
    assert all(made.may_log_in(ONE, b"joe", NOW)[0].is_permitted for _ in range(1_000))
    made.logged_in(ONE, b"joe", NOW)


def test_an_account_that_suddenly_sends():
    made = book(account_recipients=500)
    answer, held = made.may_send(b"joe", 500, NOW)
    assert (answer.is_permitted, answer.counted, held) == (True, 500, None)
    answer, held = made.may_send(b"joe", 1, NOW)
    assert not answer.is_permitted
    assert held.reason == "more than 500 recipients within an hour"
    answer, held = made.may_send(b"joe", 1, NOW + 86_400)  # until somebody has looked
    assert (answer.is_permitted, held) == (False, None)
    assert made.may_send(b"ann", 1, NOW)[0].is_permitted
    assert made.release(b"joe")
    assert not made.release(b"joe")
    assert made.may_send(b"joe", 1, NOW)[0].is_permitted


def test_an_account_stays_held_without_a_limit():
    made = book(account_recipients=1)
    made.may_send(b"joe", 2, NOW)
    made.limits = GateLimits()
    assert not made.may_send(b"joe", 1, NOW)[0].is_permitted
    assert made.may_send(b"ann", 1, NOW)[0].is_permitted


@pytest.mark.parametrize("text", ["192.0.2.0/24", "192.0.2.1"])
def test_by_hand(text):
    made = book(bad_recipients=1)
    network = parse(text)
    block = made.block(network, NOW + 60, "because", NOW)
    assert made.block_of(ONE, NOW) == block
    assert made.unblock(network)
    assert not made.unblock(network)
    assert made.block_of(ONE, NOW) is None


def test_at_most_so_many_blocks():
    made = book(bad_recipients=1)
    made.block(FAR, NOW + 60, "because", NOW)
    for n in range(BLOCKS_MAX + 50):
        address = parse(f"10.{n >> 12 & 255}.{n >> 4 & 255}.{n << 4 & 255}")
        for _ in range(2):
            made.happened(BAD_RECIPIENT, address, NOW)
    assert len(made.blocks) <= BLOCKS_MAX
    assert made.block_of(FAR, NOW)
