"""Which link a page of Stripe's is of, and what the link knows of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlmodel import Session

from app import models
from app.db import transaction
from app.domain import billing_tags
from app.domain.billing import link_id_of
from app.gateways.billing_shapes import CheckoutSession
from app.queries import billing as template_queries
from app.queries import checkout_looks as looks
from app.queries import stripe_copies as copies
from app.queries.packages import packages_by_key
from app.queries.tenants import tenant_by_id


@dataclass(frozen=True, slots=True)
class Link:
    """A session's link, and what it knows of the session better than the session's tags, which anybody may change at Stripe."""

    tenant_id: int
    link_id: UUID
    tags: Mapping[str, str]


def link_of(found: CheckoutSession) -> Link | None:
    """By its page, then by our tag. Not by `client_reference_id`: of some pages a buyer can choose it.

    Raises OverloadedError: the database is busy or away.
    """
    with transaction() as session:
        ours = copies.tenant_ids_of_mode(session, live=found.live)
        tagged = link_id_of(found.metadata.get(billing_tags.LINK))
        row = looks.link_of_session(session, ours, found.id, tagged)
        tenant = tenant_by_id(session, row.tenant_id) if row else None
        if row is None or tenant is None:
            return None
        if found.metadata.get(billing_tags.TENANT, tenant.public_id) != tenant.public_id:
            return None
        tags = {
            billing_tags.TENANT: tenant.public_id,
            billing_tags.LINK: str(row.id),
            billing_tags.PACKAGE: package_of(session, row).id,
        }
        return Link(row.tenant_id, row.id, tags)


def package_of(session: Session, row: models.CheckoutLink) -> models.Package:
    """What can be bought by a link."""
    template = template_queries.templates_by_key(session, row.tenant_id, [row.template_key])[row.template_key]
    (package,) = packages_by_key(session, row.tenant_id, [template.package_key])
    return package
