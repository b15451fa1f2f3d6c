"""Lowers parsers: to states, with those of parsers that they apply in their midst (P4_16 section 13)."""

from dataplane.compiler import lowered, syntax
from dataplane.compiler.errors import CompileError, UnsupportedError
from dataplane.compiler.lowered import Case, Select, State
from dataplane.compiler.lowering import types
from dataplane.compiler.lowering.builder import Builder
from dataplane.compiler.lowering.callables import Instance, Kind
from dataplane.compiler.lowering.instances import Instances
from dataplane.compiler.lowering.keysets import keyset
from dataplane.compiler.lowering.scope import Scope, choices, nearest
from dataplane.compiler.lowering.types import Type, describe
from dataplane.compiler.lowering.values import Data, Nothing, Value

ACCEPT, REJECT = "accept", "reject"


class Parser(Instances):
    """One application of a parser. `states` are those of the whole program's parser, by their unique names."""

    in_parser = True
    may_exit = False
    may_return = False

    def __init__(self, builder: Builder, scope: Scope, name: str, states: dict[str, State], accept: str) -> None:
        super().__init__(builder, scope, name)
        self.path = name
        self._states = states
        self._accept = accept
        self._names: dict[str, str] = {}
        """The program's names of this parser's states."""
        self._current = ""
        self._top: list[lowered.Statement] = []

    def lower(self, kind: Kind, prefix: str) -> str:
        """Adds a parser's states and gives the name of the first."""
        declaration = kind.declaration
        assert isinstance(declaration, syntax.ParserDeclaration)
        if kind.entered:
            raise CompileError(declaration.position, f"found recursion in parser {kind.name}; expected none")
        kind.entered.append(True)
        kind.used.append(True)
        try:
            return self._lower(declaration, prefix)
        finally:
            kind.entered.pop()

    def _lower(self, declaration: syntax.ParserDeclaration, prefix: str) -> str:
        self._name_states(declaration, prefix)
        for local in declaration.locals:
            with self.builder.reporting():
                self._declare(local)
        initial = tuple(self.block)
        for state in declaration.states:
            with self.builder.reporting():
                self._state(state)
        start = self._names["start"]
        if not initial:
            return start
        begin = self._unique(f"{prefix}begin")
        self._states[begin] = State(begin, initial, _always(start), declaration.position)
        return begin

    def _name_states(self, declaration: syntax.ParserDeclaration, prefix: str) -> None:
        names = Scope()
        for state in declaration.states:
            names.declare(state.name, state)
            if state.name.text in (ACCEPT, REJECT):
                raise CompileError(state.name.position, f"found state {state.name}; expected another name")
            self._names[state.name.text] = self._unique(f"{prefix}{state.name}")
        if "start" not in self._names:
            raise CompileError(
                declaration.name.position, f"found no state start in parser {declaration.name}; expected one"
            )

    def _unique(self, name: str) -> str:
        result, count = name, 1
        while result in self._states or result in (ACCEPT, REJECT):
            count += 1
            result = f"{name}_{count}"
        self._states[result] = State(result, (), Select((), ()))
        return result

    def _declare(self, node: syntax.Local) -> None:
        match node:
            case syntax.VariableDeclaration():
                self.declare_variable(node)
            case syntax.ConstantDeclaration():
                self.declare_constant(node)
            case syntax.Instantiation():
                self.declare_instance(node)
            case syntax.ValueSetDeclaration():
                raise UnsupportedError(node.position, "value_set")
            case _:
                raise CompileError(node.position, f"found {node.name} in a parser; expected variables and states")

    # states

    def _state(self, node: syntax.State) -> None:
        self._current = self._names[node.name.text]
        self.block = self._top = []
        with self.scoped():
            self.run(node.statements)
            transition = self._transition(node)
        self._states[self._current] = State(self._current, tuple(self.block), transition, node.position)

    def _transition(self, node: syntax.State) -> Select:
        match node.transition:
            case None:
                return _always(REJECT)
            case syntax.Identifier():
                return _always(self._target(node.transition))
            case syntax.Select():
                return self._select(node.transition)

    def _target(self, name: syntax.Identifier) -> str:
        if name.text == ACCEPT:
            return self._accept
        if name.text == REJECT:
            return REJECT
        if name.text not in self._names:
            raise CompileError(
                name.position,
                f"found undeclared state {name}{nearest(name.text, self._names)}; "
                f"expected accept, reject or one of {choices(self._names)}",
            )
        return self._names[name.text]

    def _select(self, node: syntax.Select) -> Select:
        keys: list[Value] = []
        for written, data in zip(node.keys, self.sequence(node.keys), strict=True):
            if not isinstance(data, Value) or not types.scalar(data.type):
                raise CompileError(
                    written.position, f"found key of type {describe(data.type)}; expected a number, bool or enum"
                )
            keys.append(data)
        cases = [self._case(case, [key.type for key in keys]) for case in node.cases]
        return Select(tuple(key.expression for key in keys), tuple(cases))

    def _case(self, node: syntax.SelectCase, key_types: list[Type]) -> Case:
        written = node.keyset
        if len(written) == 1 and isinstance(written[0], syntax.Default):
            written = written * len(key_types)
        if len(written) != len(key_types):
            raise CompileError(node.position, f"found {len(written)} values in a case; expected {len(key_types)}")
        values = [keyset(self, value, type_) for value, type_ in zip(written, key_types, strict=True)]
        return Case(tuple(values), self._target(node.state))

    # parsers in it

    def apply_instance(self, instance: Instance, node: syntax.Call) -> Data:
        kind = instance.kind
        if kind.what != "parser":
            raise CompileError(node.position, f"found apply of control {kind.name} in a parser; expected a parser")
        if self.block is not self._top:
            raise UnsupportedError(node.position, "apply of a parser inside if or switch")
        passed = self.passed(kind.parameters, node, kind.name, kind.scope)
        aliases = self.aliases(kind.parameters, passed, scalars=True)
        inner, variables = self.scope_of(instance, aliases)
        self.copy_in(kind.parameters, passed, variables)
        behind = self._unique(f"{self._current}.after")
        body = Parser(self.builder, inner, instance.path, self._states, behind)
        start = body.lower(kind, f"{instance.path}.")
        self._states[self._current] = State(self._current, tuple(self.block), _always(start), node.position)
        self._current = behind
        self.block = self._top = []
        self.copy_out(kind.parameters, passed, variables, node)
        return Nothing()

    def instantiate_applied(self, kind: Kind, node: syntax.Call) -> Instance:
        if kind.constructor_parameters:
            raise CompileError(
                node.position, f"found {kind.name}.apply; expected an instance with constructor arguments"
            )
        return Instance(kind, f"{self.path}.{kind.name}", {})


def _always(state: str) -> Select:
    return Select((), (Case((), state),))
