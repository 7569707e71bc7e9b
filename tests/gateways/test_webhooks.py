"""Posting to a customer's endpoint, over real sockets."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator

import pytest

from app.gateways.webhooks import Answer, post
from tests.receiver import Receiver, answer, hang_up, receiving

LATE = "The endpoint did not answer in time."
INSIDE = "The host has an address that is not on the public internet."


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def send(url: str, *, allow_private: bool = True, total_seconds: float = 15.0) -> Answer:
    return post(url, b'{"a":1}', {"webhook-id": "msg_1"}, allow_private=allow_private, total_seconds=total_seconds)


def test_the_body_is_sent_as_it_is_with_the_headers_that_were_given(receiver: Receiver) -> None:
    assert send(f"{receiver.url}?a=%20b") == Answer(200)

    (received,) = receiver.received
    assert (received.path, received.body) == ("/hook?a=%20b", b'{"a":1}')
    host = receiver.url.removeprefix("http://").partition("/")[0]
    assert received.headers == {"host": host, "connection": "close", "content-length": "7", "webhook-id": "msg_1"}


@pytest.mark.parametrize("status", [200, 204, 302, 307, 404, 410, 500])
def test_the_status_is_told_and_no_redirect_followed(receiver: Receiver, status: int) -> None:
    receiver.behave = answer(status, location=receiver.url)
    assert send(receiver.url) == Answer(status)
    assert len(receiver.received) == 1


def test_what_it_asks_for_is_told_and_not_more_of_it_than_could_be_meant(receiver: Receiver) -> None:
    receiver.behave = answer(503, retry_after="7")
    assert send(receiver.url) == Answer(503, retry_after="7")
    receiver.behave = answer(503, retry_after="7" * 1000)
    assert send(receiver.url) == Answer(503, retry_after="7" * 64)


def test_a_long_answer_is_not_read_to_its_end(receiver: Receiver) -> None:
    receiver.behave = answer(200, b"x" * 20_000_000)
    assert send(receiver.url) == Answer(200)


def test_an_endpoint_that_hangs_up_has_failed(receiver: Receiver) -> None:
    receiver.behave = hang_up
    assert send(receiver.url) == Answer(None, "The endpoint did not answer in HTTP.")


@pytest.mark.parametrize("behaviour", ["fall_asleep", "trickle_headers"])
def test_an_endpoint_that_takes_all_the_time_there_is_is_left_in_time(receiver: Receiver, behaviour: str) -> None:
    receiver.behave = getattr(receiver, behaviour)
    began = time.monotonic()
    assert send(receiver.url, total_seconds=0.3) == Answer(None, LATE)
    assert 0.3 <= time.monotonic() - began < 2


def test_a_status_counts_though_its_body_never_ends(receiver: Receiver) -> None:
    receiver.behave = receiver.trickle_body
    began = time.monotonic()
    assert send(receiver.url, total_seconds=0.3) == Answer(200)
    assert time.monotonic() - began < 2


def test_nobody_there_is_a_failure_like_any_other() -> None:
    assert send("http://127.0.0.1:1/hook") == Answer(None, "No connection could be made.")
    assert send("http://nowhere.invalid/hook") == Answer(None, "No connection could be made.")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433"])  # noqa: S104
def test_nothing_is_sent_inside(receiver: Receiver, host: str) -> None:
    url = receiver.url.replace("127.0.0.1", host)
    assert send(url, allow_private=False) == Answer(None, INSIDE)
    assert receiver.received == []


def test_proxies_of_the_environment_are_not_asked(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert send(receiver.url) == Answer(200)


def test_what_speaks_no_tls_is_no_secure_endpoint(receiver: Receiver) -> None:
    assert send(receiver.url.replace("http:", "https:")) == Answer(None, "No secure connection could be made.")


def test_a_host_is_asked_for_by_its_name_in_tls() -> None:
    """The name goes along though the connection is made to an address; and a server that then says nothing is left in time."""
    asked: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connected, _ = server.accept()
            with connected, pytest.raises(ssl.SSLError):
                context.wrap_socket(connected, server_side=True)

        thread = threading.Thread(target=serve)
        thread.start()
        told = send(f"https://localhost:{server.getsockname()[1]}/", total_seconds=5)
        thread.join()
    assert asked == ["localhost"]
    assert told == Answer(None, "No secure connection could be made.")


def test_a_tls_handshake_that_never_ends_is_left_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        began = time.monotonic()
        told = send(f"https://127.0.0.1:{server.getsockname()[1]}/", total_seconds=0.3)
    assert told == Answer(None, LATE)
    assert time.monotonic() - began < 2
