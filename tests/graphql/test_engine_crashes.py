"""Everything that is known to crash, block or bloat tartiflette 1.4.1 (C1 to C9), shown harmless behind the gate.

Where the bare library can be shown to fail safely, in a process of its own, the test does that first: it cannot pass by accident.
Times are CPU time of this process, with room for a slow machine; without the gate they are seconds to minutes.
"""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from app.graphql.engine import cook_engine
from app.graphql.gate import gated
from app.graphql.limits import Limits

SMALL_SDL = "type Query { x: Int }"
ENGINES = f"""
import asyncio, pathlib, resource, threading, tartiflette
from app.graphql.engine import cook_engine
from app.graphql.engine.patches import patch_engine

async def bare():
    engine = tartiflette.Engine("{SMALL_SDL}", schema_name="bare")
    await engine.cook()
    return engine

async def ours():
    return await cook_engine("{SMALL_SDL}", lambda schema_name: None)
"""


def run(script: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "ignore", "-c", ENGINES + script]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@contextmanager
def cpu_seconds(*, below: float) -> Iterator[None]:
    began = time.process_time()
    yield
    assert time.process_time() - began < below


def refusal(answer: dict[str, Any]) -> tuple[str, str]:
    assert list(answer) == ["errors"]
    [error] = answer["errors"]
    return error["extensions"]["exception"]["name"], error["message"]


# On a small stack 14 KB are enough; on a usual one of 8 MB it takes some hundred KB, and the parser half a minute.
NESTED = """
threading.stack_size(256 * 1024)
engine = asyncio.run({engine}())
document = "{{x(j:" + "[" * 7000 + "]" * 7000 + ")}}"
thread = threading.Thread(target=lambda: print(asyncio.run(engine.execute(document))))
thread.start()
thread.join()
"""


def test_c1_deep_nesting_kills_a_process_without_the_gate_and_is_refused_with_it():
    killed = run(NESTED.format(engine="bare"))
    assert killed.returncode == -signal.SIGSEGV
    refused = run(NESTED.format(engine="ours"))
    assert refused.returncode == 0, refused.stderr
    assert "'name': 'GraphQLLimitError'" in refused.stdout


@pytest.mark.parametrize(
    "document",
    [
        "{a" * 2_500 + "}" * 2_500,
        "{x(j:" + "[" * 4_000 + "]" * 4_000 + ")}",
        "{x(j:" + "{a:" * 2_000 + "1" + "}" * 2_000 + ")}",
        "query($v:" + "[" * 4_000 + "Int" + "]" * 4_000 + "){x}",
    ],
    ids=["selections", "lists", "objects", "types"],
)
async def test_c2_nesting_is_refused_before_the_parser_copies_each_level(engine, document):
    assert len(document) < Limits().document_bytes
    with cpu_seconds(below=0.2):
        answer = await engine.execute(document)
    assert refusal(answer) == ("GraphQLLimitError", "The document nests deeper than 24 brackets")


async def test_c2_closing_brackets_in_front_buy_no_depth(engine):
    assert refusal(await engine.execute("}" * 100 + "{a" * 100))[0] == "GraphQLLimitError"


