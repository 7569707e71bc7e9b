"""The documentation in a browser: `/docs`, `/docs/problems` and `/openapi.json`, with nothing from anywhere else.

Swagger UI's built files come with the package drf-spectacular-sidecar. It is a Django app, so it is never imported: only its
folder is found.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Final

import msgspec
from litestar import Response, Router, get
from litestar.exceptions import NotFoundException
from litestar.params import PathParameter
from litestar.response import Redirect
from litestar.status_codes import HTTP_302_FOUND

from app.rest.errors import PROBLEMS_PAGE, rest_exception_handlers
from app.rest.openapi import openapi_document
from app.rest.problems import all_problems

ASSETS_PACKAGE = "drf_spectacular_sidecar"
ASSETS_FOLDER = "static/drf_spectacular_sidecar/swagger-ui-dist"
# The address of an asset holds the version of its package, so a browser may keep it for as long as it likes.
ASSETS_ROUTE = f"/docs/assets/{version('drf-spectacular-sidecar')}"
KEPT_FOR_GOOD = "public, max-age=31536000, immutable"
ASKED_ANEW = "no-cache"

PAGE_HEADERS: Final[Mapping[str, str]] = {
    # Swagger UI draws its icons as `data:` images and sets styles on its elements; it needs no more than that.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": ASKED_ANEW,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

_PAGE = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Meterline API</title>
<link rel="icon" href="{ASSETS_ROUTE}/favicon-32x32.png">
<link rel="stylesheet" href="{ASSETS_ROUTE}/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<noscript>This page needs JavaScript. The document that it shows is at <a href="/openapi.json">/openapi.json</a>.</noscript>
<script src="{ASSETS_ROUTE}/swagger-ui-bundle.js"></script>
<script src="{ASSETS_ROUTE}/start.js"></script>
</body>
</html>
"""
# `validatorUrl` would otherwise send the document's address to a server of Swagger's.
_START = """SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  presets: [SwaggerUIBundle.presets.apis],
  deepLinking: true,
  displayOperationId: true,
  tryItOutEnabled: true,
  validatorUrl: null,
});
"""


_PROBLEMS_STYLE = """body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: 0.4rem 0.8rem 0.4rem 0; border-bottom: 1px solid #ddd; }
tr:target { background: #fff3bf; }
"""


@dataclass(frozen=True, slots=True)
class Asset:
    """A file for the browser; `content` None is Swagger UI's own of that name."""

    media_type: str
    content: bytes | None = None


ASSETS: Final[Mapping[str, Asset]] = {
    "swagger-ui.css": Asset("text/css"),
    "swagger-ui-bundle.js": Asset("text/javascript"),
    "favicon-32x32.png": Asset("image/png"),
    "problems.css": Asset("text/css", _PROBLEMS_STYLE.encode()),
    "start.js": Asset("text/javascript", _START.encode()),
}


@get("/", include_in_schema=False, sync_to_thread=False, status_code=HTTP_302_FOUND)
def front_page() -> Redirect:
    """A person who opens the bare address wants to know what this is."""
    return Redirect("/docs")


@get("/openapi.json", include_in_schema=False, sync_to_thread=False)
def openapi_json() -> Response[bytes]:
    """The OpenAPI document."""
    headers = {"Cache-Control": ASKED_ANEW, "X-Content-Type-Options": "nosniff"}
    return Response(_document(), media_type="application/json", headers=headers)


@get("/docs", include_in_schema=False, sync_to_thread=False)
def docs_page() -> Response[str]:
    """The API to read and to try out."""
    return _page(_PAGE)


@get(PROBLEMS_PAGE, include_in_schema=False, sync_to_thread=False)
def problems_page() -> Response[str]:
    """Every error by its name: where the `type` of a problem points to."""
    return _page(_problems())


@get(f"{ASSETS_ROUTE}/{{name:str}}", include_in_schema=False, sync_to_thread=False)
def docs_asset(name: Annotated[str, PathParameter()]) -> Response[bytes]:
    """One of the files of the page; no other file can be asked for."""
    asset = ASSETS.get(name)
    if asset is None:
        raise NotFoundException
    headers = {"Cache-Control": KEPT_FOR_GOOD, "X-Content-Type-Options": "nosniff"}
    return Response(asset.content or _swagger_file(name), media_type=asset.media_type, headers=headers)


def docs_router() -> Router:
    """A new router each time, as `rest_router`."""
    return Router(
        path="/",
        route_handlers=[front_page, openapi_json, docs_page, problems_page, docs_asset],
        exception_handlers=rest_exception_handlers,
    )


@cache
def _document() -> bytes:
    return msgspec.json.encode(openapi_document())


@cache
def _swagger_file(name: str) -> bytes:
    package = find_spec(ASSETS_PACKAGE)
    if package is None or not package.submodule_search_locations:
        raise RuntimeError(f"the package {ASSETS_PACKAGE} is not installed: no files for /docs")
    return (Path(package.submodule_search_locations[0]) / ASSETS_FOLDER / name).read_bytes()


@cache
def _problems() -> str:
    rows = "\n".join(
        f'<tr id="{name}"><td>{name}</td><td>{kind.status}</td><td>{code}</td><td>{escape(kind.meaning)}</td></tr>'
        for name, (kind, code) in sorted(all_problems().items())
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Meterline API: problems</title>
<link rel="stylesheet" href="{ASSETS_ROUTE}/problems.css">
</head>
<body>
<h1>Problems</h1>
<p>What an <code>application/problem+json</code> answer can say in <code>name</code>; <a href="/docs">the API</a>.</p>
<table>
<thead><tr><th>name</th><th>status</th><th>code</th><th>meaning</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
</body>
</html>
"""


def _page(html: str) -> Response[str]:
    return Response(html, media_type="text/html", headers=dict(PAGE_HEADERS))
