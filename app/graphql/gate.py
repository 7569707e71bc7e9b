"""The gate in front of the engine: no document reaches the parser, the validators or a resolver before it is known to
be harmless.

It is installed as Tartiflette's supported `query_cache_decorator`, so a document that was let through once costs one
dictionary look-up. In order: pre-scan of the text (`prescan`), the C parser, limits on its JSON (`ast_limits`), the
engine's own validators, then the rules those do not know (`field_merging`, `variable_usages`).
"""

from collections.abc import Callable
from typing import Any

from tartiflette.types.exceptions.tartiflette import TartifletteError

from app.graphql.document_cache import DocumentCache
from app.graphql.field_merging import conflicting_fields
from app.graphql.limits import Limits
from app.graphql.prescan import prescan
from app.graphql.variable_usages import misused_variables

# A parsed document and no errors, or no document and its errors: what tartiflette's `parse_and_validate_query` returns.
Parsed = tuple[Any, list[TartifletteError] | None]
ParseAndValidate = Callable[[str, Any], Parsed]


def _as_it_is(document: Any) -> Any:
    return document


def gated(limits: Limits, keep: Callable[[Any], Any] = _as_it_is) -> Callable[[ParseAndValidate], ParseAndValidate]:
    """The decorator for one engine: `query_cache_decorator=gated(limits)`.

    Args:
        keep: makes of a valid document what is cached, and given to the engine, in its place.
    """

    def decorate(parse_and_validate: ParseAndValidate) -> ParseAndValidate:
        cache: DocumentCache[Any] = DocumentCache(documents=limits.cached_documents, size_bytes=limits.cached_bytes)

        def parse_gated(query: str, schema: Any) -> Parsed:
            known = cache.get(query)
            if known is not None:
                return known, None
            try:
                document, errors = parse_and_validate(prescan(query, limits), schema)
            except TartifletteError as refusal:
                return None, [refusal]
            errors = errors or [*conflicting_fields(document, schema), *misused_variables(document, schema)]
            if errors:
                return None, errors
            kept = keep(document)
            cache.put(query, kept)
            return kept, None

        return parse_gated

    return decorate
