"""The deparser as C: it writes the bytes that come before the payload."""

from dataplane.compiler.emitter.places import Located, header_size, parts
from dataplane.compiler.emitter.statements import Lines, Statements, indented
from dataplane.compiler.lowered import Block, Call, Emit, Header, Place, Stack, Statement, Struct, Type, statements


class DeparserStatements(Statements):
    """The deparser of a program."""

    def statement(self, statement: Statement) -> Lines:
        if isinstance(statement, Emit):
            yield from self._emit(statement.place)
        else:
            yield from super().statement(statement)

    def _emit(self, place: Place) -> Lines:
        kind = place.type
        if isinstance(kind, Struct):
            for part in parts(place):
                yield from self._emit(part)
            return
        found = self.places.locate(place)
        if isinstance(kind, Header):
            yield from self.within(found, self._header(found, kind))
        elif isinstance(kind, Stack):
            for number in range(kind.size):
                element = Located(f"{found.data}.at[{number}]", f"{found.valid}.at[{number}]")
                yield from self._header(element, kind.element)

    def _header(self, found: Located, kind: Header) -> Lines:
        size = header_size(kind)
        yield f"if ({found.valid}) {{"
        yield "\tu64 at = OUT(s);"
        yield "\tOPAQUE(at);"
        yield f"\tif (at <= OUTPUT_LIMIT - {size}) {{"
        yield from indented(indented(iter([f"copy(s->output + at, {found.data}.words, {size});"])))
        yield f"\t\tOUT(s) = at + {size};"
        yield "\t}"
        yield "}"


def written(block: Block) -> int:
    """Bytes that a deparser writes at most."""
    result = 0
    for statement in statements(block):
        if isinstance(statement, Emit):
            result += _size(statement.place.type)
        elif isinstance(statement, Call):
            result += written(statement.function.body)
    return result


def _size(kind: Type) -> int:
    match kind:
        case Header():
            return header_size(kind)
        case Stack(element, size):
            return size * header_size(element)
        case Struct(_, fields):
            return sum(_size(field.type) for field in fields)
        case _:
            return 0
