"""`make run`: a mail server in ./demo, a first message through it, and what it tells of it.

The server stays in the foreground until Ctrl-C and ends with this program. A site that ./demo
holds already is used again.
"""

import ctypes
import os
import re
import signal
import smtplib
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from email.policy import SMTP
from email.utils import make_msgid
from pathlib import Path

from glassmail.admin import reach

HOST, SMTP_PORT, SUBMISSION_PORT = "127.0.0.1", 2525, 2587
CHECKOUT = Path(__file__).resolve().parent.parent
ROOT = CHECKOUT / "demo"
GLASS = str(Path(sys.executable).with_name("glass"))
READY_S, DELIVERY_S, STOP_S = 20.0, 10.0, 15.0
NOBODY = (65_534, 65_534)  # any user that is neither owner nor group of the checkout
PR_SET_PDEATHSIG = 1

MAIL = (
    ("tammy@example.test", "tammy", "a mailbox"),
    ("tammy-news@example.test", "tammy", "an extension address of tammy's"),
    ("sales@example.test", "tammy", "an alias"),
    ("whoever@example2.test", "bob", "a catch-all of a second domain"),
)


class DemoError(Exception):
    """The demo cannot go on; the text says why."""


def main() -> int:
    """Run the demo; return the exit status."""
    server = None
    try:
        if not (ROOT / "control").exists():
            make_site()
        server = start_server()
        for recipient, mailbox, about in MAIL:
            deliver(recipient, mailbox, about)
        show("trace", "tammy@example.test")
        show("why", deliver("tammy@example.test", "tammy", "once more, for `glass why`"))
        print(f"\nSMTP on {HOST}:{SMTP_PORT}, submission on {HOST}:{SUBMISSION_PORT}; the site is "
              f"{ROOT}. Ctrl-C ends the server.", flush=True)  # fmt: skip
        return server.wait()
    except DemoError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    finally:
        if server is not None:
            stop(server)


def make_site() -> None:
    """Make ./demo with `glass init`."""
    command = [GLASS, "init", "--root", str(ROOT), "--host", "mx.example.test"]
    for address in ("tammy@example.test=tammy-secret", "bob@example.test=bob-secret"):
        command += ["--mailbox", address]
    command += ["--alias", "sales@example.test=tammy@example.test"]
    command += ["--catch-all", "example2.test=bob@example.test"]
    command += ["--listen", f"smtp {HOST}:{SMTP_PORT}"]
    command += ["--listen", f"submission {HOST}:{SUBMISSION_PORT}"]
    if os.geteuid() == 0:
        paths = (str(CHECKOUT), *reach.needed_paths(str(ROOT))[1:])
        closed = reach.first_closed(paths, {"smtpd": NOBODY})
        if closed is not None:
            print(f"{closed.directory} is closed to other users, so everything runs as root; "
                  "programs in .qmail files are refused then")  # fmt: skip
            command.append("--one-user")
    print(f"$ {' '.join(command)}", flush=True)
    if subprocess.run(command, check=False).returncode:
        raise DemoError("the site could not be made")


def start_server() -> "subprocess.Popen[str]":
    """Start `glass serve` and wait until every port answers."""
    command = [GLASS, "serve", "--root", str(ROOT)]
    print(f"$ {' '.join(command)}", flush=True)
    server = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=end_with_parent,  # noqa: PLW1509 (no thread runs yet)
    )
    ready = threading.Event()
    threading.Thread(target=copy_output, args=(server, ready), daemon=True).start()
    began = time.monotonic()
    while not ready.wait(0.05):
        if server.poll() is not None or time.monotonic() - began > READY_S:
            stop(server)
            raise DemoError("the server did not say that it is ready")
    print(f"(after {time.monotonic() - began:.1f} s)", flush=True)
    return server


def copy_output(server: "subprocess.Popen[str]", ready: threading.Event) -> None:
    """Show what the server prints; notice its `ready`."""
    assert server.stdout is not None
    for line in server.stdout:
        print(line, end="", flush=True)
        if line.strip() == "ready":
            ready.set()


def end_with_parent() -> None:
    """Let the server get TERM when this program dies, however it dies."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def stop(server: "subprocess.Popen[str]") -> None:
    """End the server and wait for it."""
    if server.poll() is None:
        server.terminate()
    try:
        server.wait(STOP_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def deliver(recipient: str, mailbox: str, about: str) -> str:
    """Send a message, wait for it in the Maildir, show it; return its trace code."""
    message = compose(recipient, about)
    new = ROOT / "domains" / "example.test" / mailbox / "Maildir" / "new"
    before = set(names(new))
    with smtplib.SMTP(HOST, SMTP_PORT, timeout=DELIVERY_S) as client:
        client.ehlo("laptop.example.test")
        client.mail("demo@laptop.example.test")
        code, reply = client.rcpt(recipient)
        if code == 250:
            code, reply = client.data(message.as_bytes(policy=SMTP))
    print(f"\n{about}: mail for {recipient}\n    {code} {reply.decode('ascii', 'replace')}")
    if code != 250:
        raise DemoError("the server did not take the message")
    path = wait_for(new, before)
    print(f"    {path} ({path.stat().st_size} bytes)")
    with path.open("rb") as file:
        for name, value in BytesHeaderParser().parse(file).items():
            print(f"        {name}: {' '.join(str(value).split())}")
    found = re.search(rb"\[([0-9A-Z-]+(?:/[0-9]+)?)\]", reply)
    return found.group(1).decode("ascii") if found else str(message["Message-ID"])


def compose(recipient: str, about: str) -> EmailMessage:
    """Make a real message: text, and a file attached."""
    message = EmailMessage()
    message["From"] = "Demo <demo@laptop.example.test>"
    message["To"] = recipient
    message["Subject"] = f"glassmail demo: {about}"
    message["Message-ID"] = make_msgid(domain="laptop.example.test")
    message.set_content("You see this because the server works.\n")
    picture = bytes(range(256)) * 16
    message.add_attachment(picture, maintype="image", subtype="x-demo", filename="picture.bin")
    return message


def wait_for(directory: Path, before: set[str]) -> Path:
    """Wait until a new file is in the directory."""
    give_up_at = time.monotonic() + DELIVERY_S
    while time.monotonic() < give_up_at:
        for name in names(directory):
            if name not in before:
                return directory / name
        time.sleep(0.02)
    raise DemoError(f"no message came to {directory} in {DELIVERY_S:.0f} seconds")


def names(directory: Path) -> Iterator[str]:
    """List the files of a Maildir's new/."""
    return (entry.name for entry in os.scandir(directory))


def show(*arguments: str) -> None:
    """Run a glass command and show it with its output."""
    command = [GLASS, *arguments, "--root", str(ROOT)]
    print(f"\n$ glass {' '.join(arguments)}", flush=True)
    subprocess.run(command, check=False)


if __name__ == "__main__":
    sys.exit(main())
