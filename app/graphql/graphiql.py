"""GraphiQL, the page on which a person tries the API. Everything it loads comes from this server."""

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

_PACKAGED = Path(str(files("graphene_django_graphiql_static"))) / "static" / "graphene_django_graphiql_static"
_OWN = Path(__file__).parent / "graphiql_page"
_SCRIPT = "text/javascript"
_STYLE = "text/css"

_FILES = {
    "react.production.min.js": (_PACKAGED, _SCRIPT),
    "react-dom.production.min.js": (_PACKAGED, _SCRIPT),
    "graphiql.min.js": (_PACKAGED, _SCRIPT),
    "graphiql.min.css": (_PACKAGED, _STYLE),
    "page.css": (_OWN, _STYLE),
    "start.js": (_OWN, _SCRIPT),
}

# Scripts only as files of this server, requests only to it. GraphiQL's editor and its panels insert style elements of
# their own and carry their fonts in their style sheet: hence the two exceptions.
PAGE_HEADERS = {
    "Content-Security-Policy": "; ".join(
        [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self' 'unsafe-inline'",
            "font-src 'self' data:",
            "img-src 'self' data:",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
    # The same address answers GraphQL to those who ask for JSON.
    "Vary": "Accept",
}
# The address holds a hash of the content, so what a browser has under it never becomes stale.
ASSET_HEADERS = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}


@dataclass(frozen=True, slots=True)
class Asset:
    content: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class Graphiql:
    """The page, and what it loads by the name that follows `<path>/assets/`."""

    page: str
    assets: dict[str, Asset]


def load_graphiql(path: str) -> Graphiql:
    """Reads the files once. `path` is where the API is mounted, such as `/graphql`."""
    page = (_OWN / "index.html").read_text(encoding="utf-8")
    assets = {}
    for name, (folder, media_type) in _FILES.items():
        content = (folder / name).read_bytes()
        hashed_name = f"{hashlib.sha256(content).hexdigest()[:12]}-{name}"
        assets[hashed_name] = Asset(content, media_type)
        page = page.replace(f"{{{name}}}", f"{path}/assets/{hashed_name}")
    return Graphiql(page, assets)
