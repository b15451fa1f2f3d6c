"""The type checker and the lowering, in one pass over the syntax tree.

A body (of a function, action, control or parser) is an object that lowers its nodes into its current block; what it can
do is built up in layers, each a class on top of the one before:

`resolution` types - `conversions` implicit casts, storing - `operators` - `parts` members, elements, bits -
`expressions` - `extern_calls`, `calls` - `statements` - `bodies` functions and actions - `instances` - then `parsers`;
`declarations`; and `entries`, `tables`, `controls`.

`types` and `relations` say what types there are, `values` and `callables` what names stand for, `scope` which do,
`builder` holds the program that grows and the errors found; `externs` is core's and v1model's meaning; `program` puts
it together.
"""

from dataplane.compiler.lowering.program import lower

__all__ = ["lower"]
