"""Which states a packet can reach, and that it cannot go round without end."""

from collections.abc import Iterator, Mapping

from dataplane.compiler import lowered
from dataplane.compiler.errors import CompileError
from dataplane.compiler.lowered import Block, Constant, State


def reachable(states: Mapping[str, State], start: str) -> dict[str, State]:
    """The states that can follow the first, it included, in order of the program."""
    found, waiting = {start}, [start]
    while waiting:
        for following in _following(states[waiting.pop()]):
            if following in states and following not in found:
                found.add(following)
                waiting.append(following)
    return {name: state for name, state in states.items() if name in found}


def check_loops(states: Mapping[str, State]) -> None:
    """Every loop must move on in the packet, so that the packet's end ends it; otherwise raises CompileError."""
    idle = {name: state for name, state in states.items() if not moves_on(state.statements)}
    done: set[str] = set()
    for name in idle:
        _search(name, idle, [], done)


def _search(name: str, idle: Mapping[str, State], path: list[str], done: set[str]) -> None:
    if name in path:
        loop = [*path[path.index(name) :], name]
        raise CompileError(
            idle[name].position,
            f"found a parser loop without bound in state {name} ({' to '.join(loop)}); "
            "expected an extract or advance in it",
        )
    if name not in done:
        for following in _following(idle[name]):
            if following in idle:
                _search(following, idle, [*path, name], done)
        done.add(name)


def _following(state: State) -> Iterator[str]:
    for case in state.transition.cases:
        yield case.state


def moves_on(block: Block) -> bool:
    """Whether a block always takes bits of the packet (or a stack's next element)."""
    for statement in block:
        match statement:
            case lowered.Extract(target):
                if isinstance(target.type, lowered.Stack) or lowered.width(target.type):
                    return True
            case lowered.Advance(bits):
                if not isinstance(bits, Constant) or bits.value:
                    return True
            case lowered.If(_, then, otherwise):
                if moves_on(then) and moves_on(otherwise):
                    return True
            case lowered.Call(function):
                if moves_on(function.body):
                    return True
    return False
