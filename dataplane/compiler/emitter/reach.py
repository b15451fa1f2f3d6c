"""How far a parser can look into a packet, and which of its states lead back to themselves."""

from collections.abc import Iterator
from dataclasses import dataclass

from dataplane.compiler.emitter.places import header_size
from dataplane.compiler.lowered import (
    Advance,
    Binary,
    BinaryOperator,
    Bits,
    Boolean,
    Call,
    Cast,
    Concatenation,
    Conditional,
    Constant,
    Expression,
    Extract,
    Header,
    Lookahead,
    Program,
    Stack,
    State,
    Statement,
    statements,
    width,
)

LIMIT = 1536
"""Bytes of a packet that a parser gets to see at most."""
LOOP_ROUNDS = 64
"""Rounds that are reckoned with in a loop without a header stack."""


@dataclass(frozen=True)
class Component:
    """States that reach each other; one alone repeats only if it leads to itself."""

    states: tuple[str, ...]
    repeats: bool


def components(program: Program) -> list[Component]:
    """Strongly connected components of the states, each before those that lead to it (Tarjan)."""
    search = _Search(program)
    for name in program.states:
        search.visit(name)
    return search.found


class _Search:
    def __init__(self, program: Program) -> None:
        self._successors = {
            name: [case.state for case in state.transition.cases if case.state in program.states]
            for name, state in program.states.items()
        }
        self._order: dict[str, int] = {}
        self._lowest: dict[str, int] = {}
        self._stack: list[str] = []
        self.found: list[Component] = []

    def visit(self, name: str) -> None:
        if name in self._order:
            return
        self._order[name] = self._lowest[name] = len(self._order)
        self._stack.append(name)
        for following in self._successors[name]:
            self.visit(following)
            if following in self._stack:
                self._lowest[name] = min(self._lowest[name], self._lowest[following])
        if self._lowest[name] == self._order[name]:
            place = self._stack.index(name)
            states = tuple(self._stack[place:])
            del self._stack[place:]
            self.found.append(Component(states, len(states) > 1 or name in self._successors[name]))


def reach(program: Program) -> int:
    """Bytes from the front of a packet that the parser can need, at most `LIMIT`."""
    ahead: dict[str, int] = {}
    for component in components(program):
        inside = set(component.states)
        after = max(
            (
                ahead[case.state]
                for name in component.states
                for case in program.states[name].transition.cases
                if case.state in ahead and case.state not in inside
            ),
            default=0,
        )
        once = sum(_bytes(program.states[name]) for name in component.states)
        rounds = _rounds(program, component) if component.repeats else 1
        for name in component.states:
            ahead[name] = once * rounds + after
    return max(1, min(LIMIT, ahead.get(program.start, 0)))


def _rounds(program: Program, component: Component) -> int:
    stacks = [
        statement.target.type.size
        for name in component.states
        for statement in statements(program.states[name].statements)
        if isinstance(statement, Extract) and isinstance(statement.target.type, Stack)
    ]
    return max(stacks, default=LOOP_ROUNDS - 1) + 1


def _bytes(state: State) -> int:
    return sum(_consumed(statement) for statement in _all(state))


def _all(state: State) -> Iterator[Statement]:
    for statement in statements(state.statements):
        yield statement
        if isinstance(statement, Call):
            yield from statements(statement.function.body)


def _consumed(statement: Statement) -> int:
    match statement:
        case Extract(target):
            kind = target.type
            if isinstance(kind, Stack):
                return header_size(kind.element)
            assert isinstance(kind, Header)
            return header_size(kind)
        case Lookahead(target):
            return (width(target.type) + 7) // 8
        case Advance(bits):
            return min(LIMIT, most(bits) // 8)
        case _:
            return 0


def most(expression: Expression) -> int:
    """A number that the value of an expression does not exceed."""
    kind = expression.type
    full = (1 << kind.width) - 1 if isinstance(kind, Bits) else 1
    match expression:
        case Constant(value):
            return value & full
        case Cast(operand) if not (isinstance(operand.type, Bits) and operand.type.signed):
            return min(full, most(operand))
        case Concatenation(left, right):
            assert isinstance(right.type, Bits | Boolean)
            return (most(left) << width(right.type)) | ((1 << width(right.type)) - 1)
        case Conditional(_, then, otherwise):
            return max(most(then), most(otherwise))
        case Binary(operator, left, right):
            return min(full, _most_of(operator, left, right, full))
        case _:
            return full


def _most_of(operator: BinaryOperator, left: Expression, right: Expression, full: int) -> int:
    match operator:
        case BinaryOperator.MULTIPLY:
            return most(left) * most(right)
        case BinaryOperator.ADD | BinaryOperator.ADD_SATURATING:
            return most(left) + most(right)
        case BinaryOperator.SHIFT_LEFT if isinstance(right, Constant):
            return most(left) << right.value
        case BinaryOperator.SHIFT_RIGHT if isinstance(right, Constant):
            return most(left) >> right.value
        case BinaryOperator.AND:
            return min(most(left), most(right))
        case _:
            return full
