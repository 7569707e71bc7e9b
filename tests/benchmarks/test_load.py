"""The load itself, against a server that answers what it is told to."""

import itertools
import socketserver
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from tests.benchmarks import requests
from tests.benchmarks.load import UnexpectedAnswerError, run_load
from tests.benchmarks.samples import sample_of

_REQUEST = b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n"


@contextmanager
def server_that_sends(*pieces: bytes) -> Iterator[str]:
    """Answers every request with these pieces, one packet each; the URL."""

    class Answering(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            while self.request.recv(65_536):
                for piece in pieces:
                    self.request.sendall(piece)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Answering) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


@pytest.mark.parametrize(
    "pieces",
    [
        [b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone"],
        [b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n", b"do", b"ne"],
        [b"HTTP/1.1 200 OK\r\ncontent-", b"length: 4\r\n\r", b"\ndone"],
    ],
    ids=["whole", "body in pieces", "head in pieces"],
)
def test_every_client_gets_its_answers_however_they_are_cut(pieces: Sequence[bytes]) -> None:
    with server_that_sends(*pieces) as url:
        sample = run_load(url, 3, 0.05, itertools.repeat(_REQUEST), b"done")

    assert sample.requests >= 3
    assert 0 < sample.p50_ms <= sample.p99_ms <= sample.seconds * 1000


def test_a_wrong_answer_ends_the_run() -> None:
    with (
        server_that_sends(b"HTTP/1.1 503 Busy\r\ncontent-length: 4\r\n\r\nbusy") as url,
        pytest.raises(UnexpectedAnswerError, match="busy"),
    ):
        run_load(url, 2, 5, itertools.repeat(_REQUEST), b"done")


def test_an_answer_without_a_length_ends_the_run() -> None:
    with (
        server_that_sends(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\ndone\r\n0\r\n\r\n") as url,
        pytest.raises(UnexpectedAnswerError, match="without a length"),
    ):
        run_load(url, 1, 5, itertools.repeat(_REQUEST), b"done")


def test_percentiles_are_of_all_requests() -> None:
    sample = sample_of([number / 1000 for number in range(100, 0, -1)], 2.0)

    assert (sample.requests, sample.per_second) == (100, 50.0)
    assert (sample.p50_ms, sample.p99_ms) == (51.0, 100.0)


def test_requests_with_keys_repeat_no_key_and_keep_their_length() -> None:
    made = list(itertools.islice(requests.rest_with_keys("key", ["u0", "u1"]), 6))

    keys = [request.partition(b'"idempotencyKey": "')[2][:24] for request in made]
    assert len(set(keys)) == 6
    for request in made:
        head, _, body = request.partition(b"\r\n\r\n")
        assert f"Content-Length: {len(body)}".encode() in head


def test_batches_go_on_with_the_next_user_and_begin_again_after_the_last() -> None:
    users = [f"u{number}" for number in range(250)]

    first, *_, third, fourth = itertools.islice(requests.batch("key", users), 4)

    assert first.count(b'"userId"') == requests.BATCH
    assert b'"u99"' in first
    assert b'"u100"' not in first
    assert b'"u249"' in third
    assert b'"u49"' in third
    assert fourth == first
