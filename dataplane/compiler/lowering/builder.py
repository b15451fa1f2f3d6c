"""The lowered program while it grows, and the errors found on the way."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from dataplane.compiler import lowered, syntax
from dataplane.compiler.errors import CompileError, together
from dataplane.compiler.lowered import Annotations, Variable
from dataplane.compiler.lowering.callables import Callable
from dataplane.compiler.lowering.scope import Known


@dataclass
class Objects:
    """Everything that a program has by itself: tables, actions and their like, in order of appearance."""

    variables: list[Variable] = field(default_factory=list)
    functions: list[lowered.Function] = field(default_factory=list)
    actions: list[lowered.Action] = field(default_factory=list)
    tables: list[lowered.Table] = field(default_factory=list)
    counters: list[lowered.Counter] = field(default_factory=list)
    meters: list[lowered.Meter] = field(default_factory=list)
    registers: list[lowered.Register] = field(default_factory=list)
    profiles: list[lowered.Profile] = field(default_factory=list)
    digests: list[lowered.DigestType] = field(default_factory=list)
    controller_headers: list[lowered.Header] = field(default_factory=list)


class Builder:
    """What all parts of the lowering share."""

    def __init__(self) -> None:
        self.objects = Objects()
        self.errors: dict[str, int] = {}
        """By name; core.p4 declares the first ones."""
        self.match_kinds: set[str] = set()
        self.headers = Variable(lowered.HEADERS, lowered.Struct("headers", ()))
        self.metadata = Variable(lowered.METADATA, lowered.Struct("metadata", ()))
        self.standard = Variable(lowered.STANDARD, lowered.Struct("standard_metadata_t", ()))
        self.callables: list[Callable] = []
        """All functions and actions, called or not."""
        self.action_numbers: dict[lowered.Action, int] = {}
        """Of each action that a table has: its number in the program."""
        self.attached: set[lowered.Counter | lowered.Meter] = set()
        """Direct ones that a table has."""
        self.temporaries: set[str] = set()
        """Variables that are assigned once and not named by the program."""
        self.methods: dict[tuple[str, str], object] = {}
        """Of extern types, by type and name, once they have been called."""
        self._digests: dict[str, lowered.DigestType] = {}
        self._names: set[str] = {lowered.HEADERS, lowered.METADATA, lowered.STANDARD}
        self._reported: list[CompileError] = []

    def variable(self, name: str, of: lowered.Type) -> Variable:
        """A new variable; its name is made unique."""
        result = Variable(self.unique(name), of)
        self.objects.variables.append(result)
        return result

    def unique(self, name: str) -> str:
        """A name that nothing else in the program has: letters, digits and underscores alone."""
        plain = "".join(letter if letter.isalnum() and letter.isascii() else "_" for letter in name)
        result, count = plain, 1
        while result in self._names:
            count += 1
            result = f"{plain}_{count}"
        self._names.add(result)
        return result

    def add_action(self, action: lowered.Action) -> None:
        """Adds an action that tables run."""
        self.action_numbers[action] = len(self.objects.actions)
        self.objects.actions.append(action)

    def digest(self, of: lowered.Struct) -> lowered.DigestType:
        """The digest of a struct type: one of each, named as the type."""
        if of.name not in self._digests:
            self._digests[of.name] = lowered.DigestType(of.name, of, {})
        found = self._digests[of.name]
        if found not in self.objects.digests:
            self.objects.digests.append(found)
        return found

    @contextmanager
    def reporting(self) -> Iterator[None]:
        """Notes an error that is raised inside and goes on behind, so that a program's errors are told together."""
        try:
            yield
        except Known:
            pass
        except CompileError as error:
            self._reported.append(error)

    @property
    def error_count(self) -> int:
        """How many errors have been reported so far."""
        return len(self._reported)

    @contextmanager
    def trial(self) -> Iterator[None]:
        """What is added inside is forgotten; errors are not."""
        kept, self.objects = self.objects, Objects()
        try:
            with self.reporting():
                yield
        finally:
            self.objects = kept

    def finish(self) -> None:
        """Raises what was reported, if anything was."""
        if self._reported:
            raise together(self._reported)


def annotations(of: syntax.Annotations) -> Annotations:
    """Annotations as the lowered form has them; of two with one name the last."""
    return {annotation.name: annotation.text or "" for annotation in of}


def control_plane_name(prefix: str, name: str, of: Mapping[str, str]) -> str:
    """The name that a controller sees: within its control, or what `@name` says (absolute with a leading dot)."""
    local = of.get("name", name)
    if local.startswith("."):
        return local[1:]
    return f"{prefix}.{local}" if prefix else local
