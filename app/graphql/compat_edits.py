"""The rewriting of documents for `compat`, whose table says what is rewritten and why."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from app.graphql.lexer import Kind, Token
from app.graphql.outline import Field, Operation, Outline, Selection

_UPDATES_BY_ID = frozenset({"updateFeature", "updatePackage"})
_LISTS_BY_STATUS = frozenset({"packages", "plans"})
_NOT_ENUM_VALUES = frozenset({"true", "false", "null"})


class Retyping(NamedTuple):
    """A variable whose type is named `declared` is given the type `expected`, if the argument of one of `fields` is all
    it feeds.
    """

    declared: str
    fields: frozenset[str]
    argument: str
    expected: str


_RETYPINGS = (
    Retyping("CreateUserInput", frozenset({"updateUser"}), "input", "UpdateUserInput"),
    Retyping("PackageStatus", _LISTS_BY_STATUS, "status", "String"),
    Retyping("Int", frozenset({"subscribe"}), "planIds", "String"),
)


class Edit(NamedTuple):
    """`text` in place of what stands from `start` to before `end`."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Rewrite:
    """What the rewriting of an operation means for its variables: those that now have another type, those whose numbers
    become text, and the input variable whose own `id` makes the variables' `id` superfluous.
    """

    retyped: frozenset[str]
    numbers_to_texts: frozenset[str]
    id_yields_to: str | None


def rewrite(document: str, outline: Outline) -> tuple[str, list[Rewrite]]:
    """The document in canonical form (the same object if it is already), and for each of its operations what that
    means.
    """
    edits = [*_quoted_statuses(outline), *_token_selections(outline), *_unwrapped_answers(document, outline)]
    rewrites = []
    for operation in outline.operations:
        retypings = dict(_retypings(operation, outline))
        edits += [edit for name, retyping in retypings.items() for edit in _retyping_edits(operation, name, retyping)]
        update = _update_without_id(operation, outline)
        if update:
            edits += _id_edits(operation, update)
        rewrites.append(
            Rewrite(
                retyped=frozenset(retypings),
                numbers_to_texts=frozenset(name for name, retyping in retypings.items() if retyping.declared == "Int"),
                id_yields_to=_variable_in(update.arguments.get("input", ())) if update else None,
            )
        )
    return _applied(document, edits), rewrites


def _quoted_statuses(outline: Outline) -> Iterator[Edit]:
    for field in outline.all_fields():
        value = field.arguments.get("status", ()) if field.name in _LISTS_BY_STATUS else ()
        yield from _quoted(value)


def _quoted(value: tuple[Token, ...]) -> Iterator[Edit]:
    if len(value) == 1 and value[0].kind is Kind.NAME and value[0].text not in _NOT_ENUM_VALUES:
        yield Edit(value[0].start, value[0].end, f'"{value[0].text}"')


def _token_selections(outline: Outline) -> Iterator[Edit]:
    for field in outline.all_fields():
        if field.name == "generateUserToken" and field.selection is None:
            yield Edit(field.end, field.end, " { token }")


def _unwrapped_answers(document: str, outline: Outline) -> Iterator[Edit]:
    for field in outline.all_fields():
        wrapped = _wrapped_answer(field) if field.name == "canUseFeature" else None
        if wrapped:
            inner = document[wrapped.open.end : wrapped.close.start]
            yield Edit(wrapped.close.end, wrapped.close.end, f" {inner}")


def _wrapped_answer(field: Field) -> Selection | None:
    """The selection of a lone `data { … }`. An inner field called `data` would clash with it outside, so that form
    stays as it is.
    """
    outer = field.selection
    if outer is None or outer.inline or outer.has_spreads or len(outer.fields) != 1:
        return None
    data = outer.fields[0]
    if data.name != "data" or data.has_directives or data.selection is None:
        return None
    if any(inner.key == data.key for inner in data.selection.all_fields()):
        return None
    return data.selection


def _retypings(operation: Operation, outline: Outline) -> Iterator[tuple[str, Retyping]]:
    fields = _fields_of(operation, outline)
    used = [*operation.used, *(name for fragment in outline.fragments for name in fragment.used)]
    for variable in operation.variables:
        for retyping in _RETYPINGS:
            if variable.type_name.text != retyping.declared:
                continue
            fed = [
                field
                for field in fields
                if field.name in retyping.fields
                and _variable_in(field.arguments.get(retyping.argument, ())) == variable.name
            ]
            if fed and len(fed) == used.count(variable.name):
                yield variable.name, retyping


def _retyping_edits(operation: Operation, name: str, retyping: Retyping) -> Iterator[Edit]:
    variable = next(variable for variable in operation.variables if variable.name == name)
    yield Edit(variable.type_name.start, variable.type_name.end, retyping.expected)
    if retyping.expected == "String":
        yield from _quoted(variable.default)


def _fields_of(operation: Operation, outline: Outline) -> list[Field]:
    in_fragments = [field for fragment in outline.fragments for field in fragment.selection.all_fields()]
    return [*operation.selection.all_fields(), *in_fragments]


def _update_without_id(operation: Operation, outline: Outline) -> Field | None:
    """The one field that updates by id without saying which, if nothing else in the document or in its own input could
    mean that id.
    """
    updates = [field for field in outline.all_fields() if field.name in _UPDATES_BY_ID]
    if len(updates) != 1 or updates[0] not in operation.selection.fields:
        return None
    update = updates[0]
    if "id" in update.arguments or "input" not in update.arguments or _has_own_id(update.arguments["input"]):
        return None
    declared = next((variable for variable in operation.variables if variable.name == "id"), None)
    if declared and declared.type_text not in {"String", "String!"}:
        return None
    return update


def _has_own_id(literal: tuple[Token, ...]) -> bool:
    depth = 0
    for token, following in pairwise(literal):
        depth += (token.text in {"{", "["}) - (token.text in {"}", "]"})
        if depth == 1 and token.kind is Kind.NAME and token.text == "id" and following.text == ":":
            return True
    return False


def _id_edits(operation: Operation, update: Field) -> Iterator[Edit]:
    if update.arguments_open:
        yield Edit(update.arguments_open.end, update.arguments_open.end, "id: $id, ")
    if any(variable.name == "id" for variable in operation.variables):
        return
    if operation.variables_open:
        yield Edit(operation.variables_open.end, operation.variables_open.end, "$id: String, ")
    else:
        yield Edit(operation.head_end, operation.head_end, " ($id: String)")


def _variable_in(value: tuple[Token, ...]) -> str | None:
    """The name of the variable that a value is, if it is nothing else."""
    match value:
        case (dollar, name) if dollar.text == "$":
            return name.text
    return None


def _applied(document: str, edits: list[Edit]) -> str:
    for edit in sorted(edits, reverse=True):
        document = document[: edit.start] + edit.text + document[edit.end :]
    return document
