"""The keeper's work on logins: look up, compare in threads, run checkpassword programs.

Always:
    - At most HASHES_AT_ONCE hashes are computed at once, in threads that yield to every other
      process; LOGINS_WAITING_MAX logins wait, further ones are told "cannot tell".
    - A password that was right is known for RIGHT_KEPT_S, by a keyed hash in memory and only for
      the stored hash that it was right for: mail programs log in again and again.
    - A program gets name and password on descriptor 3 (checkpassword's protocol), has a time
      limit and is told nothing else. One that says yes to a name and password made up by chance
      would open the server to everybody: nobody logs in by it.
"""

import asyncio
import hashlib
import os
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from glassmail.core.ask import LoginFact
from glassmail.core.formats.control import show
from glassmail.core.model.trail import NO, UNKNOWN, YES
from glassmail.core.protocol import sasl
from glassmail.core.protocol.sasl import Attempt
from glassmail.core.route.rewrite import RoutingTables
from glassmail.net.messages import LoggedIn, LogIn
from glassmail.stations.front_programs import Call, Programs
from glassmail.stations.login_verifiers import verified_mechanisms
from glassmail.stations.logins import (
    LoginSources,
    Secret,
    accepted,
    find_secret,
    judge,
    remember_login,
    sources_of_logins,
)
from glassmail.stations.users import UserSources
from glassmail.store.cdb import Cdb
from glassmail.store.control import Controls, Snapshot
from glassmail.store.passwords import PasswordError

HASHES_AT_ONCE = 2
LOGINS_WAITING_MAX = 2_000
RIGHT_KEPT_S = 300.0
RIGHT_KEPT_MAX = 10_000
LASTAUTH_EVERY_S = 60.0
CHECKPASSWORD_S = 30.0
VERIFIERS_KEPT_S = 10.0
NICENESS = 5
CDBS_MAX = 64
_MISUSE = (2, 100)  # checkpassword: wrong use
_KEY_BYTES = 32

Answer = Callable[[LoggedIn], None]