GROWTH = """
from tartiflette.language.parsers.libgraphqlparser import parser
asyncio.run({engine}())

def parse(documents):
    for number in range(documents):
        parser._parse_to_json_ast("query Q%d {{ " % number + "x " * 400 + "}}")
    return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() // 1024

print(-parse(50) + parse(500))
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads the process's memory from /proc")
def test_c3_parsing_leaks_memory_without_the_patch_and_none_with_it():
    leaked, kept = (run(GROWTH.format(engine=engine)) for engine in ("bare", "ours"))
    assert int(leaked.stdout) > 10_000, leaked.stderr
    assert int(kept.stdout) < 2_000, kept.stderr


async def test_c4_the_deepest_documents_that_pass_are_executed_not_met_by_a_recursion_error(engine):
    lists = "{echo(j:" + "[" * 22 + "]" * 22 + ")}"
    selections = "{package" + "{self" * 10 + "{id}" + "}" * 11
    chained = "{package{...F0}} " + " ".join(f"fragment F{i} on Package{{...F{i + 1}}}" for i in range(27))
    for document in (lists, selections, f"{chained} fragment F27 on Package{{id}}"):
        assert "errors" not in await engine.execute(document)


def parsed_count(limits: Limits, documents: list[str], answer: tuple[Any, Any]) -> int:
    """How often the parser was asked for a sequence of documents."""
    asked = []

    def parse(query: str, _schema: object) -> tuple[Any, Any]:
        asked.append(query)
        return answer

    parse_gated = gated(limits)(parse)
    for document in documents:
        parse_gated(document, None)
    return len(asked)


class EmptyDocument:
    definitions = ()


def test_c5_parsed_documents_are_kept_by_number_and_by_bytes():
    documents = [f"{{a{number:04d}}}" for number in range(10)]
    again = [*documents, *documents]
    for limits, times in [
        (Limits(), 10),
        (Limits(cached_documents=9), 20),
        (Limits(cached_bytes=70), 10),
        (Limits(cached_bytes=69), 20),
    ]:
        assert parsed_count(limits, again, (EmptyDocument, None)) == times


def test_c5_errors_are_not_kept():
    assert parsed_count(Limits(), ["{a}", "{a}"], (None, ["an error"])) == 2


async def test_c6_ten_thousand_unknown_keys_do_not_repeat_the_value_ten_thousand_times(engine):
    value = {f"slug{number}": 1 for number in range(10_000)}
    with cpu_seconds(below=4):
        answer = await engine.execute("query($v:Search){echo(o:$v)}", None, None, {"v": value})
    assert len(answer["errors"]) == 20
    assert answer["errors"][0]["message"].startswith(
        "Variable $v got an invalid value: Field < slug0 > is not defined by type < Search >"
    )
    assert max(len(error["message"]) for error in answer["errors"]) < 200


async def test_c6_ten_thousand_bad_items_do_not_repeat_the_list(engine):
    with cpu_seconds(below=4):
        answer = await engine.execute("query($v:[Int!]){echo(l:$v)}", None, None, {"v": ["a"] * 10_000})
    assert len(answer["errors"]) == 20
    assert answer["errors"][19]["message"] == (
        "Variable $v got an invalid value: Expected type < Int > at value[19]; "
        "Int cannot represent non-integer value: < a >."
    )


async def test_c6_one_enormous_value_is_cut_in_the_message(engine):
    answer = await engine.execute("query($v:Int){echo(i:$v)}", None, None, {"v": "9" * 500_000})
    [error] = answer["errors"]
    assert len(error["message"]) == len(error["extensions"]["exception"]["message"]) == 500


@pytest.mark.parametrize("levels", [9, 14, 27])
async def test_c7_fragments_that_double_are_refused_in_no_time(engine, levels):
    doubling = " ".join(
        f"fragment F{i} on Package{{a:self{{...F{i + 1}}} b:self{{...F{i + 1}}}}}" for i in range(levels)
    )
    document = f"{{package{{...F0}}}} {doubling} fragment F{levels} on Package{{id}}"
    with cpu_seconds(below=0.2):
        answer = await engine.execute(document)
    assert refusal(answer) == ("GraphQLLimitError", "The document selects more than 250 fields")


async def test_c7_fragments_that_double_without_fields_are_refused_too(engine):
    doubling = " ".join(f"fragment F{i} on Package{{...F{i + 1} ...F{i + 1}}}" for i in range(27))
    with cpu_seconds(below=0.2):
        answer = await engine.execute(f"{{package{{...F0}}}} {doubling} fragment F27 on Package{{id}}")
    assert refusal(answer)[0] == "GraphQLLimitError"


async def test_c7_a_bomb_that_no_operation_uses_is_refused_as_well(engine):
    doubling = " ".join(f"fragment F{i} on Package{{a:self{{...F{i + 1}}} b:self{{...Nope}}}}" for i in range(20))
    with cpu_seconds(below=0.2):
        assert "errors" in await engine.execute(f"{{x}} {doubling}")


async def test_c7_a_second_fragment_of_the_same_name_hides_no_bomb(engine):
    doubling = " ".join(
        f"fragment F{i} on Package{{a:self{{...F{i + 1}}} b:self{{...F{i + 1}}}}} fragment F{i} on Package{{id}}"
        for i in range(14)
    )
    with cpu_seconds(below=0.2):
        answer = await engine.execute(f"{{package{{...F0}}}} {doubling} fragment F14 on Package{{id}}")
    assert refusal(answer) == ("GraphQLValidationError", "There can be only one fragment named F0")


async def test_c8_aliases_are_counted(engine):
    many = "{package{" + " ".join(f"a{number}:id" for number in range(250)) + "}}"
    assert refusal(await engine.execute(many)) == ("GraphQLLimitError", "The document selects more than 250 fields")
    at_the_root = "{" + " ".join(f"a{number}:x" for number in range(11)) + "}"
    assert refusal(await engine.execute(at_the_root)) == (
        "GraphQLLimitError",
        "An operation may select at most 10 fields at its root",
    )


QUADRATIC = {
    "variables": ("query(", "$v{}:Int ", "){{x}}", 245),
    "operations": ("", "query Q{}{{{{x}}}} ", "", 30),
    "unused fragments": ("{{x}}", "fragment F{} on Query{{{{x}}}} ", "", 29),
    "unknown arguments": ("{{echo(", "a{}:1 ", ")}}", 320),
    "unknown input fields": ("{{echo(o:{{", "a{}:1 ", "}})}}", 320),
}


@pytest.mark.parametrize(("before", "item", "after", "allowed"), QUADRATIC.values(), ids=QUADRATIC)
async def test_c9_quadratic_validators_meet_only_small_documents(engine, before, item, after, allowed):
    def document(items: int) -> str:
        text = before.format() + "".join(item.format(number).format() for number in range(items)) + after.format()
        return text.strip()

    with cpu_seconds(below=1):
        largest = await engine.execute(document(allowed))
    assert "GraphQLLimitError" not in str(largest)
    with cpu_seconds(below=0.2):
        assert refusal(await engine.execute(document(10_000)))[0] == "GraphQLLimitError"


async def test_an_engine_with_other_limits_keeps_them(sdl, registered):
    engine = await cook_engine(sdl, registered, limits=Limits(fields=2))
    assert refusal(await engine.execute("{a:x b:x c:x}"))[0] == "GraphQLLimitError"
    assert await engine.execute("{a:x b:x}") == {"data": {"a": 1, "b": 1}}
