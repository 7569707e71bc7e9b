"""Billing templates: the prices behind packages."""

from app import clock, models
from app.contract.actors import Actor
from app.contract.billing import LinkPrice
from app.db import transaction
from app.errors import PackageNotFoundError
from app.queries.packages import kept_packages
from app.services.conflicts import already_exists

_PROVIDER = "STRIPE"


def link_price(actor: Actor, command: LinkPrice) -> None:
    """Put a provider's price behind a package; `Package.prices` shows it from then on.

    Raises:
        PackageNotFoundError: there is no such package.
        AlreadyExistsError: the template's id is taken.
    """
    taken = f"id: a billing template with the id {command.id!r} exists already"
    with already_exists(taken), transaction() as session:
        package = kept_packages(session, actor.tenant_id, [command.package_id]).get(command.package_id)
        if package is None:
            raise PackageNotFoundError
        session.add(
            models.BillingTemplate(
                tenant_id=actor.tenant_id,
                id=command.id,
                package_key=package.key,
                provider=_PROVIDER,
                price_id=command.price_id,
                amount_minor=command.amount,
                currency=command.currency,
                interval=command.interval,
                created_at=clock.now(),
            )
        )
