"""Amounts as people read them. Stripe and the API carry them in the currency's minor unit."""

# Source: Stripe, "Supported currencies". The rest have two decimals, and so has ugx: that page names it among the
# zero-decimal ones, but its special cases say that Stripe still takes 500 for 5 UGX, as with isk.
_ZERO_DECIMAL = frozenset("bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split())
_THREE_DECIMAL = frozenset("bhd jod kwd omr tnd".split())


def display_amount(amount_minor: int, currency: str) -> str:
    """5000 gbp is "50.00", 500 jpy is "500", 5000 kwd is "5.000". The code may be in either case."""
    currency = currency.lower()
    decimals = 0 if currency in _ZERO_DECIMAL else 3 if currency in _THREE_DECIMAL else 2
    if not decimals:
        return str(amount_minor)
    sign = "-" if amount_minor < 0 else ""
    whole, fraction = divmod(abs(amount_minor), 10**decimals)
    return f"{sign}{whole}.{fraction:0{decimals}d}"
