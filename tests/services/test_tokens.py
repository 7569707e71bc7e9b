"""User tokens: their claims, and everything that must not pass for one."""

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from datetime import timedelta
from typing import Any

import jwt
import pytest
from freezegun import freeze_time
from sqlalchemy import text

from app.contract.users import UpdateUser
from app.db import engine
from app.errors import AuthenticationError, UserNotFoundError
from app.services import users
from app.services.tokens import TokenBearer, generate_user_token, rotate_token_secret, verify_user_token
from app.settings import settings
from tests.environment import environment
from tests.services.shop import NOWHERE, Shop
from tests.tenants import Tenant, new_tenant

NOT_VALID = "Unauthenticated: the user token is not valid"
ISSUED = "2022-05-11T09:53:35.500Z"  # in the middle of a second, as most moments are
DAY = timedelta(days=1)


@pytest.fixture
def ada(shop: Shop) -> Shop:
    shop.user("ada")
    return shop


def token_of(shop: Shop, user_id: str = "ada") -> str:
    return generate_user_token(shop.actor, user_id).token


def claims_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def kid_of(token: str) -> str:
    kid: str = jwt.get_unverified_header(token)["kid"]
    return kid


def signing_key(kid: str) -> bytes:
    """The secret behind a `kid`, as the module's docstring tells it."""
    with engine().connect() as connection:
        salt = connection.execute(
            text("SELECT salt FROM user_token_secrets WHERE id = :id"), {"id": int(kid)}
        ).scalar_one()
    return hmac.digest(settings().secret_key.encode(), b"user-token" + salt, hashlib.sha256)


def forged(header: dict[str, Any], claims: Any, key: bytes, digest: str = "sha256") -> str:
    """A token as anybody could put it together, with no library's scruples."""
    signed = b".".join(_segment(json.dumps(part).encode()) for part in (header, claims))
    return b".".join([signed, _segment(hmac.digest(key, signed, digest))]).decode()


def _segment(raw: bytes) -> bytes:
    return urlsafe_b64encode(raw).rstrip(b"=")


def refusal(token: str) -> str:
    with pytest.raises(AuthenticationError) as refused:
        verify_user_token(token)
    return refused.value.message


def test_the_claims_are_those_of_the_documents(ada: Shop, tenant: Tenant) -> None:
    with freeze_time(ISSUED):
        token = token_of(ada)
    assert claims_of(token) == {
        "appId": tenant.app_id,
        "userId": "ada",
        "iat": 1652262815,
        "exp": 1654854815,  # exactly 30 days
        "aud": "kana-client",
        "iss": "meterline",
    }
    assert {name: value for name, value in jwt.get_unverified_header(token).items() if name != "kid"} == {
        "alg": "HS256",
        "typ": "JWT",
    }


def test_a_token_speaks_for_its_user(ada: Shop, tenant: Tenant) -> None:
    assert verify_user_token(token_of(ada)) == TokenBearer(tenant.actor.tenant_id, tenant.app_id, "ada")


def test_no_token_for_an_unknown_user_and_no_secret_is_made_for_one(shop: Shop) -> None:
    with pytest.raises(UserNotFoundError, match=r"^User Id not found for app$"):
        generate_user_token(shop.actor, NOWHERE)
    assert shop.rows("user_token_secrets") == {"user_token_secrets": []}


def test_one_secret_signs_all_tokens_of_a_tenant_and_each_tenant_has_its_own(ada: Shop, other_shop: Shop) -> None:
    other_shop.user("ada")
    assert kid_of(token_of(ada)) == kid_of(token_of(ada))
    assert kid_of(token_of(other_shop)) != kid_of(token_of(ada))


def test_a_token_expires_to_the_second(ada: Shop) -> None:
    with freeze_time(ISSUED) as clock:
        token = token_of(ada)
        clock.move_to("2022-06-10T09:53:34.999Z")
        assert verify_user_token(token).user_id == "ada"
        clock.move_to("2022-06-10T09:53:35Z")
        assert refusal(token) == "Unauthenticated: the user token has expired"


def test_a_machine_whose_clock_is_a_little_behind_believes_a_new_token(ada: Shop) -> None:
    with freeze_time(ISSUED) as clock:
        token = token_of(ada)
        clock.tick(-2)
        assert verify_user_token(token).user_id == "ada"


