"""To be written."""

from app.services.sweeps import Swept


def reset_due() -> Swept:
    """To be written."""
    return Swept(handled=0, set_aside=0, more=False)
