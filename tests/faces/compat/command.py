"""Run a historical command in a process of its own, as a mail program would."""

import os
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[3] / "src"
_CODE = "import sys; from glassmail.faces.compat.{} import main; sys.exit(main())"


def make_site(tmp_path):
    """A site with the names of the samples."""
    root = tmp_path / "site"
    for name in ("control", "run", "queue/drop", "users"):
        (root / name).mkdir(parents=True)
    control = {
        "me": "oracle.example.test\n",
        "defaultdomain": "example.test\n",
        "plusdomain": "example.test\n",
    }
    for name, text in control.items():
        (root / "control" / name).write_text(text)
    return root


def arguments(module, *words):
    return [sys.executable, "-c", _CODE.format(module), *words]


def environment(root, **more):
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(SOURCE),
        "GLASSMAIL_ROOT": str(root),
        "USER": "bob",
        **more,
    }


def run(module, root, *words, message=b"", **more):
    """Run it; return the completed process, its output as bytes."""
    return subprocess.run(
        arguments(module, *words),
        input=message,
        capture_output=True,
        env=environment(root, **more),
        cwd=root.parent,
        timeout=30,
        check=False,
    )


def run_queue(root, message, envelope, module="qmail_queue", **more):
    """Run qmail-queue: message on descriptor 0, envelope on descriptor 1; return its exit code."""
    message_in, message_out = os.pipe()
    envelope_in, envelope_out = os.pipe()
    process = subprocess.Popen(
        arguments(module),
        stdin=message_in,
        stdout=envelope_in,
        env=environment(root, **more),
    )
    os.close(message_in)
    os.close(envelope_in)
    for descriptor, data in ((message_out, message), (envelope_out, envelope)):
        with os.fdopen(descriptor, "wb") as file:
            try:
                file.write(data)
                file.flush()
            except BrokenPipeError:
                file.raw = None  # it ended before it read all; its exit code tells why
    return process.wait(timeout=30)
