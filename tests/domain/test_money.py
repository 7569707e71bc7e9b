"""Amounts as people read them, by the currency's own number of decimals."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.money import display_amount

# Written out again from Stripe's page, so that a slip of the pen in either list shows.
NO_DECIMALS = ["BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"]
TWO_DECIMALS = ["GBP", "USD", "EUR", "HUF", "TWD", "ISK", "UGX"]
THREE_DECIMALS = ["BHD", "JOD", "KWD", "OMR", "TND"]
DECIMALS = {
    **dict.fromkeys(NO_DECIMALS, 0),
    **dict.fromkeys(TWO_DECIMALS, 2),
    **dict.fromkeys(THREE_DECIMALS, 3),
}


@pytest.mark.parametrize(
    ("amount_minor", "currency", "shown"),
    [
        (5000, "gbp", "50.00"),
        (0, "gbp", "0.00"),
        (1, "gbp", "0.01"),
        (99, "gbp", "0.99"),
        (100, "gbp", "1.00"),
        (123_456_789, "usd", "1234567.89"),
        (-5, "usd", "-0.05"),
        (-5000, "usd", "-50.00"),
        (500, "jpy", "500"),
        (0, "jpy", "0"),
        (-500, "jpy", "-500"),
        (5000, "kwd", "5.000"),
        (5, "kwd", "0.005"),
        (-5, "kwd", "-0.005"),
        (500, "isk", "5.00"),
        (500, "ugx", "5.00"),
    ],
)
def test_an_amount_is_shown_in_the_currencys_main_unit(amount_minor: int, currency: str, shown: str) -> None:
    assert display_amount(amount_minor, currency) == shown


@given(amount_minor=st.integers(-(2**63), 2**63), currency=st.sampled_from(list(DECIMALS)), lower=st.booleans())
def test_what_is_shown_is_the_exact_amount_with_all_its_decimals(amount_minor: int, currency: str, lower: bool) -> None:
    shown = display_amount(amount_minor, currency.lower() if lower else currency)

    assert Decimal(shown).scaleb(DECIMALS[currency]) == amount_minor
    assert len(shown.partition(".")[2]) == DECIMALS[currency]
    assert shown.startswith("-") == (amount_minor < 0)
