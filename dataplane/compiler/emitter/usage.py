"""What a program uses, and from how many places."""

from collections import Counter as Tally
from collections.abc import Iterator

from dataplane.compiler.lowered import (
    STANDARD,
    Action,
    Apply,
    Assign,
    Block,
    Call,
    Checksum,
    Clone,
    Function,
    Member,
    Program,
    Recirculate,
    Resubmit,
    Statement,
    Table,
    Variable,
    statements,
)

SMALL = 6
"""Statements of a block that is written out wherever it is called."""


def blocks(program: Program) -> Iterator[Block]:
    """Every block of a program, each once."""
    for state in program.states.values():
        yield state.statements
    yield from (program.verify_checksum, program.ingress, program.egress, program.compute_checksum, program.deparser)
    for function in program.functions:
        yield function.body
    for action in program.actions:
        yield action.body
    for table in program.tables:
        for offered in table.actions:
            yield from (offered.before, offered.after)


def everything(program: Program) -> Iterator[Statement]:
    """Every statement of a program."""
    for block in blocks(program):
        yield from statements(block)


def calls(program: Program) -> Tally[Function | Action | Table]:
    """From how many places each is called."""
    tally: Tally[Function | Action | Table] = Tally()
    for statement in everything(program):
        match statement:
            case Call(function):
                tally[function] += 1
            case Apply(table):
                tally[table] += 1
    for table in program.tables:
        for offered in table.actions:
            tally[offered.action] += 1
    return tally


def length(block: Block) -> int:
    """Statements of a block, those within others too."""
    return sum(1 for _ in statements(block))


def makes_copies(program: Program) -> bool:
    """Whether a packet can leave more than once, or enter again."""
    return any(_copies(statement) for statement in everything(program))


def sums_payload(program: Program) -> bool:
    """Whether a checksum takes in what is behind the headers."""
    return any(isinstance(statement, Checksum) and statement.payload for statement in everything(program))


def _copies(statement: Statement) -> bool:
    match statement:
        case Clone() | Resubmit() | Recirculate():
            return True
        case Assign(Member(Variable(name), member)) if name == STANDARD:
            return member == "mcast_grp"
        case Assign(Variable(name)):
            return name == STANDARD
        case _:
            return False
