"""A site in a directory of its own, served by the real processes."""

import json
import os
import shutil
import signal
import smtplib
import socket
import subprocess
import tempfile
from pathlib import Path

from glassmail.admin.requests import RequestError, all_pages, ask
from glassmail.compiled import Standing, standing
from glassmail.settings.place import Place
from tests.scenarios.namespace import Namespace
from tests.scenarios.program import NOBODY, Runner
from tests.scenarios.waiting import until

HOST = "mx.example.test"
TAMMY = "tammy@example.test"
BOB = "bob@example.test"
ONE_USER = "one user"
USERS = "users"
READY_S = 20.0
END_S = 40.0
# What was compiled before the last edit is of no use, and `serve` would tell that.
SERVE_WORDS = ("--interpreted",) if standing() is Standing.STALE else ()


class Site:
    """One site: made at once, served on `start`, ended and removed by `close`.

    Args:
        flavour: ONE_USER runs everything as one unprivileged user (the caller, or NOBODY when
            that is root); USERS runs each daemon as its own, which takes root.
        mailboxes: addresses; their password is `secret`.
        options: more words for `glass init`.
        directory: what is there already, such as a mounted filesystem; else a new one.
    """

    def __init__(self, flavour=ONE_USER, mailboxes=(TAMMY, BOB), options=(), directory=None):
        self.flavour = flavour
        self.base = Path(tempfile.mkdtemp(prefix="glassmail-", dir="/tmp"))
        self.base.chmod(0o755)
        self.root = Path(directory) if directory else self.base / "site"
        self.place = Place(str(self.root))
        self.namespace = Namespace(self.base) if flavour == USERS else None
        uid = os.geteuid() or (NOBODY if flavour == ONE_USER else 0)
        self.runner = Runner(uid, self.namespace.pid if self.namespace else 0)
        os.chown(self.base, uid, -1)
        if directory:
            os.chown(directory, uid, -1)
        self.smtp_port, self.submission_port = free_ports(2)
        self.server = None
        self.may_complain = False
        self.serve_words = SERVE_WORDS
        words = ["--root", str(self.root), "--host", HOST, *options]
        words += ["--listen", f"smtp 127.0.0.1:{self.smtp_port}"]
        words += ["--listen", f"submission 127.0.0.1:{self.submission_port}"]
        for address in mailboxes:
            words += ["--mailbox", f"{address}=secret"]
        if flavour == ONE_USER:
            words.append("--one-user")
        done = self.runner.run(self.runner.glass("init", *words))
        assert done.returncode == 0, done.stderr
        self.control("smtpdprocesses", "1\n")

    # --- files ----------------------------------------------------------------------------------

    def control(self, name, data):
        """Write a control file as an editor would; None removes it."""
        path = self.root / "control" / name
        if data is None:
            path.unlink(missing_ok=True)
            return
        self.write(path, data)

    def write(self, path, data, mode=0o644, owner=None):
        """Put a file in place whole, owned by the site's user."""
        path = Path(path)
        fresh = path.with_name(path.name + ".fresh")
        fresh.write_bytes(data if isinstance(data, bytes) else data.encode())
        fresh.chmod(mode)
        uid, gid = owner or (self.runner.uid, -1)
        os.chown(fresh, uid, gid)
        fresh.rename(path)

    def maildir(self, address):
        local, _, domain = address.partition("@")
        return self.root / "domains" / domain / local / "Maildir"

    def files(self, address):
        """The messages of a mailbox, oldest name first."""
        return sorted((self.maildir(address) / "new").glob("*"))

    def messages(self, address):
        return [path.read_bytes() for path in self.files(address)]

    def arrived(self, address, count=1):
        """Wait for so many messages and return them."""
        try:
            until(lambda: len(self.files(address)) >= count, f"{count} messages for {address}")
        except AssertionError as error:
            names = [path.name for path in self.files(address)]
            error.add_note("\n".join((*names, *self.log_lines()[-20:], self.complaints())))
            raise
        return self.messages(address)

    def log_lines(self, name="send"):
        """Lines of a text log, without their labels; a log that was killed left files behind."""
        files = sorted((self.root / "log" / name).glob("@*"))
        files.append(self.root / "log" / name / "current")
        texts = [path.read_text("utf-8", "surrogateescape") for path in files if path.exists()]
        return [line.partition(" ")[2] for line in "".join(texts).splitlines()]

    # --- the server -----------------------------------------------------------------------------

    def start(self):
        """Serve, and wait for `ready`."""
        self.launch()
        try:
            until(self._is_ready_or_dead, "glass serve is ready", READY_S)
            assert self.server.poll() is None, f"exit {self.server.returncode}: {self.complaints()}"
        except BaseException:
            self.close()  # whoever made the site may not have it yet
            raise
        return self

    def launch(self):
        """Serve without waiting."""
        words = self.runner.glass("serve", "--root", str(self.root), *self.serve_words)
        with (
            open(self.base / "serve.out", "wb") as out,
            open(self.base / "serve.err", "ab") as err,
        ):
            self.server = self.runner.start(words, stdin=subprocess.DEVNULL, stdout=out, stderr=err)

    def refuses_to_start(self, code=111):
        """Run `glass serve` where it must fail; return what it says."""
        words = self.runner.glass("serve", "--root", str(self.root), *self.serve_words)
        done = self.runner.run(words, timeout=READY_S)
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        return done.stderr.decode()

    def complaints(self):
        """What the server wrote to standard error."""
        path = self.base / "serve.err"
        return path.read_text(errors="replace") if path.exists() else ""

    def stop(self):
        """End the server by TERM and wait for it."""
        if self.server is None:
            return 0
        if self.server.poll() is None:
            self.server.send_signal(signal.SIGTERM)
        try:
            return self.server.wait(END_S)
        except subprocess.TimeoutExpired:
            self.server.kill()
            self.server.wait()
            raise
        finally:
            self.server = None

    def close(self):
        """Stop, remove everything, and fail when a process fell over without the test's doing."""
        try:
            code = self.stop()
            complaints = self.complaints()
            assert "Traceback" not in complaints, complaints
            assert self.may_complain or not complaints, complaints
            assert code <= 0 or self.may_complain, code
        finally:
            if self.namespace is not None:
                self.namespace.close()
            shutil.rmtree(self.base, ignore_errors=True)

    def _is_ready_or_dead(self):
        said = (self.base / "serve.out").read_bytes()
        return said == b"ready\n" or self.server.poll() is not None

    # --- asking ---------------------------------------------------------------------------------

    def glass(self, *arguments, code=0, uid=None):
        """Run a `glass` command on this site and return what it printed."""
        runner = self.runner if uid is None else Runner(uid, self.runner.namespace)
        done = runner.run(runner.glass(*arguments, "--root", str(self.root)))
        assert code is None or done.returncode == code, (arguments, done)
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        return done.stdout.decode() if code in (0, None) or done.stdout else done.stderr.decode()

    def json(self, *arguments, code=0):
        """Run a `glass` command with --json; return its objects."""
        return [json.loads(line) for line in self.glass(*arguments, "--json", code=code).split("\n")
                if line]  # fmt: skip

    def historical(self, name, *arguments, code=0, **options):
        """Run qmail-inject and its like on this site."""
        words = self.runner.historical(name, *arguments)
        done = self.runner.run(words, {"GLASSMAIL_ROOT": str(self.root)}, **options)
        assert code is None or done.returncode == code, done
        return done

    def ask(self, verb, **arguments):
        """Ask the queue process for one row, without starting a command."""
        return next(iter(ask(self.place.queue_socket, verb, **arguments)))

    def queued(self):
        """All messages of the queue; None while it does not answer."""
        try:
            queue = self.place.queue_socket
            return list(all_pages(lambda after: ask(queue, "list", after=after, limit=500)))
        except RequestError:
            return None

    def until_empty(self, within_s=20.0):
        """Wait until the queue holds nothing."""
        until(lambda: self.queued() == [], f"the queue is empty: {self.queued()}", within_s)

    def processes(self):
        """Rows of `glass status --json`, the queue's left out."""
        return [row for row in self.json("status", code=None) if "role" in row]

    def children(self):
        """What the supervisor last wrote about its children."""
        return json.loads((self.root / "run" / "status.json").read_text())["children"]

    # --- sending --------------------------------------------------------------------------------

    def client(self, port=None):
        """An SMTP session."""
        return smtplib.SMTP("127.0.0.1", port or self.smtp_port, "client.test", timeout=60)

    def send(self, recipients, message=None, sender="sender@src.test", options=()):
        """Send a message in a session of its own; return the number that the reply to DATA says."""
        if isinstance(recipients, str):
            recipients = [recipients]
        if message is None:
            message = b"Subject: hello\r\nFrom: sender@src.test\r\n\r\nbody line\r\n"
        with self.client() as client:
            client.ehlo()
            client.mail(sender, options)
            for recipient in recipients:
                code, text = client.rcpt(recipient)
                if code != 250:
                    raise smtplib.SMTPResponseException(code, text)
            code, text = client.data(message)
            if code != 250:
                raise smtplib.SMTPResponseException(code, text)
        return text.decode()


def free_ports(count):
    """Ports that nobody listens on just now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [sock.getsockname()[1] for sock in sockets]
    for sock in sockets:
        sock.close()
    return ports


def code_of(reply):
    """The trace code at the end of a reply, without its brackets."""
    return reply[reply.rindex("[") + 1 : reply.rindex("]")]