def test_the_issuer_is_a_setting_and_is_enforced(ada: Shop) -> None:
    ours = token_of(ada)
    with environment(TOKEN_ISSUER="usekana.com"):
        theirs = token_of(ada)
        assert claims_of(theirs)["iss"] == "usekana.com"
        assert verify_user_token(theirs).user_id == "ada"
        assert refusal(ours) == NOT_VALID
    assert refusal(theirs) == NOT_VALID


def test_a_token_signed_under_another_secret_key_is_refused(ada: Shop) -> None:
    token = token_of(ada)
    with environment(SECRET_KEY="another-secret-key-of-32-characters"):
        assert refusal(token) == NOT_VALID
    assert verify_user_token(token).user_id == "ada"


@pytest.mark.parametrize(
    "changes",
    [
        {"userId": "bob"},
        {"exp": 4_000_000_000},
        {"appId": "live_other"},
        {"extra": True},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_changed_claim_breaks_the_signature(ada: Shop, changes: dict[str, Any]) -> None:
    header, _, signature = token_of(ada).split(".")
    changed = _segment(json.dumps(claims_of(token_of(ada)) | changes).encode()).decode()
    assert refusal(f"{header}.{changed}.{signature}") == NOT_VALID


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "another-client"},
        {"aud": None},
        {"iss": "usekana.com"},
        {"userId": 124},
        {"userId": None},
        {"exp": "soon"},
        {"appId": None},
        {"appId": ["test_x"]},
    ],
    ids=str,
)
def test_a_claim_that_does_not_fit_is_refused_though_the_signature_does(ada: Shop, changes: dict[str, Any]) -> None:
    token = token_of(ada)
    header = {"alg": "HS256", "typ": "JWT", "kid": kid_of(token)}
    key = signing_key(kid_of(token))

    assert verify_user_token(forged(header, claims_of(token), key)).user_id == "ada"  # the forger's tools are good
    assert refusal(forged(header, claims_of(token) | changes, key)) == NOT_VALID


@pytest.mark.parametrize("claim", ["appId", "userId", "iat", "exp", "aud", "iss"])
def test_every_claim_is_required(ada: Shop, claim: str) -> None:
    token = token_of(ada)
    rest = {name: value for name, value in claims_of(token).items() if name != claim}
    header = {"alg": "HS256", "typ": "JWT", "kid": kid_of(token)}
    assert refusal(forged(header, rest, signing_key(kid_of(token)))) == NOT_VALID


@pytest.mark.parametrize(
    ("algorithm", "digest"), [("HS512", "sha512"), ("HS384", "sha384"), ("RS256", "sha256"), ("ES256", "sha256")]
)
def test_a_token_does_not_choose_its_algorithm(ada: Shop, algorithm: str, digest: str) -> None:
    token = token_of(ada)
    header = {"alg": algorithm, "typ": "JWT", "kid": kid_of(token)}
    assert refusal(forged(header, claims_of(token), signing_key(kid_of(token)), digest)) == NOT_VALID


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", None])
def test_an_unsigned_token_is_refused(ada: Shop, algorithm: str | None) -> None:
    token = token_of(ada)
    header = {"alg": algorithm, "typ": "JWT", "kid": kid_of(token)}
    signed = forged(header, claims_of(token), b"")
    assert refusal(signed) == NOT_VALID
    assert refusal(signed.rpartition(".")[0] + ".") == NOT_VALID


def test_a_tenant_cannot_speak_for_another_with_its_own_secret(ada: Shop, other_tenant: Tenant) -> None:
    theirs = Shop(other_tenant.actor)
    theirs.user("ada")
    token = token_of(theirs)
    foreign_claims = claims_of(token_of(ada))
    header = {"alg": "HS256", "typ": "JWT", "kid": kid_of(token)}
    # Their kid with our appId: there is no such secret of ours.
    assert refusal(forged(header, foreign_claims, signing_key(kid_of(token)))) == NOT_VALID
    # Our kid with their key: not the key that it names.
    header["kid"] = kid_of(token_of(ada))
    assert refusal(forged(header, foreign_claims, signing_key(kid_of(token)))) == NOT_VALID


@pytest.mark.parametrize(
    "kid", [None, "", "0", "x", 1, "-1", " 1", "1_0", "٣", "9" * 18, "9" * 19, "9" * 5000, ["1"], {"1": 1}], ids=str
)
def test_a_kid_that_is_none_of_ours_is_refused(ada: Shop, kid: object) -> None:
    header = {"alg": "HS256", "typ": "JWT", "kid": kid}
    assert refusal(forged(header, claims_of(token_of(ada)), b"k" * 32)) == NOT_VALID


