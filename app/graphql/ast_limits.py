"""The limits that need a document's structure, checked on the parser's JSON before the engine's validators see any of
it.

The order matters: several of those validators follow fragments through fragments, so 700 bytes in which each fragment
spreads the next one twice would keep them busy for seconds, and a real cycle would end in a RecursionError.
Tartiflette's supported `json_loader` setting is called at exactly this point.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from app.graphql.limits import Limits
from app.graphql.refusals import DocumentRefusedError, RuleBrokenError, location_of

Ast = dict[str, Any]

_INTROSPECTION_ROOTS = frozenset({"__schema", "__type"})
_INTROSPECTION_LISTS = frozenset({"fields", "interfaces", "possibleTypes", "inputFields"})


@dataclass(frozen=True, slots=True)
class Cost:
    """What a selection set asks for, its fragments expanded. Depth counts selection sets, itself included."""

    fields: int = 0
    root_fields: int = 0
    depth: int = 0
    lists: int = 0
    introspection_depth: int = 0
    introspection_lists: int = 0


def load_within_limits(parsed: bytes, limits: Limits) -> Ast:
    """The parser's JSON as objects.

    Raises:
        DocumentRefusedError: more definitions, fields, root fields or depth than the limits allow.
        RuleBrokenError: fragments that spread each other in a circle, or share a name.
    """
    document: Ast = msgspec.json.decode(parsed)
    definitions = document["definitions"]
    if len(definitions) > limits.definitions:
        raise DocumentRefusedError(
            f"The document has {len(definitions)} definitions, at most {limits.definitions} are allowed"
        )
    costs: dict[str, Cost] = {}
    fragments = _fragments_by_name(definitions)
    for fragment in _innermost_first(fragments):
        costs[fragment["name"]["value"]] = _checked_cost(fragment, costs, limits)
    for definition in definitions:
        if definition["kind"] == "OperationDefinition":
            cost = _checked_cost(definition, costs, limits)
            if cost.root_fields > limits.root_fields:
                raise DocumentRefusedError(f"An operation may select at most {limits.root_fields} fields at its root")
    return document


def _fragments_by_name(definitions: list[Ast]) -> dict[str, Ast]:
    fragments: dict[str, Ast] = {}
    for definition in definitions:
        if definition["kind"] != "FragmentDefinition":
            continue
        name = definition["name"]["value"]
        if name in fragments:
            # Refused here because a second fragment of the same name would escape the count below.
            raise RuleBrokenError(f"There can be only one fragment named {name}", [location_of(definition["loc"])])
        fragments[name] = definition
    return fragments


def _innermost_first(fragments: Mapping[str, Ast]) -> list[Ast]:
    """The fragments in such an order that each comes after all that it spreads. Iterative: the path may be as long as
    the document.
    """
    done: dict[str, Ast] = {}
    for start in fragments:
        path: list[tuple[str, Iterator[str]]] = []
        on_path: set[str] = set()
        following: str | None = start if start not in done else None
        while following is not None or path:
            if following is not None:
                path.append((following, _spreads_in(fragments[following])))
                on_path.add(following)
            name, spreads = path[-1]
            following = next((spread for spread in spreads if spread in fragments and spread not in done), None)
            if following is None:
                path.pop()
                on_path.discard(name)
                done[name] = fragments[name]
            elif following in on_path:
                steps = [step for step, _ in path]
                circle = " → ".join([*steps[steps.index(following) :], following])
                raise RuleBrokenError(
                    f"Fragments spread each other in a circle: {circle}", [_loc(fragments[following])]
                )
    return list(done.values())


def _loc(node: Ast) -> Any:
    return location_of(node["loc"])


def _spreads_in(node: Ast) -> Iterator[str]:
    for selection in node["selectionSet"]["selections"]:
        if selection["kind"] == "FragmentSpread":
            yield selection["name"]["value"]
        elif selection["selectionSet"]:
            yield from _spreads_in(selection)


def _checked_cost(definition: Ast, costs: Mapping[str, Cost], limits: Limits) -> Cost:
    cost = _cost_of_set(definition["selectionSet"], costs)
    if cost.fields > limits.fields:
        raise DocumentRefusedError(f"The document selects more than {limits.fields} fields")
    in_introspection = (definition.get("typeCondition") or {"name": {"value": ""}})["name"]["value"].startswith("__")
    depth = limits.introspection_depth if in_introspection else limits.depth
    if cost.depth > depth:
        raise DocumentRefusedError(f"The document selects deeper than {depth} levels")
    if cost.introspection_depth > limits.introspection_depth:
        raise DocumentRefusedError(f"The document introspects deeper than {limits.introspection_depth} levels")
    if cost.introspection_lists > limits.introspection_lists:
        raise DocumentRefusedError(f"The document nests more than {limits.introspection_lists} lists of introspection")
    return cost


def _cost_of_set(selection_set: Ast, costs: Mapping[str, Cost]) -> Cost:
    parts = [_cost_of(selection, costs) for selection in selection_set["selections"]]
    return Cost(
        fields=sum(part.fields for part in parts),
        root_fields=sum(part.root_fields for part in parts),
        depth=max((part.depth for part in parts), default=0),
        lists=max((part.lists for part in parts), default=0),
        introspection_depth=max((part.introspection_depth for part in parts), default=0),
        introspection_lists=max((part.introspection_lists for part in parts), default=0),
    )


def _cost_of(selection: Ast, costs: Mapping[str, Cost]) -> Cost:
    if selection["kind"] == "FragmentSpread":
        # An unknown fragment is refused by the engine later; until then it counts as one field, so that none is free.
        return costs.get(selection["name"]["value"], Cost(fields=1, depth=1))
    inner = _cost_of_set(selection["selectionSet"], costs) if selection["selectionSet"] else Cost()
    if selection["kind"] == "InlineFragment":
        return inner
    name = selection["name"]["value"]
    if name in _INTROSPECTION_ROOTS:
        return Cost(inner.fields + 1, 1, depth=1, introspection_depth=inner.depth, introspection_lists=inner.lists)
    return Cost(
        fields=inner.fields + 1,
        root_fields=1,
        depth=inner.depth + 1,
        lists=inner.lists + (name in _INTROSPECTION_LISTS),
        introspection_depth=inner.introspection_depth,
        introspection_lists=inner.introspection_lists,
    )
