"""The metrics, read by Prometheus' own parser."""

import asyncio

import pytest
from prometheus_client.parser import text_string_to_metric_families

from glassmail.daemons.log import metrics
from glassmail.daemons.log.metrics import MetricsError, MetricsServer, parse_place
from glassmail.daemons.log.metrics_text import METRICS, render

NUMBERS = {
    "began": 1_795_176_000_500_000_000,
    "totals": {"sessions": 12, "accepted": 30, "accepted_bytes": 4_000, "local_success": 25,
               "remote_deferral": 3, "bounced": 1, "ended": 28, "alert": 2},
    "checks": {"rcpthosts": 5, 'odd"\\\nname': 1},
    "busy": {"sessions": 3, "sessions_most": 5_000},
    "processes": [
        {"role": "smtpd", "pid": 7, "sessions": 3, "sessions_most": 5_000},
        {"role": "queue", "pid": 8, "messages": 2, "unprocessed": 0, "local": 1,
         "local_most": 255, "remote": 0, "remote_most": 20, "full": 0, "facts_unconfirmed": 4,
         "stopping": 0},
    ],
}  # fmt: skip


def parsed(text):
    families = list(text_string_to_metric_families(text.decode()))
    samples = {(s.name, *sorted(s.labels.items())): s.value for f in families for s in f.samples}
    return families, samples


def test_every_metric_is_understood():
    families, samples = parsed(render(NUMBERS))
    kinds = {family.name: family.type for family in families}
    assert len(families) == len(METRICS)
    for metric in METRICS:
        name = metric.name.removesuffix("_total") if metric.kind == "counter" else metric.name
        assert kinds[name] == metric.kind
        assert next(f for f in families if f.name == name).documentation == metric.about
    assert samples["glassmail_sessions_open",] == 3
    assert samples["glassmail_deliveries_total", ("channel", "local"), ("result", "success")] == 25
    assert samples["glassmail_deliveries_total", ("channel", "remote"), ("result", "failure")] == 0
    assert samples["glassmail_refusals_total", ("check", 'odd"\\\nname')] == 1
    assert samples["glassmail_deliveries_limit", ("channel", "remote")] == 20
    assert samples["glassmail_queue_messages",] == 2
    assert samples["glassmail_log_start_time_seconds",] == 1_795_176_000.5
    assert samples["glassmail_troubles_total", ("severity", "alert")] == 2


def test_what_is_not_known_is_left_out():
    bare = NUMBERS | {"busy": {}, "processes": [], "totals": {}, "checks": {}}
    families, samples = parsed(render(bare))
    names = {family.name for family in families}
    assert "glassmail_queue_messages" not in names
    assert "glassmail_sessions_open" not in names
    assert samples["glassmail_messages_accepted_total",] == 0


@pytest.mark.parametrize(
    ("text", "place"),
    [("127.0.0.1:9154", ("127.0.0.1", 9154)), ("[::1]:80", ("::1", 80)),
     ("127.0.0.2:65535", ("127.0.0.2", 65535))],
)  # fmt: skip
def test_places(text, place):
    assert parse_place(text) == place


@pytest.mark.parametrize(
    "text", ["0.0.0.0:9154", "192.0.2.1:9154", "9154", "localhost:9154", "127.0.0.1:0",
             "127.0.0.1:65536", "127.0.0.1:x", "[::]:1"],
)  # fmt: skip
def test_only_the_loopback(text):
    with pytest.raises(MetricsError, match="control/metrics:1: "):
        parse_place(text)


def ask(request, *, times=1):
    """Serve once and return the answers."""

    async def run():
        server = MetricsServer(lambda: b"figures 1\n")
        await server.start(("127.0.0.1", 0))
        port = server._server.sockets[0].getsockname()[1]
        answers = []
        for _ in range(times):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request)
            answers.append(await asyncio.wait_for(reader.read(), 10))
            writer.close()
        server.close()
        return answers

    return asyncio.run(run())


def test_a_scrape():
    (answer,) = ask(b"GET /metrics?x=1 HTTP/1.1\r\nHost: x\r\n\r\n")
    head, _blank, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4")
    assert b"Content-Length: 10" in head
    assert body == b"figures 1\n"
    (answer,) = ask(b"HEAD /metrics HTTP/1.0\r\n\r\n")
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("request_", "status"),
    [(b"GET / HTTP/1.1\r\n\r\n", b"404"), (b"POST /metrics HTTP/1.1\r\n\r\n", b"405"),
     (b"\x16\x03\x01\r\n\r\n", b"405")],
)  # fmt: skip
def test_other_requests(request_, status):
    assert ask(request_)[0].startswith(b"HTTP/1.1 " + status)


def test_hostile_requests_end(monkeypatch):
    monkeypatch.setattr(metrics, "ANSWER_S", 0.05)
    assert ask(b"GET /metrics") == [b""]
    assert ask(b"x" * 100_000) == [b""]
