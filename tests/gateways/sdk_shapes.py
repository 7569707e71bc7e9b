"""What the SDK's generated classes say about the objects of the API version that it is pinned to.

Read from the sources, because the annotations name classes that are imported for type checkers alone. `Optional` says that a
field may be null or absent, not which of the two.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from typing import Any

from stripe._object_classes import get_object_class
from stripe.events._event_classes import get_v2_event_class

ROOT = Path(__import__("stripe").__file__).parent


@dataclass(frozen=True)
class Scope:
    """A class of the SDK, and those that it stands in: where its annotations' names are looked up."""

    module: str
    classes: tuple[ast.ClassDef, ...]

    @property
    def fields(self) -> dict[str, ast.expr]:
        return {
            node.target.id: node.annotation
            for node in self.classes[-1].body
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and not _is_class_variable(node)
        }

    def named(self, name: str) -> "Scope":
        for depth in range(len(self.classes), 0, -1):
            for node in self.classes[depth - 1].body:
                if isinstance(node, ast.ClassDef) and node.name == name:
                    return Scope(self.module, (*self.classes[:depth], node))
        return top_level(self.module, name)


@cache
def tree(module: str) -> ast.Module:
    path = ROOT.parent / (module.replace(".", "/") + ".py")
    return ast.parse(path.read_text())


@cache
def top_level(module: str, name: str) -> Scope:
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.ClassDef) and node.name == name:
            return Scope(module, (node,))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("stripe"):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return top_level(node.module, alias.name)
    raise LookupError(f"{module} knows no {name}")


def scope_of(kind: str) -> Scope:
    """The class of objects with this `object`."""
    found = get_object_class("V1", kind)
    return top_level(found.__module__, found.__name__)


def problems(value: dict[str, Any], where: str = "") -> list[str]:
    """Whatever in an object of the API is not as its class says: unknown, missing or of a wrong type."""
    kind = value.get("object")
    if kind == "list":
        return _of_list(value, where or "list", None, None)
    if kind == "v2.core.event":
        return list(_of_thin_event(value))
    return list(_of_fields(value, scope_of(str(kind)), where or str(kind)))


def _of_thin_event(value: dict[str, Any]) -> Iterator[str]:
    """A class has what all have in common, and one of the type the rest."""
    found = get_v2_event_class(value["type"])
    shared, own = top_level("stripe.v2.core._event", "Event"), top_level(found.__module__, found.__name__)
    yield from _of_fields({name: each for name, each in value.items() if name in shared.fields}, shared, "thin")
    rest = {name: each for name, each in value.items() if name in own.fields or name not in shared.fields}
    if "related_object" not in own.fields and rest["related_object"] is None:
        # Stripe sends it as null, and the class has no word for it.
        del rest["related_object"]
    yield from _of_fields(rest, own, "thin")


def _of_fields(value: Any, scope: Scope, where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where}: not an object"
        return
    fields = scope.fields
    yield from (f"{where}.{name}: unknown" for name in value if name not in fields)
    for name, annotation in fields.items():
        if name in value:
            yield from _of_value(value[name], annotation, scope, f"{where}.{name}")
        elif not _is_optional(annotation) and name != "deleted":
            yield f"{where}.{name}: missing"


def _of_value(value: Any, annotation: ast.expr, scope: Scope, where: str) -> list[str]:
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return _of_value(value, ast.parse(annotation.value, mode="eval").body, scope, where)
    if isinstance(annotation, ast.Constant) and annotation.value is None:
        return [] if value is None else [f"{where}: not null"]
    if isinstance(annotation, ast.BinOp):
        return _of_union(value, [annotation.left, annotation.right], scope, where)
    if isinstance(annotation, ast.Subscript):
        return _of_generic(value, annotation, scope, where)
    assert isinstance(annotation, ast.Name), ast.dump(annotation)
    return _of_named(value, annotation.id, scope, where)


def _of_named(value: Any, name: str, scope: Scope, where: str) -> list[str]:
    plain = {"str": str, "int": int, "bool": bool, "float": (int, float)}
    if name in plain:
        good = isinstance(value, plain[name]) and (name == "bool" or not isinstance(value, bool))
        return [] if good else [f"{where}: {value!r} is no {name}"]
    if name == "Decimal":
        return [] if _is_decimal(value) else [f"{where}: {value!r} is no decimal"]
    if name == "Any":
        return []
    if name in ("UntypedStripeObject", "StripeObject", "Dict"):
        return [] if isinstance(value, dict) else [f"{where}: not an object"]
    return list(_of_fields(value, scope.named(name), where))


def _of_generic(value: Any, annotation: ast.Subscript, scope: Scope, where: str) -> list[str]:
    name = annotation.value.id if isinstance(annotation.value, ast.Name) else ""
    inner = annotation.slice
    if name == "Optional":
        return [] if value is None else _of_value(value, inner, scope, where)
    if name == "Literal":
        choices = [each.value for each in (inner.elts if isinstance(inner, ast.Tuple) else [inner])]  # type: ignore[attr-defined]
        return [] if value in choices else [f"{where}: {value!r} is none of {choices}"]
    if name == "Union":
        return _of_union(value, inner.elts if isinstance(inner, ast.Tuple) else [inner], scope, where)
    if name == "ExpandableField":
        return [] if isinstance(value, str) else _of_value(value, inner, scope, where)
    if name in ("List", "list"):
        if not isinstance(value, list):
            return [f"{where}: not a list"]
        return [each for n, item in enumerate(value) for each in _of_value(item, inner, scope, f"{where}[{n}]")]
    if name == "ListObject":
        return _of_list(value, where, inner, scope)
    return _of_named(value, name, scope, where)


def _of_union(value: Any, choices: list[ast.expr], scope: Scope, where: str) -> list[str]:
    literals = [each for each in choices if isinstance(each, ast.Subscript) and "Literal" in ast.dump(each.value)]
    # `Literal[…] | str` leaves room for words that Stripe adds; the double has no business with those.
    found = [_of_value(value, each, scope, where) for each in literals or choices]
    return min(found, key=len)


def _of_list(value: Any, where: str, inner: ast.expr | None, scope: Scope | None) -> list[str]:
    if not isinstance(value, dict) or set(value) - {"total_count"} != {"object", "data", "has_more", "url"}:
        return [f"{where}: not a list object"]
    found = []
    for number, item in enumerate(value["data"]):
        place = f"{where}.data[{number}]"
        found += problems(item, place) if inner is None or scope is None else _of_value(item, inner, scope, place)
    return found


def _is_optional(annotation: ast.expr) -> bool:
    return bool(re.match(r"['\"]?(Optional|NotRequired)\b", ast.unparse(annotation)))


def _is_class_variable(node: ast.AnnAssign) -> bool:
    return "ClassVar" in ast.unparse(node.annotation)


def _is_decimal(value: Any) -> bool:
    try:
        return isinstance(value, str) and Decimal(value).is_finite()
    except InvalidOperation:
        return False
