"""A network for requests to wherever a customer says: it reaches public addresses only, and ends in time."""

import socket
import ssl
import time
from collections.abc import Iterable
from typing import Any, Final

import httpcore
from httpcore import ConnectError, ConnectTimeout, NetworkStream, ReadError, ReadTimeout, WriteError, WriteTimeout

from app.domain.addresses import is_public

CONNECT_SECONDS: Final = 5.0


class AddressRefused(httpcore.ConnectError):
    """The host has no address that webhooks may go to."""


class PublicNetwork(httpcore.NetworkBackend):
    """Connects to the very address that was looked at: a name that is asked for twice can have two answers.

    Everything on its streams ends at `deadline` (of `time.monotonic`), however slowly the other side goes on. `allow_private`
    lets it connect to any address.
    """

    def __init__(self, deadline: float, *, allow_private: bool) -> None:
        self._deadline = deadline
        self._allow_private = allow_private

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> NetworkStream:
        """Raises AddressRefused, ConnectError, ConnectTimeout."""
        failure: Exception = AddressRefused("no address that webhooks may go to")
        for address in self._addresses(host, port):
            seconds = min(CONNECT_SECONDS, self._deadline - time.monotonic())
            if seconds <= 0:
                raise ConnectTimeout("no time left to connect")
            try:
                return _Stream(socket.create_connection((address, port), seconds), self._deadline)
            except TimeoutError as late:
                failure = ConnectTimeout(str(late))
            except OSError as refused:
                failure = ConnectError(str(refused))
        raise failure

    def _addresses(self, host: str, port: int) -> list[str]:
        """Every one of them must be public: of a host that is half inside, nobody knows which half answers."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as unknown:
            raise ConnectError(str(unknown)) from unknown
        addresses = list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))
        if self._allow_private or all(is_public(address) for address in addresses):
            return addresses
        raise AddressRefused("an address that is not public")


class _Stream(NetworkStream):
    """A socket whose every step has the time that is left of the whole."""

    def __init__(self, connected: socket.socket, deadline: float) -> None:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = connected
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            self._give_time()
            return self._socket.recv(max_bytes)
        except TimeoutError as late:
            raise ReadTimeout(str(late)) from late
        except OSError as broken:
            raise ReadError(str(broken)) from broken

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        try:
            while buffer:
                self._give_time()
                buffer = buffer[self._socket.send(buffer) :]
        except TimeoutError as late:
            raise WriteTimeout(str(late)) from late
        except OSError as broken:
            raise WriteError(str(broken)) from broken

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> NetworkStream:
        try:
            self._give_time()
            return _Stream(ssl_context.wrap_socket(self._socket, server_hostname=server_hostname), self._deadline)
        except TimeoutError as late:
            self.close()
            raise ConnectTimeout(str(late)) from late
        except OSError as broken:
            self.close()
            raise ConnectError(str(broken)) from broken

    def close(self) -> None:
        self._socket.close()

    def get_extra_info(self, info: str) -> Any:
        return None

    def _give_time(self) -> None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("no time left")
        self._socket.settimeout(left)
