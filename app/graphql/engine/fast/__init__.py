"""Documents compiled to plans, in place of tartiflette's execution.

Tartiflette interprets a document anew for every request: about ten coroutines for each field, an asyncio task for each
variable, input field and argument, a field look-up by name for each object. A plan holds what does not change from one
request to the next, and is kept with the parsed document. Nothing in the library is replaced: an engine cooked with
`fast=False` executes as it always did, and the tests hold the two against each other.

| here          | in place of (tartiflette)                        | because                                              |
| ------------- | ------------------------------------------------ | ---------------------------------------------------- |
| `documents`,  | `execution.execute`, `execution.context`         | definitions are read and operations found anew       |
| `operations`  |                                                  |                                                      |
| `variables`   | `coercers.variables`, `coercers.inputs`          | a task per variable and per field of an input object |
| `arguments`,  | `coercers.arguments`, `.argument`,               | a coroutine per argument and per literal in it       |
| `literals`    | `coercers.literals`                              |                                                      |
| `collecting`  | `execution.collect`                              | fields are collected per object, not per document    |
| `selections`  | `execution.execute.execute_fields`               | fields are looked up per object                      |
| `fields`      | `resolver.factory`, `resolver.default`           | most fields are an attribute and need no coroutine   |
| `values`      | `coercers.outputs`                               | most values are complete without waiting             |

What a plan does not know, it leaves to the library: introspection, interfaces and unions, directives with code of their
own. So does a value that must be refused, because the words of a refusal are the library's. The errors of fields are
placed by its `handle_field_error`. Every module here depends on private details of the version that
`engine.patches` asks for.
"""
