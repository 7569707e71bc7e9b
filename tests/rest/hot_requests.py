"""Requests of the two hot calls, plain and odd, with the status of the answer. A plain one is answered without the framework."""

import json
from typing import Any

from tests.raw import Header, Request

CALL: dict[str, Any] = {"userId": "ada", "featureId": "api-calls"}
ACCESS = "/v1/users/ada/features/api-calls/access"
MAX_BODY_BYTES = 2_000


def post(body: Any, *headers: Header, path: str = "/v1/usage", **more: Any) -> Request:
    """A call to record usage; `headers` take the place of the usual ones of the same names."""
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    usual = [(b"content-type", b"application/json"), (b"content-length", str(len(sent)).encode())]
    return Request("POST", path, [*headers], **{"pieces": (sent,), **more}).with_default(*usual)


def usage(**fields: Any) -> Request:
    return post(CALL | fields)


def get(path: str, *headers: Header) -> Request:
    return Request("GET", path, [*headers])


def key(value: bytes) -> Header:
    return (b"idempotency-key", value)


def authorization(value: bytes) -> Header:
    """`SECRET` in it stands for the tenant's secret key."""
    return (b"authorization", value)


def content_type(value: bytes) -> Header:
    return (b"content-type", value)


def content_length(value: bytes) -> Header:
    return (b"content-length", value)


NO_LENGTH = content_length(b"")  # not sent
NO_TYPE = content_type(b"")  # not sent
LONG = b'{"userId": "ada", "featureId": "api-calls"' + b" " * MAX_BODY_BYTES + b"}"

PLAIN: dict[str, tuple[Request, int]] = {
    "a use": (usage(), 200),
    "several": (usage(delta=3), 200),
    "taken back": (usage(delta=-1), 200),
    "set": (usage(delta=5, action="SET"), 200),
    "above the limit": (usage(delta=1_001), 200),
    "a feature that is on or off": (usage(featureId="a/b"), 200),
    "without a subscription": (usage(userId="bob"), 200),
    "a key": (usage(idempotencyKey="k-1"), 200),
    "the key again": (usage(idempotencyKey="k-1"), 200),
    "the key as a header": (post(CALL, key(b"k-1")), 200),
    "the key in both places": (post(CALL | {"idempotencyKey": "k-1"}, key(b"k-1")), 200),
    "the key for something else": (usage(idempotencyKey="k-1", delta=2), 409),
    "an unknown user": (usage(userId="nobody"), 404),
    "an unknown feature": (usage(featureId="nothing"), 404),
    "a member twice": (post(b'{"userId": "ada", "featureId": "api-calls", "delta": "1", "delta": 1}'), 200),
    "spaces and escapes": (post(b' \n{"userId" : "\\u0061da", "featureId":"api-calls"} '), 200),
    "other JSON types": (post(CALL, content_type(b"Application/JSON; charset=utf-8")), 200),
    "a dialect of JSON": (post(CALL, content_type(b"application/a+json")), 200),
    "a Bearer": (post(CALL, authorization(b"Bearer SECRET")), 200),
    "a bearer": (post(CALL, authorization(b" bearer  SECRET ")), 200),
    "a host with a port": (post(CALL, (b"host", b"[::1]:8000")), 200),
    "no announced length": (post(CALL, NO_LENGTH), 200),
    "a length that does not count": (
        post(
            CALL,
            (b"transfer-encoding", b"chunked"),
            content_length(b"16"),
            pieces=(b'{"userId": "ada"', b', "featureId": "api-calls"}'),
        ),
        200,
    ),
    "many pieces": (post(CALL, pieces=(b'{"userId": "ada", ', b'"featureId"', b"", b': "api-calls"}')), 200),
    "an end of its own": (post(CALL, pieces=(json.dumps(CALL).encode(), b"")), 200),
    "nobody": (post(CALL, authorization(b"")), 401),
    "an unknown key": (post(CALL, authorization(b"prv_test_" + b"0" * 32)), 401),
    "a public key": (post(CALL, authorization(b"PUBLIC")), 401),
    "a user's token": (post(CALL, authorization(b"Bearer ey.a.b")), 401),
    "nobody with an odd body": (post(b"{", authorization(b"no"), NO_TYPE), 401),
    "junk for a key": (post(CALL, authorization("Basic é".encode("latin-1"))), 401),
    "access": (get(ACCESS), 200),
    "access to more": (get(f"{ACCESS}?delta=2"), 200),
    "access to too much": (get(f"{ACCESS}?delta=2147483647"), 200),
    "access without a subscription": (get("/v1/users/bob/features/api-calls/access"), 200),
    "access of an encoded id": (get("/v1/users/bob%40example.com/features/api-calls/access"), 200),
    "access with slashes in ids": (get("/v1/users/b%C3%BC%2fb/features/a%2Fb/access"), 200),
    "access of an unknown user": (get("/v1/users/a+b/features/api-calls/access"), 404),
    "access to an unknown feature": (get("/v1/users/ada/features/nothing/access"), 404),
    "access for nobody": (get(ACCESS, authorization(b"prv_test_x")), 401),
    "access with a body": (get(ACCESS, content_length(b"3")), 200),
}

