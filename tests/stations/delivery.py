"""A user's home and deliveries to it, for tests of the delivery stations."""

import os

from glassmail.core.route.users import User
from glassmail.stations.deliver import deliver
from glassmail.stations.deliver_alone import finish
from glassmail.stations.deliver_wants import Task, Terms
from glassmail.stations.programs import Limits
from glassmail.store.letter import Letter
from glassmail.store.maildir import Folders, make

HEAD = b"Received: (qmail 5 invoked by uid 1001); 20 Nov 2026 15:04:01 -0000\n"
BODY = b"From: a@src.test\nSubject: hello\n\nbody line\n"


class Home:
    """A home directory, and what deliveries to it asked the queue to forward."""

    def __init__(self, directory) -> None:
        directory.mkdir()
        self.directory = directory
        self.path = os.fsencode(directory)
        self.forwards = []
        self.sent = []  # new messages: sender, recipients, text
        self.answer = ("K", b"")
        self.terms = Terms(b"./Maildir/\n", b"mx.test", b"/usr/bin:/bin", Limits(20))

    def write(self, name, text, mode=0o600):
        path = self.directory / name
        path.write_bytes(text)
        path.chmod(mode)

    def maildir(self, name="Maildir"):
        make(self.path + b"/" + name.encode())

    def new(self, name="Maildir"):
        """The messages in a Maildir's new/: name -> content."""
        new = self.directory / name / "new"
        return {path.name: path.read_bytes() for path in sorted(new.iterdir())}

    def task(self, ext=b"", dash=None, body=BODY, **changes):
        user = User(
            b"joe", os.getuid(), os.getgid(), self.path, b"-" if dash is None else dash, ext
        )
        fields = {
            "user": user,
            "local": b"virt.test-" + ext if ext else b"joe",
            "host": b"virt.test",
            "sender": b"sender@src.test",
            "letter": Letter(HEAD, body, -1, len(HEAD) + len(body)),
            "message": 5,
            "number": 0,
            "key": b"key",
            "born": 1_795_187_040,
        }
        return Task(**{**fields, **changes})

    def deliver(self, ext=b"", dash=None, **changes):
        folders = Folders()
        try:
            course = deliver(self.task(ext, dash, **changes), self.terms, folders)
            return finish(course, None, self._forward)
        finally:
            folders.close()

    def _forward(self, want):
        if want.body is not None:
            self.sent.append((want.sender, want.recipients, want.body))
        else:
            self.forwards.append((want.sender, want.recipients, want.top))
        want.letter, want.text = self.answer
        want.message = 900 + len(self.forwards) + len(self.sent)


def answers(report, question):
    """What the trail says about a question: (subject, answer) pairs."""
    return [(step.subject, step.answer) for step in report.steps if step.question == question]
