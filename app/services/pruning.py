"""To be written."""


def prune() -> int:
    """To be written."""
    return 0
