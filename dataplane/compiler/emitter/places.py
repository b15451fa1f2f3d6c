"""Where variables lie in the packet's state, and the C types of what they hold.

Data and validity are apart, under the same path: data in `s->c.headers`, `s->c.metadata` and `s->l` (locals), validity
of all headers (0 or 1) and `next` of all stacks together in `s->c.validity`, so that it is quickly cleared. A header is
an array of words with its bytes as on the wire.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from dataplane.compiler.emitter.numbers import bits_of, storage
from dataplane.compiler.lowered import (
    Bits,
    Boolean,
    Constant,
    Element,
    Expression,
    Header,
    Member,
    Place,
    Program,
    Stack,
    Struct,
    Type,
    Variable,
    width,
)


def header_size(header: Header) -> int:
    """Bytes of a header on the wire."""
    return header.width // 8


def holds_headers(of: Type) -> bool:
    match of:
        case Header() | Stack():
            return True
        case Struct(_, fields):
            return any(holds_headers(field.type) for field in fields)
        case _:
            return False


@dataclass(frozen=True)
class Index:
    """A stack's index that is only known at run time; `name` is the C variable that has it within bounds."""

    name: str
    expression: Expression
    size: int


@dataclass(frozen=True)
class Located:
    """A place in C: where its data is, where its validity is, which bits of a header it is, what index it needs."""

    data: str
    valid: str
    bits: tuple[int, int] | None = None
    """Offset and width within the header at `data`."""
    index: Index | None = None


class Places:
    """Paths of all variables, and the C types they need."""

    def __init__(self, program: Program) -> None:
        self._roots = {
            program.headers.name: "s->c.headers.v_",
            program.metadata.name: "s->c.metadata.v_",
            program.standard.name: "s->c.metadata.v_",
        }
        self._names: dict[Type, str] = {}
        self._definitions: list[str] = []
        self._indices = 0

    def definitions(self) -> list[str]:
        """C definitions of all types that were named, in an order that C accepts."""
        return self._definitions

    def locate(self, place: Place) -> Located:
        """Where a place lies. Members of an element of a stack need its index checked first."""
        match place:
            case Variable(name):
                return Located(f"{self._roots.get(name, 's->l.v_')}{name}", f"s->c.validity.x_{name}")
            case Element(base, index):
                return self._element(self.locate(base), base, index)
            case Member(base, name):
                found = self.locate(base)
                if isinstance(base.type, Header):
                    return Located(f"{found.data}.words", "", field_bits(base.type, name), found.index)
                return Located(f"{found.data}.f_{name}", f"{found.valid}.f_{name}", None, found.index)

    def data_type(self, of: Type) -> str:
        """C type of the data of a type."""
        match of:
            case Bits() | Boolean():
                return storage(bits_of(of))
        if of not in self._names:
            self._names[of] = self._define(of)
        return f"struct {self._names[of]}"

    def validity_type(self, of: Type) -> str:
        """C type of the validity of a type that holds headers."""
        if isinstance(of, Header):
            return "u8"
        self.data_type(of)
        return f"struct {self._names[of]}_validity"

    def _element(self, stack: Located, base: Place, index: Expression) -> Located:
        assert isinstance(base.type, Stack)
        if isinstance(index, Constant) and index.value < base.type.size:
            return Located(f"{stack.data}.at[{index.value}]", f"{stack.valid}.at[{index.value}]")
        self._indices += 1
        name = f"i{self._indices}"
        checked = Index(name, index, base.type.size)
        return Located(f"{stack.data}.at[{name}]", f"{stack.valid}.at[{name}]", None, checked)

    def _define(self, of: Type) -> str:
        match of:
            case Header(label):
                name = self._fresh("header", label)
                self._write(name, [f"u64 words[{max(1, (header_size(of) + 7) // 8)}];"])
            case Stack(element, size):
                inner = self.data_type(element)
                name = self._fresh("stack", element.name)
                self._write(name, [f"{inner} at[{size}];"])
                self._write(f"{name}_validity", ["u32 next;", f"u8 at[{size}];"])
            case Struct(label, fields):
                lines = [f"{self.data_type(field.type)} f_{field.name};" for field in fields]
                inside = [field for field in fields if holds_headers(field.type)]
                checks = [f"{self.validity_type(field.type)} f_{field.name};" for field in inside]
                name = self._fresh("struct", label)
                self._write(name, lines or ["u8 nothing;"])
                if inside:
                    self._write(f"{name}_validity", checks)
            case _:
                raise AssertionError(of)
        return name

    def _fresh(self, kind: str, label: str) -> str:
        return f"{kind}_{len(self._names)}_{''.join(each if each.isalnum() else '_' for each in label)}"

    def _write(self, name: str, members: list[str]) -> None:
        self._definitions += [f"struct {name} {{", *(f"\t{member}" for member in members), "};"]


def field_bits(header: Header, name: str) -> tuple[int, int]:
    """Offset and width of a field, in bits."""
    offset = 0
    for field in header.fields:
        if field.name == name:
            return offset, width(field.type)
        offset += width(field.type)
    raise KeyError(name)


def parts(place: Place) -> Iterator[Place]:
    """The members of a struct."""
    assert isinstance(place.type, Struct)
    for field in place.type.fields:
        yield Member(place, field.name, field.type)
