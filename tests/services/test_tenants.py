"""Tenants and API keys."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from freezegun import freeze_time
from sqlalchemy import text
from sqlmodel import SQLModel

from app.contract.actors import Actor
from app.db import engine
from app.domain.keys import KeyKind
from app.domain.metering import Enforcement
from app.errors import AlreadyExistsError, AuthenticationError, InvalidInputError
from app.services import tenants
from tests.tenants import Tenant

UNKNOWN = "Unauthenticated: the API key is unknown or was revoked"
HOUR = timedelta(hours=1)


def refusal(presented: str) -> str:
    with pytest.raises(AuthenticationError) as refused:
        tenants.authenticate_secret_key(presented)
    return refused.value.message


def number_of(app_id: str, key: str) -> int:
    (number,) = [info.id for info in tenants.list_keys(app_id) if info.hint == key[-4:]]
    return number


def test_an_app_has_a_test_and_a_live_tenant_with_keys_of_their_own(product: str) -> None:
    made = tenants.create_app("acme", "Acme Ltd")
    assert [tenant.app_id for tenant in made] == ["test_acme", "live_acme"]
    assert {"test_acme", "live_acme"} <= set(tenants.app_ids())
    for tenant, mode in zip(made, ("test", "live"), strict=True):
        assert re.fullmatch(rf"prv_{mode}_[0-9a-f]{{32}}", tenant.secret_key)
        assert re.fullmatch(rf"pub_{mode}_[0-9a-f]{{32}}", tenant.public_key)
        actor = tenants.authenticate_secret_key(tenant.secret_key)
        assert (actor.app_id, actor.enforcement) == (tenant.app_id, Enforcement.REFUSE)
    assert len({key for tenant in made for key in (tenant.secret_key, tenant.public_key)}) == 4


def test_an_app_is_made_once_and_a_refusal_makes_neither_tenant(product: str) -> None:
    tenants.create_app("once")
    before = tenants.app_ids()
    with pytest.raises(AlreadyExistsError, match=r"^slug: an app 'once' exists already$"):
        tenants.create_app("once")
    assert tenants.app_ids() == before == sorted(before)


@pytest.mark.parametrize("slug", ["", "A", "-a", "a b", "a_b", "é", "a\n", "x" * 64, "٣"])
def test_a_slug_is_lower_case_letters_digits_and_hyphens(product: str, slug: str) -> None:
    before = tenants.app_ids()
    with pytest.raises(InvalidInputError) as refused:
        tenants.create_app(slug)
    assert refused.value.message == (
        "slug: must be 1 to 63 lower-case letters, digits and hyphens, not beginning with a hyphen"
    )
    assert tenants.app_ids() == before


def test_the_longest_slug_is_fine_and_a_bad_name_is_not(product: str) -> None:
    assert tenants.create_app("9" + "x" * 62)[0].app_id == "test_9" + "x" * 62
    with pytest.raises(InvalidInputError, match=r"^name: must have at most 255 characters, has 256$"):
        tenants.create_app("named", "x" * 256)


def test_a_key_is_nowhere_in_the_database(tenant: Tenant) -> None:
    with engine().connect() as connection:
        everything = "\n".join(
            row
            for name in SQLModel.metadata.tables
            for row in connection.execute(text(f"SELECT t::text FROM {name} t")).scalars()  # noqa: S608 — our own names
        )
    assert tenant.app_id in everything
    for key in (tenant.secret_key, tenant.public_key):
        random_part = key.rpartition("_")[2]
        assert random_part not in everything
        assert key.encode().hex() not in everything  # as bytea would show it
        assert random_part.encode().hex() not in everything


def test_a_listed_key_shows_its_end_alone(product: str) -> None:
    with freeze_time("2026-01-01T10:00:00.123Z"):
        made, _ = tenants.create_app("listed")
    secret, public = tenants.list_keys("test_listed")
    made_at = datetime(2026, 1, 1, 10, 0, 0, 123_000, UTC)
    assert (secret.kind, secret.hint, secret.created_at, secret.expires_at) == (
        KeyKind.SECRET,
        made.secret_key[-4:],
        made_at,
        None,
    )
    assert (public.kind, public.hint, public.created_at, public.expires_at) == (
        KeyKind.PUBLIC,
        made.public_key[-4:],
        made_at,
        None,
    )


def test_a_further_key_opens_the_same_tenant(tenant: Tenant) -> None:
    key = tenants.create_key(tenant.app_id, KeyKind.SECRET)
    assert key != tenant.secret_key
    assert tenants.authenticate_secret_key(key) == tenants.authenticate_secret_key(tenant.secret_key) == tenant.actor
    assert tenants.create_key(tenant.app_id, KeyKind.PUBLIC).startswith("pub_test_")


def test_a_public_key_is_refused_as_one(tenant: Tenant) -> None:
    message = "Unauthenticated: this API needs a secret key (prv_…), not a public one"
    assert refusal(tenant.public_key) == message
    assert refusal("pub_live_" + "0" * 32) == message


def test_a_public_keys_digits_behind_a_secret_prefix_open_nothing(tenant: Tenant) -> None:
    assert refusal(tenant.public_key.replace("pub_", "prv_")) == UNKNOWN


def test_a_key_of_the_right_form_that_nobody_was_given_is_unknown(tenant: Tenant) -> None:
    assert refusal("prv_test_" + "0" * 32) == UNKNOWN
    assert refusal(tenant.secret_key.replace("_test_", "_live_")) == UNKNOWN
    assert refusal(tenant.secret_key[:-1]) == UNKNOWN
    assert refusal(tenant.secret_key.upper().replace("PRV_TEST", "prv_test")) == UNKNOWN


@pytest.mark.parametrize(
    "junk", ["", "prv", "prv_test_", "prv_prod_" + "0" * 32, "secret", "prv_test_" + "é" * 32, "prv_test_\0" + "0" * 32]
)
def test_what_is_no_key_is_told_what_is_needed(product: str, junk: str) -> None:
    assert refusal(junk) == "Unauthenticated: this API needs a secret key (prv_test_… or prv_live_…)"


def test_a_revoked_key_ends_now_and_its_siblings_go_on(tenant: Tenant) -> None:
    other = tenants.create_key(tenant.app_id, KeyKind.SECRET)
    tenants.revoke_key(tenant.app_id, number_of(tenant.app_id, tenant.secret_key))
    assert refusal(tenant.secret_key) == UNKNOWN
    assert tenants.authenticate_secret_key(other) == tenant.actor


def test_revoking_again_does_not_move_the_end(tenant: Tenant) -> None:
    number = number_of(tenant.app_id, tenant.secret_key)
    with freeze_time("2026-01-01T00:00:00Z") as clock:
        tenants.revoke_key(tenant.app_id, number)
        clock.tick(HOUR)
        tenants.revoke_key(tenant.app_id, number)
    assert tenants.list_keys(tenant.app_id)[0].expires_at == datetime(2026, 1, 1, tzinfo=UTC)


def test_a_rotated_key_works_on_for_the_overlap(tenant: Tenant) -> None:
    number = number_of(tenant.app_id, tenant.secret_key)
    with freeze_time("2026-01-01T00:00:00Z") as clock:
        new = tenants.rotate_key(tenant.app_id, number, overlap=24 * HOUR)
        assert new.startswith("prv_test_")
        clock.move_to("2026-01-01T23:59:59.999Z")
        assert tenants.authenticate_secret_key(tenant.secret_key) == tenant.actor
        clock.move_to("2026-01-02T00:00:00Z")
        assert refusal(tenant.secret_key) == UNKNOWN
        assert tenants.authenticate_secret_key(new) == tenant.actor


def test_rotating_never_prolongs_a_key_and_keeps_its_kind(tenant: Tenant) -> None:
    number = number_of(tenant.app_id, tenant.public_key)
    with freeze_time("2026-01-01T00:00:00Z"):
        tenants.rotate_key(tenant.app_id, number, overlap=HOUR)
        assert tenants.rotate_key(tenant.app_id, number, overlap=24 * HOUR).startswith("pub_test_")
    ends = {info.id: info.expires_at for info in tenants.list_keys(tenant.app_id)}
    assert ends[number] == datetime(2026, 1, 1, 1, tzinfo=UTC)


def test_the_enforcement_reaches_the_callers_of_a_tenant_and_nobody_else(tenant: Tenant, other_tenant: Tenant) -> None:
    tenants.set_enforcement(tenant.app_id, Enforcement.RECORD)
    assert tenants.authenticate_secret_key(tenant.secret_key) == Actor(
        tenant.actor.tenant_id, tenant.app_id, Enforcement.RECORD
    )
    assert tenants.authenticate_secret_key(other_tenant.secret_key).enforcement is Enforcement.REFUSE


@pytest.mark.parametrize("app_id", ["test_nobody", "", "a\0b", "\ud800"], ids=ascii)
def test_an_unknown_tenant_is_said_so(product: str, app_id: str) -> None:
    for attempt in (
        lambda: tenants.set_enforcement(app_id, Enforcement.RECORD),
        lambda: tenants.create_key(app_id, KeyKind.SECRET),
        lambda: tenants.rotate_key(app_id, 1, HOUR),
        lambda: tenants.revoke_key(app_id, 1),
        lambda: tenants.list_keys(app_id),
    ):
        with pytest.raises(LookupError) as refused:
            attempt()
        assert str(refused.value) == f"There is no tenant {app_id}"


def test_another_tenants_key_is_as_unknown_as_nobodys(tenant: Tenant, other_tenant: Tenant) -> None:
    theirs = number_of(other_tenant.app_id, other_tenant.secret_key)
    for number in (theirs, 0, -1, 2**62, 2**63, 10**30):
        for attempt in (
            lambda number=number: tenants.revoke_key(tenant.app_id, number),
            lambda number=number: tenants.rotate_key(tenant.app_id, number, HOUR),
        ):
            with pytest.raises(LookupError) as refused:
                attempt()
            assert str(refused.value) == f"Tenant {tenant.app_id} has no key {number}"
    assert tenants.authenticate_secret_key(other_tenant.secret_key) == other_tenant.actor
    assert len(tenants.list_keys(tenant.app_id)) == 2


def test_a_key_that_has_ended_cannot_be_rotated_back_to_life(tenant: Tenant) -> None:
    number = number_of(tenant.app_id, tenant.secret_key)
    tenants.revoke_key(tenant.app_id, number)
    before = tenants.list_keys(tenant.app_id)

    with pytest.raises(LookupError, match=f"Key {number} of {tenant.app_id} has ended"):
        tenants.rotate_key(tenant.app_id, number, overlap=HOUR)

    assert tenants.list_keys(tenant.app_id) == before
