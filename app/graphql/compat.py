"""The forms of a request that Kana's documents show, made into the one form that the schema knows. The only place that
does so.

The documents contradict themselves here and there, and callers may hold either form. Each row is accepted as well as
its canonical form; a request that needs nothing passes through as the same object.

| sent                                                    | becomes                                             |
| ------------------------------------------------------- | --------------------------------------------------- |
| `variables` as JSON text                                | an object                                           |
| `"5"` in the variables where the type is Int, also in   | `5`                                                 |
| fields of input objects and in lists                    |                                                     |
| `updateFeature` or `updatePackage`, the only one in the | `id: $id`, with `$id: String` declared; an id in    |
| document, without the argument `id`                     | `input` goes before it                              |
| `$input: CreateUserInput!` that feeds only `updateUser` | `$input: UpdateUserInput!`                          |
| `$status: PackageStatus` that feeds only `packages` or  | `$status: String`, a default as a string            |
| `plans`                                                 |                                                     |
| `packages(status: PUBLISHED)`                           | `packages(status: "PUBLISHED")`                     |
| `$planIds: [Int!]!` that feeds only `subscribe`         | `$planIds: [String!]!`, the numbers as strings      |
| `canUseFeature(…) { data { access } }`                  | `canUseFeature(…) { data { access } access }`       |
| `generateUserToken(userId: …)`                          | `generateUserToken(userId: …) { token }`            |

Forms that the schema itself accepts (old names, one object where a list is due, ignored arguments) are not listed:
`schema/admin`.

Edits are made at the places of tokens, never by searching the text, and once per document: the result is kept by its
text.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from app.errors import InvalidInputError
from app.graphql.compat_edits import Rewrite, rewrite
from app.graphql.document_cache import DocumentCache
from app.graphql.limits import Limits
from app.graphql.outline import Outline, outline_of
from app.graphql.request import Request, decode_json

# Eleven characters hold every Int; longer text stays text, and the engine refuses it by its type.
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,10})", re.ASCII)


@dataclass(frozen=True, slots=True)
class OperationPlan:
    """What one operation's variables need: those that hold an Int somewhere with their type, and what its rewriting
    asks for.
    """

    integers: dict[str, str]
    rewrite: Rewrite


@dataclass(frozen=True, slots=True)
class Plan:
    """`document` is None for one that is canonical as it was sent."""

    document: str | None
    operations: dict[str | None, OperationPlan]


class Compatibility:
    """The normalising step for one schema.

    Args:
        input_fields: of every input object, its fields and their types as SDL (`Engine.input_fields`).
        limits: documents larger than these are left alone: the gate refuses them.
    """

    def __init__(self, input_fields: Mapping[str, Mapping[str, str]], limits: Limits) -> None:
        self._input_fields = input_fields
        self._document_bytes = limits.document_bytes
        self._plans: DocumentCache[Plan] = DocumentCache(
            documents=limits.cached_documents, size_bytes=limits.cached_bytes
        )
        self._with_integers = _types_with_integers(input_fields)

    def normalise(self, request: Request) -> Request:
        """The request in canonical form; `variables` of the result is an object or None.

        Raises:
            InvalidInputError: `variables` is text, but not that of a JSON object.
        """
        variables = request.variables
        if isinstance(variables, str):
            variables = _read_variables(variables)
            request = replace(request, variables=variables)
        plan = self._plan_for(request.query)
        if plan is None:
            return request
        if plan.document is not None:
            request = replace(request, query=plan.document)
        if variables:
            chosen = _chosen(plan, request.operation_name)
            changed = self._fit_variables(variables, chosen) if chosen else variables
            if changed is not variables:
                request = replace(request, variables=changed)
        return request

    def _plan_for(self, document: str) -> Plan | None:
        plan = self._plans.get(document)
        if plan is None and len(document) <= self._document_bytes:
            outline = outline_of(document)
            if outline:
                plan = self._make_plan(document, outline)
                self._plans.put(document, plan)
        return plan

    def _make_plan(self, document: str, outline: Outline) -> Plan:
        text, rewrites = rewrite(document, outline)
        operations = {}
        for operation, what in zip(outline.operations, rewrites, strict=True):
            integers = {
                variable.name: variable.type_text
                for variable in operation.variables
                if variable.name not in what.retyped and variable.type_name.text in self._with_integers
            }
            operations[operation.name] = OperationPlan(integers, what)
        return Plan(None if text is document else text, operations)

    def _fit_variables(self, variables: dict[str, Any], plan: OperationPlan) -> dict[str, Any]:
        changed = dict(variables)
        for name, type_text in plan.integers.items():
            if name in variables:
                changed[name] = self._with_numbers(variables[name], type_text)
        for name in plan.rewrite.numbers_to_texts:
            if name in variables:
                changed[name] = _as_texts(variables[name])
        given = variables.get(plan.rewrite.id_yields_to or "")
        if isinstance(given, dict) and given.get("id") is not None:
            changed.pop("id", None)
        return changed if changed != variables else variables

    def _with_numbers(self, value: Any, type_text: str) -> Any:
        """The value, with text that is an integer as one wherever its type says Int. The value itself is never
        changed.
        """
        type_text = type_text.removesuffix("!")
        if type_text.startswith("["):
            inner = type_text[1:-1]
            if isinstance(value, list):
                return [self._with_numbers(item, inner) for item in value]
            return self._with_numbers(value, inner)
        if type_text == "Int":
            return int(value) if isinstance(value, str) and _INTEGER.fullmatch(value) else value
        if type_text not in self._with_integers or not isinstance(value, dict):
            return value
        fields = self._input_fields[type_text]
        return {
            name: self._with_numbers(item, fields[name]) if name in fields else item for name, item in value.items()
        }


def _read_variables(text: str) -> dict[str, Any] | None:
    if not text.strip():
        return None
    variables = decode_json("variables", text)
    if not isinstance(variables, dict | None):
        raise InvalidInputError("variables", "must hold a JSON object")
    return variables


def _chosen(plan: Plan, operation_name: str | None) -> OperationPlan | None:
    """The operation that will run, as far as that can be said: an empty name counts as none, as it does in the
    engine.
    """
    if operation_name:
        return plan.operations.get(operation_name)
    return next(iter(plan.operations.values())) if len(plan.operations) == 1 else None


def _as_texts(value: Any) -> Any:
    if isinstance(value, list):
        return [_as_texts(item) for item in value]
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _types_with_integers(input_fields: Mapping[str, Mapping[str, str]]) -> frozenset[str]:
    """Int, and every input object that has an Int in it at some depth."""
    found = {"Int"}
    while True:
        more = {
            name
            for name, fields in input_fields.items()
            if name not in found and any(type_text.strip("[]!") in found for type_text in fields.values())
        }
        if not more:
            return frozenset(found)
        found |= more