ODD: dict[str, tuple[Request, int]] = {
    "no content type": (post(CALL, NO_TYPE), 415),
    "a form": (post(CALL, content_type(b"application/x-www-form-urlencoded")), 415),
    "no body": (post(b""), 400),
    "half a body": (post(b"{"), 400),
    "a comma too many": (post(b'{"userId": "ada",}'), 400),
    "no text": (post(b'{"userId": "\xff"}'), 400),
    "half a pair": (post(b'{"userId": "\\ud800"}'), 400),
    "a deep body": (post(b"[" * 1_900), 400),
    "null": (post(None), 422),
    "a list": (post([CALL]), 422),
    "a missing member": (post({"userId": "ada"}), 422),
    "an unknown member": (usage(amount=1), 422),
    "an empty id": (usage(userId=""), 422),
    "a number for an id": (usage(userId=7), 422),
    "a long id": (usage(featureId="x" * 256), 422),
    "a control character": (usage(userId="a\nb"), 422),
    "nothing to add": (usage(delta=0), 422),
    "text for a number": (usage(delta="1"), 422),
    "a fraction": (usage(delta=1.5), 422),
    "null for a number": (usage(delta=None), 422),
    "33 bits": (usage(delta=2**32), 422),
    "a number beyond floats": (post(b'{"userId": "ada", "featureId": "api-calls", "delta": 1e999}'), 422),
    "set below nothing": (usage(delta=-1, action="SET"), 422),
    "an unknown action": (usage(action="add"), 422),
    "an empty key": (usage(idempotencyKey=""), 422),
    "an empty key as a header": (post(CALL, key(b"")), 422),
    "a long key as a header": (post(CALL, key(b"k" * 256)), 422),
    "a key beyond ASCII": (post(CALL, key("schlüssel".encode("latin-1"))), 422),
    "two keys that differ": (post(CALL | {"idempotencyKey": "k-1"}, key(b"k-2")), 422),
    "two keys as headers": (post(CALL, key(b"k-8"), key(b"k-9")), 422),
    "one key twice": (post(CALL, key(b"k-9"), key(b"k-9")), 422),
    "a parameter": (post(CALL, path="/v1/usage?delta=2"), 422),
    "too long": (post(LONG), 413),
    "too long in pieces": (post(LONG, NO_LENGTH, pieces=(LONG[:1_500], LONG[1_500:])), 413),
    "longer than announced": (post(LONG, content_length(b"5"), pieces=(LONG[:1_500], LONG[1_500:])), 413),
    "cut short": (post(CALL, pieces=(b'{"userId": ',), cut_short=True), 400),
    "cut short at once": (post(CALL, pieces=(), cut_short=True), 400),
    "shorter than announced": (post(CALL, content_length(b"999"), pieces=(b"{",)), 400),
    "an announced length that is no number": (post(CALL, content_length(b"x")), 400),
    "accept twice": (post(CALL, (b"accept", b"*/*"), (b"accept", b"text/html")), 200),
    "two secrets": (post(CALL, authorization(b"SECRET"), authorization(b"no")), 200),
    "an odd host": (post(CALL, (b"host", b"a b")), 400),
    "a rare host": (post(CALL, (b"host", b"a~b")), 200),
    "an end in a slash": (post(CALL, path="/v1/usage/"), 200),
    "two slashes": (post(CALL, path="/v1//usage"), 200),
    "an encoded path": (post(CALL, path="/v1/usag%65"), 404),
    "usage by GET": (get("/v1/usage"), 405),
    "usage by OPTIONS": (Request("OPTIONS", "/v1/usage"), 204),
    "access by POST": (post(b"", path=ACCESS), 405),
    "access by HEAD": (Request("HEAD", ACCESS), 405),
    "access to nothing more": (get(f"{ACCESS}?delta=0"), 422),
    "access to less": (get(f"{ACCESS}?delta=-1"), 422),
    "access to 32 bits": (get(f"{ACCESS}?delta=2147483648"), 422),
    "access with a zero in front": (get(f"{ACCESS}?delta=01"), 422),
    "access with a plus": (get(f"{ACCESS}?delta=+1"), 422),
    "access with an encoded number": (get(f"{ACCESS}?delta=%32"), 200),
    "access with an encoded name": (get(f"{ACCESS}?d%65lta=2"), 200),
    "access without a number": (get(f"{ACCESS}?delta="), 422),
    "access to a word": (get(f"{ACCESS}?delta=one"), 422),
    "access twice": (get(f"{ACCESS}?delta=1&delta=1"), 422),
    "access with more": (get(f"{ACCESS}?delta=1&x=1"), 422),
    "access with nothing more": (get(f"{ACCESS}?delta=1&"), 200),
    "access of a control character": (get("/v1/users/%00/features/api-calls/access"), 422),
    "access of no text": (get("/v1/users/%FF/features/api-calls/access"), 422),
    "access of bytes that are no ASCII": (get("/v1/users/ü/features/api-calls/access"), 404),
    "access of a long id": (get(f"/v1/users/{'x' * 256}/features/api-calls/access"), 422),
    "access of no id": (get("/v1/users//features/api-calls/access"), 404),
    "access with an end in a slash": (get(f"{ACCESS}/"), 200),
    "access further down": (get(f"{ACCESS}/x"), 404),
    "access with two keys": (get(ACCESS, key(b"1"), key(b"2")), 422),
}
