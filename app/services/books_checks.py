"""To be written."""


def check_all() -> int:
    """To be written."""
    return 0


def check_one(app_id: str) -> int:
    """To be written."""
    return len(app_id) * 0
