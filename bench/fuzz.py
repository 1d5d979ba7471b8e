"""Feed every parser that sees foreign bytes with millions of inputs.

    python bench/fuzz.py [--runs N] [--target NAME]... [--plain] [--jobs N] [--seed N] [--list]

With atheris each target is a process of its own, guided by coverage, its corpus kept in
`.cache/fuzz/NAME`. Without it (or with --plain) inputs are made by random mutation of the seeds.
An input that breaks a target is written to `.cache/fuzz/NAME.broken`. Exit 1 when one was found.
"""

import argparse
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial

HERE = os.path.dirname(os.path.abspath(__file__))
CORPUS = os.path.join(os.path.dirname(HERE), ".cache", "fuzz")
INPUT_BYTES_MAX = 4_096
ONE_RUN_S_MAX = 5
# What parsers look for: a mutation that puts one of these in finds more than a random byte does.
WORDS = (
    b"\r\n", b"\n", b"\r", b"\0", b".", b"\r\n.\r\n", b"\n.\n", b"@", b"<", b">", b":", b",", b'"',
    b"\\", b"(", b")", b"[", b"]", b"%", b"\xff", b"RCPT TO:<", b"MAIL FROM:<", b"DATA\r\n",
    b"EHLO ", b"250-", b"250 ", b"354 ", b"\n\n", b" ", b"\t", b"-@[]", b"::", b"0", b"99999999999",
)  # fmt: skip


def mutate(choose: random.Random, seeds: tuple[bytes, ...]) -> bytes:
    """Make an input from the seeds: some cuts, repeats, words and flipped bytes."""
    data = bytearray(choose.choice(seeds))
    for _ in range(choose.randrange(1, 12)):
        at = choose.randrange(len(data) + 1)
        kind = choose.randrange(6)
        if kind == 0:
            data[at:at] = choose.choice(WORDS)
        elif kind == 1:
            del data[at : at + choose.randrange(1, 16)]
        elif kind == 2 and data:
            data[at % len(data)] = choose.randrange(256)
        elif kind == 3:
            data[at:at] = data[at : at + choose.randrange(1, 64)]
        elif kind == 4:
            data[at:at] = choose.randbytes(choose.randrange(1, 8))
        else:
            data[at:at] = choose.choice(WORDS) * choose.randrange(1, 300)
    return bytes(data[:INPUT_BYTES_MAX])


def inputs(seeds: tuple[bytes, ...], runs: int, seed: int) -> Iterator[bytes]:
    """The seeds themselves, then mutations."""
    choose = random.Random(seed)
    yield b""
    yield from seeds
    for _ in range(runs):
        yield mutate(choose, seeds)


def plain(name: str, runs: int, seed: int) -> bool:
    """Fuzz one target by mutation in this process; tell whether it held."""
    from fuzz_targets import BY_NAME

    target = BY_NAME[name]
    for data in inputs(target.seeds, runs, seed):
        try:
            target.run(data)
        except Exception as error:  # whatever escapes is what we look for
            path = keep(name, data)
            print(f"{name}: {type(error).__name__}: {error}\n    input: {path}")
            return False
    return True


def keep(name: str, data: bytes) -> str:
    """Write an input that broke a target; return where."""
    os.makedirs(CORPUS, exist_ok=True)
    path = os.path.join(CORPUS, f"{name}.broken")
    with open(path, "wb") as out:
        out.write(data)
    return path


def guided(name: str, runs: int, seed: int) -> bool:
    """Fuzz one target with atheris in a process of its own."""
    corpus = os.path.join(CORPUS, name)
    os.makedirs(corpus, exist_ok=True)
    command = [sys.executable, os.path.abspath(__file__), "--guided-child", name,
               f"-runs={runs}", f"-seed={seed}", f"-max_len={INPUT_BYTES_MAX}",
               f"-timeout={ONE_RUN_S_MAX}", "-rss_limit_mb=1024", "-close_fd_mask=1",
               f"-artifact_prefix={os.path.join(CORPUS, name)}.", corpus]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if not line.startswith(("#", "INFO"))]
        print(f"{name}: broken\n    " + "\n    ".join(lines[-25:]))
    return done.returncode == 0


def guided_child(name: str, flags: list[str]) -> None:
    """Run atheris; does not return."""
    import atheris

    with atheris.instrument_imports(include=["glassmail"]):
        from fuzz_targets import BY_NAME
    target = BY_NAME[name]
    corpus = flags[-1]
    for number, data in enumerate(target.seeds):
        with open(os.path.join(corpus, f"seed{number}"), "wb") as out:
            out.write(data)
    atheris.Setup([name, *flags], target.run)
    atheris.Fuzz()


def has_atheris() -> bool:
    """Tell whether inputs can be guided by coverage here."""
    try:
        import atheris  # noqa: F401
    except ImportError:
        return False
    return True


def timed(
    fuzz: Callable[[str, int, int], bool], runs: int, seed: int, name: str
) -> tuple[str, bool, float]:
    """Fuzz one target; return its name, whether it held, and the seconds it took."""
    begun = time.monotonic()
    held = fuzz(name, runs, seed)
    return name, held, time.monotonic() - begun


def main() -> int:
    """Fuzz what was asked for."""
    if sys.argv[1:2] == ["--guided-child"]:
        guided_child(sys.argv[2], sys.argv[3:])
    from fuzz_targets import BY_NAME

    parser = argparse.ArgumentParser(prog="bench/fuzz.py")
    parser.add_argument("--runs", type=int, default=10_000_000, help="executions for each target")
    parser.add_argument("--target", action="append", choices=list(BY_NAME))
    parser.add_argument("--plain", action="store_true", help="mutation without atheris")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="targets at once")
    parser.add_argument("--list", action="store_true", help="name the targets")
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join(BY_NAME))
        return 0
    is_plain = arguments.plain or not has_atheris()
    # A guided target is a process of its own already; threads wait for them.
    pool = ProcessPoolExecutor if is_plain else ThreadPoolExecutor
    broken = []
    with pool(arguments.jobs) as executor:
        fuzz = partial(timed, plain if is_plain else guided, arguments.runs, arguments.seed)
        for name, held, took in executor.map(fuzz, arguments.target or BY_NAME):
            done = f"{arguments.runs} runs in" if held else "ended early, after"
            print(f"{name}: {done} {took:.1f} s", flush=True)
            broken += [] if held else [name]
    print(f"seed {arguments.seed}: " + (f"broken: {', '.join(broken)}" if broken else "all held"))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
