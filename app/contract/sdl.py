"""The contract as GraphQL writes it: the files in `schema/`."""

from pathlib import Path

ADMIN = Path(__file__).resolve().parents[2] / "schema" / "admin"


def read_sdl(folder: Path) -> str:
    """All `*.graphql` files of a folder as one schema, in the order of their names."""
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.graphql")))


def admin_sdl(*, limit_as_string: bool = False) -> str:
    """The admin API's schema.

    Kana's printed examples show `PackageFeature.limit` as a String, its tables as an Int. It is an Int here unless
    `limit_as_string`, for callers who rely on the examples.
    """
    sdl = read_sdl(ADMIN)
    if not limit_as_string:
        return sdl
    before, head, rest = sdl.partition("type PackageFeature {")
    return before + head + rest.replace("limit: Int", "limit: String", 1)
