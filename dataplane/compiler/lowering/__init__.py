"""The type checker and the lowering, in one pass over the syntax tree."""

from dataplane.compiler.lowering.program import lower

__all__ = ["lower"]
