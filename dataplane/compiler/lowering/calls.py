"""Calls: of methods that headers and stacks have, of externs, and of what the program defines."""

from collections.abc import Sequence

from dataplane.compiler import lowered, syntax
from dataplane.compiler.errors import CompileError
from dataplane.compiler.lowering import types
from dataplane.compiler.lowering.callables import (
    Callable,
    ExternFunctions,
    Instance,
    Kind,
    Overloads,
    count,
)
from dataplane.compiler.lowering.extern_calls import ExternCalls
from dataplane.compiler.lowering.parts import described
from dataplane.compiler.lowering.values import (
    Applied,
    Data,
    Entity,
    ExternObject,
    Nothing,
    Number,
    Table,
    TypeName,
    Value,
)

_SIZES = {"minSizeInBits": 1, "maxSizeInBits": 1, "minSizeInBytes": 8, "maxSizeInBytes": 8}
_OF_HEADERS = ("isValid", "setValid", "setInvalid", *_SIZES)
_OF_STACKS = ("push_front", "pop_front", *_SIZES)


class Calls(ExternCalls):
    """Resolves calls; those of the program's own functions, actions and controls are left to who knows bodies."""

    def invoke(self, callee: Callable, node: syntax.Call) -> Data:
        """Calls a function or action."""
        raise NotImplementedError

    def apply_instance(self, instance: Instance, node: syntax.Call) -> Data:
        """Applies a parser or control."""
        raise NotImplementedError

    def instantiate_applied(self, kind: Kind, node: syntax.Call) -> Instance:
        """An instance for `Kind.apply()`."""
        raise NotImplementedError

    def construct(self, node: syntax.Call) -> Entity:
        """`Type(…)`: an instance without a name."""
        raise NotImplementedError

    def call(self, node: syntax.Call) -> Entity:
        match node.function:
            case syntax.Member(base=base, member=name):
                return self._method(node, base, name)
            case syntax.TypeName():
                return self.construct(node)
            case _:
                return self._function(node, self.entity(node.function))

    def _function(self, node: syntax.Call, callee: Entity) -> Entity:
        match callee:
            case Callable():
                return self.invoke(callee, node)
            case Overloads(functions):
                return self.invoke(self._fitting(functions, node), node)
            case ExternFunctions():
                return self.call_extern(node, self.signatures(callee, ()), {}, None)
            case _:
                raise CompileError(node.position, f"found a call of {described(callee)}; expected a function or action")

    def _fitting(self, functions: Sequence[Callable], node: syntax.Call) -> Callable:
        fitting = [function for function in functions if len(function.parameters) == len(node.arguments)]
        return fitting[0] if fitting else functions[0]

    # methods

    def _method(self, node: syntax.Call, base_node: syntax.Expression, name: syntax.Identifier) -> Entity:
        base = self._base(base_node)
        match base:
            case Kind():
                self._only_apply(name, f"{base.what} {base.name}")
                return self.apply_instance(self.instantiate_applied(base, node), node)
            case Table():
                self._only_apply(name, "a table")
                if node.arguments:
                    raise CompileError(node.position, f"found {count(len(node.arguments))} of apply; expected none")
                return Applied(base, node.position)
            case Instance():
                self._only_apply(name, f"{base.kind.what} {base.kind.name}")
                return self.apply_instance(base, node)
            case ExternObject():
                return self.extern_method(node, base, name)
            case TypeName(type_) if name.text in _SIZES:
                return self._size(type_, name)
            case Value(type=types.Header()):
                self.choice(name, _OF_HEADERS, "method of a header")
                return self._header_method(node, base, name)
            case Value(type=types.Stack()):
                self.choice(name, _OF_STACKS, "method of a header stack")
                return self._stack_method(node, base, name)
            case Value() if name.text in _SIZES:
                return self._size(base.type, name)
            case _:
                raise CompileError(
                    name.position, f"found .{name} of {described(base)}; expected something with methods"
                )

    def _base(self, node: syntax.Expression) -> Entity:
        """What a method belongs to; controls and parsers stand as types there."""
        if isinstance(node, syntax.TypeName) and isinstance(node.type, syntax.NamedType):
            found = self.find(node.type.name, node.type, node.type.absolute)
            if isinstance(found, Kind):
                return found
        return self.entity(node)

    def _only_apply(self, name: syntax.Identifier, what: str) -> None:
        if name.text != "apply":
            raise CompileError(name.position, f"found .{name} of {what}; expected .apply")

    def _size(self, of: types.Type, name: syntax.Identifier) -> Number:
        bits = lowered.width(types.form(of))
        return Number(-(-bits // _SIZES[name.text]))

    def _header_method(self, node: syntax.Call, base: Value, name: syntax.Identifier) -> Data:
        assert base.place is not None
        if node.arguments:
            raise CompileError(node.position, f"found {count(len(node.arguments))} of {name}; expected none")
        if name.text in _SIZES:
            return self._size(base.type, name)
        if name.text == "isValid":
            return Value(types.BOOLEAN, lowered.IsValid(base.place))
        self.must_write(base, node.function)
        self.block.append(lowered.SetValidity(base.place, name.text == "setValid"))
        return Nothing()

    def _stack_method(self, node: syntax.Call, base: Value, name: syntax.Identifier) -> Data:
        assert isinstance(base.type, types.Stack) and base.place is not None
        if name.text in _SIZES:
            return self._size(base.type, name)
        if len(node.arguments) != 1 or node.arguments[0].value is None:
            raise CompileError(node.position, f"found {count(len(node.arguments))} of {name}; expected 1 argument")
        self.must_write(base, node.function)
        places = self.fixed(node.arguments[0].value, "number of headers")
        if places < 0:
            raise CompileError(node.arguments[0].position, f"found {places}; expected a number of headers from 0")
        if places:
            self.block.append(lowered.Push(base.place, places if name.text == "push_front" else -places))
        return Nothing()
