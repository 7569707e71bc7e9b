"""Who calls."""

from dataclasses import dataclass

from app.domain.metering import Enforcement


@dataclass(frozen=True, slots=True)
class Actor:
    """An authenticated caller of the admin API, and the one tenant that it can see.

    `tenant_id` is our internal number, `app_id` what the outside calls the tenant (`test_…`, `live_…`).
    """

    tenant_id: int
    app_id: str
    enforcement: Enforcement = Enforcement.REFUSE
