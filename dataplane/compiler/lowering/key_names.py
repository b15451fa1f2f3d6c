"""Names of table keys for the control plane: the text of their expressions (P4_16 section 18.3.1)."""

from dataplane.compiler import syntax
from dataplane.compiler.errors import CompileError


def key_name(node: syntax.Expression) -> str:
    """The name; an expression that has none is an error."""
    match node:
        case syntax.Name(name=name):
            return name
        case syntax.Member(base=base, member=member):
            return f"{key_name(base)}.{member}"
        case syntax.Index(base=base, index=index):
            return f"{key_name(base)}[{key_name(index)}]"
        case syntax.Slice(base=base, high=high, low=low):
            return f"{key_name(base)}[{key_name(high)}:{key_name(low)}]"
        case syntax.Integer(value=value):
            return str(value)
        case syntax.Call(function=syntax.Member(base=base, member=syntax.Identifier(text="isValid"))):
            return f"{key_name(base)}.$valid$"
        case syntax.Binary(operator=syntax.BinaryOperator.AND, left=left, right=right):
            return f"{key_name(left)} & {key_name(right)}"
        case _:
            raise CompileError(node.position, 'found a key that has no name by itself; expected @name("…") behind it')
