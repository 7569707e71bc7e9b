"""Who calls."""

from dataclasses import dataclass
from enum import StrEnum

from app.domain.metering import Enforcement


class KeyKind(StrEnum):
    """SECRET keys (`prv_…`) may do everything; PUBLIC ones (`pub_…`) are for browsers and the client API only."""

    SECRET = "SECRET"  # noqa: S105 — the name of a kind, not a secret
    PUBLIC = "PUBLIC"


@dataclass(frozen=True, slots=True)
class Actor:
    """An authenticated caller of the admin API, and the one tenant that it can see.

    `tenant_id` is our internal number, `app_id` what the outside calls the tenant (`test_…`, `live_…`).
    """

    tenant_id: int
    app_id: str
    enforcement: Enforcement = Enforcement.REFUSE