class Logins:
    """Logins of one keeper."""

    def __init__(
        self, controls: Controls, users: UserSources, tables: Callable[[], RoutingTables], root: str
    ) -> None:
        """Begin with nothing known.

        Args:
            controls: the control directory.
            users: users/cdb.
            tables: the routing tables in use.
            root: the site's directory; relative paths are below it.
        """
        self._controls = controls
        self._users = users
        self._tables = tables
        self._root = root
        self._loop = asyncio.get_running_loop()
        self._pool = ThreadPoolExecutor(HASHES_AT_ONCE, "password", _yield_to_others)
        self._programs = Programs()
        self._tasks: set[asyncio.Future[LoginFact]] = set()
        self._cdbs: dict[bytes, Cdb] = {}
        self._key = secrets.token_bytes(_KEY_BYTES)
        self._right: dict[tuple[bytes, bytes], tuple[bytes, float]] = {}
        self._written: dict[bytes, float] = {}
        self._is_lenient: dict[bytes, bool] = {}  # by line of control/checkpassword
        self._verified: tuple[tuple[bytes, ...], float] = ((), float("-inf"))

    def close(self) -> None:
        """Let go of threads and programs."""
        for task in tuple(self._tasks):
            task.cancel()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def ask(self, message: LogIn, answer: Answer) -> None:
        """Judge a login; `answer` is called once, now or later."""
        attempt = Attempt(message.mechanism, message.user, message.first, message.second)
        if len(self._tasks) >= LOGINS_WAITING_MAX:
            text = f"more than {LOGINS_WAITING_MAX} passwords wait to be checked"
            answer(_message(message.ref, LoginFact(UNKNOWN, attempt.user, text)))
            return
        secret = self._secret(message)
        if self._is_known_right(attempt, secret):
            answer(_message(message.ref, accepted(secret)))
            self._note(secret, message.client)
            return
        task: asyncio.Future[LoginFact]
        if secret.source == "checkpassword":
            task = self._loop.create_task(self._run(attempt))
        else:
            task = self._loop.run_in_executor(self._pool, judge, attempt, secret)
        self._tasks.add(task)
        task.add_done_callback(
            lambda done: self._judged(done, attempt, secret, message, answer)
        )

    def verified(self) -> tuple[bytes, ...]:
        """Return the mechanisms that every account has a verifier for."""
        mechanisms, until = self._verified
        now = self._loop.time()
        if now >= until:
            snapshot = self._controls.snapshot()
            mechanisms = verified_mechanisms(self._sources(snapshot))
            self._verified = (mechanisms, now + VERIFIERS_KEPT_S)
        return mechanisms

    def _judged(
        self,
        task: "asyncio.Future[LoginFact]",
        attempt: Attempt,
        secret: Secret,
        message: LogIn,
        answer: Answer,
    ) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            # repr() of a stranger's error may show the password that it stumbled over
            is_told = isinstance(error, OSError | PasswordError)
            text = str(error) if is_told else type(error).__name__
            answer(_message(message.ref, LoginFact(UNKNOWN, secret.user, text)))
            return
        fact = task.result()
        if fact.answer == YES and attempt.mechanism in sasl.WITH_PASSWORD and secret.hashed:
            if len(self._right) >= RIGHT_KEPT_MAX:
                self._right.clear()
            until = self._loop.time() + RIGHT_KEPT_S
            self._right[secret.user, secret.hashed] = (self._keyed(attempt.first), until)
        if fact.answer == YES and attempt.mechanism != sasl.SCRAM_SALT:
            self._note(secret, message.client)
        answer(_message(message.ref, fact))

    def _is_known_right(self, attempt: Attempt, secret: Secret) -> bool:
        if secret.answer != YES or attempt.mechanism not in sasl.WITH_PASSWORD:
            return False
        kept = self._right.get((secret.user, secret.hashed))
        if kept is None or self._loop.time() >= kept[1]:
            return False
        return secrets.compare_digest(kept[0], self._keyed(attempt.first))

    def _keyed(self, password: bytes) -> bytes:
        return hashlib.blake2b(password, key=self._key).digest()

    def _secret(self, message: LogIn) -> Secret:
        sources = self._sources(self._controls.snapshot())
        try:
            return find_secret(message.user, sources, message.auth_cdb, int(time.time()))
        except Exception as error:  # noqa: BLE001 (the client must have its answer)
            is_told = isinstance(error, OSError | ValueError)
            text = str(error) if is_told else type(error).__name__
            return Secret(UNKNOWN, message.user, text)

    def _sources(self, snapshot: Snapshot) -> LoginSources:
        return sources_of_logins(snapshot, self._tables(), self._users, self._cdb)

    def _cdb(self, path: bytes) -> Cdb:
        cdb = self._cdbs.get(path)
        if cdb is None:
            if len(self._cdbs) >= CDBS_MAX:
                self._cdbs.clear()
            full = os.path.join(os.fsencode(self._root), path)
            cdb = self._cdbs[path] = Cdb(os.fsdecode(full))
        return cdb

    def _note(self, secret: Secret, client: bytes) -> None:
        """Write lastauth, but not at every login of a program that logs in all the time."""
        directory = secret.directory
        now = self._loop.time()
        if not directory or now - self._written.get(directory, -1e9) < LASTAUTH_EVERY_S:
            return
        if len(self._written) >= RIGHT_KEPT_MAX:
            self._written.clear()
        self._written[directory] = now
        self._loop.run_in_executor(self._pool, remember_login, directory, client)

    async def _run(self, attempt: Attempt) -> LoginFact:
        """Ask control/checkpassword's program (cr.yp.to/checkpwd/interface.html)."""
        line = self._controls.snapshot().line("checkpassword")
        if not line.split():
            text = "control/checkpassword names no program"
            return LoginFact(UNKNOWN, attempt.user, text)
        if b"\0" in attempt.first or b"\0" in attempt.second:
            return LoginFact(NO, attempt.user, "checkpassword", "bad password")
        if line not in self._is_lenient:
            chance = secrets.token_hex(16).encode("ascii")
            made_up = await self._run_program(line, Attempt(sasl.PLAIN, chance, chance))
            if made_up.answer == UNKNOWN:
                return made_up._replace(user=attempt.user)
            self._is_lenient[line] = made_up.answer == YES
        if self._is_lenient[line]:
            text = f"control/checkpassword: {show(line.split()[0])}: it says yes to every password"
            return LoginFact(UNKNOWN, attempt.user, text)
        return await self._run_program(line, attempt)

    async def _run_program(self, line: bytes, attempt: Attempt) -> LoginFact:
        arguments = line.split()
        descriptor = os.memfd_create("checkpassword")
        try:
            os.write(descriptor, b"%b\0%b\0%b\0" % (attempt.user, attempt.first, attempt.second))
            os.lseek(descriptor, 0, os.SEEK_SET)
            ended = await self._programs.run(
                Call(arguments, {}, {3: descriptor}, (), 0, True, CHECKPASSWORD_S)
            )
        finally:
            os.close(descriptor)
        name = os.fsdecode(arguments[0])
        if ended.problem:
            return LoginFact(UNKNOWN, attempt.user, f"{name}: {ended.problem}")
        if ended.exit_code == 0:
            return LoginFact(YES, attempt.user, name)
        source = f"{name}: exit code {ended.exit_code}"
        if ended.exit_code == 111 or ended.exit_code in _MISUSE:
            return LoginFact(UNKNOWN, attempt.user, source)
        return LoginFact(NO, attempt.user, source, "bad password")


def _yield_to_others() -> None:
    """Let sessions go before passwords: a thread of Linux has a niceness of its own.

    A site that was started below `nice` keeps what it was given: only root may lower it.
    """
    thread = threading.get_native_id()
    niceness = max(NICENESS, os.getpriority(os.PRIO_PROCESS, thread))
    os.setpriority(os.PRIO_PROCESS, thread, niceness)


def _message(ref: int, fact: LoginFact) -> LoggedIn:
    return LoggedIn(ref, *fact)
