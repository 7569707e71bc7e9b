"""Billing templates: the prices behind packages."""

import pytest

from app.contract.billing import LinkPrice
from app.contract.packages import DuplicatePackage, PackagePrice
from app.errors import AlreadyExistsError, PackageNotFoundError
from app.services import billing, packages
from tests.services.shop import NOWHERE, Shop


def monthly(template_id: str = "pro-50gbp-month", package_id: str = "pro") -> LinkPrice:
    return LinkPrice(
        id=template_id, package_id=package_id, price_id="price_1L7", amount=5000, currency="gbp", interval="month"
    )


def test_a_linked_price_shows_on_its_package_oldest_first(shop: Shop) -> None:
    shop.package("pro")
    billing.link_price(shop.actor, monthly())
    billing.link_price(
        shop.actor, LinkPrice(id="once", package_id="pro", price_id="price_2", amount=700, currency="jpy")
    )
    assert packages.get_package(shop.actor, "pro").prices == [
        PackagePrice(
            id="price_1L7",
            provider="STRIPE",
            amount=5000,
            display_amount="50.00",
            currency="gbp",
            interval="month",
        ),
        PackagePrice(id="price_2", provider="STRIPE", amount=700, display_amount="700", currency="jpy", interval=None),
    ]


def test_a_taken_template_id_is_refused_and_the_first_stays(shop: Shop) -> None:
    shop.package("pro")
    shop.package("max")
    billing.link_price(shop.actor, monthly())
    before = shop.rows()
    with pytest.raises(AlreadyExistsError) as refused:
        billing.link_price(shop.actor, monthly(package_id="max"))
    assert refused.value.message == "id: a billing template with the id 'pro-50gbp-month' exists already"
    assert shop.rows() == before


def test_a_price_needs_a_package(shop: Shop) -> None:
    with pytest.raises(PackageNotFoundError, match=r"^Package Id not found for app$"):
        billing.link_price(shop.actor, monthly(package_id=NOWHERE))
    assert shop.rows("billing_templates") == {"billing_templates": []}


def test_template_ids_are_each_tenants_own(shop: Shop, other_shop: Shop) -> None:
    for owner in (shop, other_shop):
        owner.package("pro")
        billing.link_price(owner.actor, monthly())
    assert len(packages.get_package(other_shop.actor, "pro").prices) == 1


def test_a_duplicate_has_no_prices_and_a_deleted_draft_takes_its_own_along(shop: Shop) -> None:
    shop.draft("pro")
    billing.link_price(shop.actor, monthly())
    copy = packages.duplicate_package(shop.actor, "pro", DuplicatePackage(new_id="copy"))
    assert copy.prices == []
    packages.delete_package(shop.actor, "pro")
    assert shop.rows("billing_templates") == {"billing_templates": []}