@pytest.mark.parametrize("app_id", ["test_nobody", "a\0b", "\ud800", "", "x" * 10_000], ids=ascii)
def test_an_app_that_is_none_of_ours_is_refused(ada: Shop, app_id: str) -> None:
    token = token_of(ada)
    header = {"alg": "HS256", "typ": "JWT", "kid": kid_of(token)}
    assert refusal(forged(header, claims_of(token) | {"appId": app_id}, b"k" * 32)) == NOT_VALID


@pytest.mark.parametrize(
    "junk",
    ["", ".", "..", "a.b.c", "eyJhbGciOiJIUzI1NiJ9", "é.é.é", "\ud800.x.y", "\0"],
    ids=ascii,
)
def test_what_is_no_token_is_refused(product: str, junk: str) -> None:
    assert refusal(junk) == NOT_VALID


@pytest.mark.parametrize("part", ["header", "claims"])
def test_json_nested_beyond_reason_is_refused(ada: Shop, part: str) -> None:
    deep: Any = json.loads("[" * 900 + "]" * 900)
    token = token_of(ada)
    header: dict[str, Any] = {"alg": "HS256", "kid": kid_of(token)}
    claims = claims_of(token)
    (header if part == "header" else claims)["deep"] = deep
    raw = [
        json.dumps(value).replace("[" * 900, "[" * 90_000).replace("]" * 900, "]" * 90_000)
        for value in (header, claims)
    ]
    assert refusal(b".".join([*(_segment(value.encode()) for value in raw), b"x"]).decode()) == NOT_VALID


def test_after_a_rotation_old_tokens_are_good_for_the_overlap(ada: Shop, tenant: Tenant) -> None:
    with freeze_time(ISSUED) as clock:
        old = token_of(ada)
        rotate_token_secret(tenant.app_id, overlap=2 * DAY)
        new = token_of(ada)
        assert kid_of(new) != kid_of(old)

        clock.move_to("2022-05-13T09:53:35.499Z")
        assert (verify_user_token(old).user_id, verify_user_token(new).user_id) == ("ada", "ada")
        clock.move_to("2022-05-13T09:53:35.500Z")
        assert refusal(old) == NOT_VALID
        assert verify_user_token(new).user_id == "ada"


def test_the_overlap_is_a_tokens_lifetime_unless_said_otherwise(ada: Shop, tenant: Tenant) -> None:
    with freeze_time(ISSUED) as clock:
        old = token_of(ada)
        rotate_token_secret(tenant.app_id)
        clock.tick(timedelta(days=29, hours=23))
        assert verify_user_token(old).user_id == "ada"


def test_a_rotation_without_overlap_ends_old_tokens_at_once(ada: Shop, tenant: Tenant) -> None:
    old = token_of(ada)
    rotate_token_secret(tenant.app_id, overlap=timedelta(0))
    assert refusal(old) == NOT_VALID
    assert verify_user_token(token_of(ada)).user_id == "ada"


def test_a_second_rotation_never_prolongs_what_the_first_ends(ada: Shop, tenant: Tenant) -> None:
    with freeze_time(ISSUED) as clock:
        old = token_of(ada)
        rotate_token_secret(tenant.app_id, overlap=DAY)
        rotate_token_secret(tenant.app_id, overlap=30 * DAY)
        clock.tick(DAY)
        assert refusal(old) == NOT_VALID


def test_rotating_touches_no_other_tenant_and_an_unknown_one_is_said_so(ada: Shop) -> None:
    token = token_of(ada)
    rotate_token_secret(new_tenant().app_id, overlap=timedelta(0))
    assert verify_user_token(token).user_id == "ada"
    with pytest.raises(LookupError, match=r"^There is no tenant test_nobody$"):
        rotate_token_secret("test_nobody")


def test_a_token_names_the_user_as_it_was_called_when_it_was_issued(ada: Shop) -> None:
    token = token_of(ada)
    users.update_user(ada.actor, "ada", UpdateUser(id="lovelace"))
    assert verify_user_token(token).user_id == "ada"
    with pytest.raises(UserNotFoundError):
        token_of(ada)
