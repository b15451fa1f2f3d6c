"""Tokens to the syntax tree: declarations, and the entry to the parser (P4_16 specification, appendix G).

Recursive descent, one method a rule; `expressions` and `statements` have the rules below declarations.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from dataplane.compiler import syntax
from dataplane.compiler.errors import CompileError, Position
from dataplane.compiler.lexer import END, Token
from dataplane.compiler.preprocess import preprocess, preprocess_text
from dataplane.compiler.statements import StatementParser
from dataplane.compiler.tables import TableParser

A_DECLARATION = "a declaration"


def parse(tokens: Sequence[Token]) -> syntax.Program:
    """Parses a whole program; raises `CompileError` at the first token that does not fit."""
    parser = Parser(tokens)
    try:
        return parser.program()
    except RecursionError:
        raise CompileError(parser.token.position, "found expressions or blocks nested too deeply") from None


def parse_file(path: Path, defines: Mapping[str, str] | None = None, include: Sequence[Path] = ()) -> syntax.Program:
    """Preprocesses and parses a file."""
    return parse(preprocess(path, defines, include))


def parse_text(text: str, name: str = "program.p4", defines: Mapping[str, str] | None = None) -> syntax.Program:
    """Preprocesses and parses a text, with `name` for its file."""
    return parse(preprocess_text(text, name, defines))


class Parser(TableParser, StatementParser):
    """Declarations at the top, in parsers and in controls."""

    def program(self) -> syntax.Program:
        """Everything to the end."""
        place = self.token.position
        declarations: list[syntax.TopLevel] = []
        while self.token.kind != END:
            if not self.take(";"):
                declarations.append(self._top_level())
        return syntax.Program(place, tuple(declarations))

    def _top_level(self) -> syntax.TopLevel:
        annotations = self.annotations()
        match self.token.kind:
            case "const":
                return self.constant(annotations)
            case "extern":
                return self._extern(annotations)
            case "action":
                return self._action(annotations)
            case "parser":
                return self._parser(annotations)
            case "control":
                return self._control(annotations)
            case "package":
                return self._package(annotations)
            case "typedef" | "type":
                return self._typedef(annotations)
            case "header" | "struct" | "header_union":
                return self._fields_declaration(annotations)
            case "enum":
                return self._enum(annotations)
            case "error" if self.peek().kind == "{":
                return self._errors()
            case "match_kind":
                return self._match_kinds()
        if not self.at_type() and not self.at_declaration() and not self._at_unknown_type():
            raise self.error(A_DECLARATION)
        return self.function_or_instance(annotations)

    def _at_unknown_type(self) -> bool:
        """An instance or function of a type that is not known: a later layer says so."""
        return self.token.kind == "identifier" and self.peek().kind in ("(", "<")

    # ---- types

    def _fields_declaration(
        self, annotations: syntax.Annotations
    ) -> syntax.HeaderDeclaration | syntax.HeaderUnionDeclaration | syntax.StructDeclaration:
        token = self.next()
        name = self.declare(self.name(f"the {token.kind}'s name"), is_type=True)
        with self.scope():
            types = self.type_parameters()
            self.expect("{")
            fields: list[syntax.Field] = []
            while not self.take("}"):
                fields.append(self._field())
        match token.kind:
            case "header":
                return syntax.HeaderDeclaration(token.position, name, tuple(fields), types, annotations)
            case "header_union":
                return syntax.HeaderUnionDeclaration(token.position, name, tuple(fields), types, annotations)
            case _:
                return syntax.StructDeclaration(token.position, name, tuple(fields), types, annotations)

    def _field(self) -> syntax.Field:
        annotations = self.annotations()
        place = self.token.position
        if self.token.kind not in ("list", "identifier") and not self.at_type():
            raise self.error('a field\'s type or "}"')
        kind = self.type()
        name = self.name("the field's name")
        self.expect(";")
        return syntax.Field(place, name, kind, annotations)

    def _enum(self, annotations: syntax.Annotations) -> syntax.EnumDeclaration:
        place = self.expect("enum").position
        underlying = None
        if self.token.kind in ("bit", "int") or self.peek().kind != "{":
            underlying = self.type()
        name = self.declare(self.name("the enum's name"), is_type=True)
        self.expect("{")
        members = self.listed(lambda: self._enum_member(underlying is not None), "}")
        return syntax.EnumDeclaration(place, name, members, underlying, annotations)

    def _enum_member(self, serializable: bool) -> syntax.EnumMember:
        annotations = self.annotations()
        name = self.name("the name of an enum's member")
        value = None
        if serializable:
            self.expect("=")
            value = self.expression()
        return syntax.EnumMember(name.position, name, value, annotations)

    def _errors(self) -> syntax.ErrorDeclaration:
        place = self.next().position
        self.expect("{")
        return syntax.ErrorDeclaration(place, self.listed(lambda: self.name("an error's name"), "}"))

    def _match_kinds(self) -> syntax.MatchKindDeclaration:
        place = self.next().position
        self.expect("{")
        return syntax.MatchKindDeclaration(place, self.listed(lambda: self.name("the name of a match kind"), "}"))

    def _typedef(self, annotations: syntax.Annotations) -> syntax.TypedefDeclaration:
        token = self.next()
        if self.token.kind in ("struct", "header", "header_union", "enum"):
            raise self.error("a type's name")
        kind = self.type()
        name = self.declare(self.name("the new type's name"), is_type=True)
        self.expect(";")
        return syntax.TypedefDeclaration(token.position, name, kind, token.kind == "type", annotations)

    # ---- externs and packages

    def _extern(self, annotations: syntax.Annotations) -> syntax.ExternDeclaration | syntax.ExternFunctionDeclaration:
        place = self.expect("extern").position
        if self._at_extern_object():
            return self._extern_object(place, annotations)
        with self.scope():
            prototype = self.prototype(annotations)
        self.expect(";")
        return syntax.ExternFunctionDeclaration(place, self.declare(prototype.name), prototype)

    def _at_extern_object(self) -> bool:
        """Whether `name {` or `name<types> {` stands here."""
        index = self.index
        parsed = self.attempt(self._extern_head)
        found = parsed is not None and self.token.kind == "{"
        self.reset(index)
        return found

    def _extern_head(self) -> tuple[syntax.Identifier, tuple[syntax.Identifier, ...]]:
        with self.scope():
            return self.name(), self.type_parameters()

    def _extern_object(self, place: Position, annotations: syntax.Annotations) -> syntax.ExternDeclaration:
        name = self.declare(self.name(), is_type=True)
        with self.scope():
            types = self.type_parameters()
            self.expect("{")
            methods: list[syntax.Prototype] = []
            while not self.take("}"):
                methods.append(self._method())
        return syntax.ExternDeclaration(place, name, types, tuple(methods), annotations)

    def _method(self) -> syntax.Prototype:
        annotations = self.annotations()
        with self.scope():
            place = self.token.position
            if self.peek().kind == "(" and self.token.kind == "identifier":
                name = self.name()
                found = syntax.Prototype(place, name, None, (), self.parameters(), False, annotations)
            else:
                abstract = self.take("abstract")
                found = self.prototype(annotations, abstract=abstract)
        self.expect(";")
        return found

    def _package(self, annotations: syntax.Annotations) -> syntax.PackageDeclaration:
        place = self.expect("package").position
        name = self.declare(self.name("the package's name"), is_type=True)
        with self.scope():
            types = self.type_parameters()
            parameters = self.parameters()
        self.expect(";")
        return syntax.PackageDeclaration(place, name, types, parameters, annotations)

    # ---- parsers

    def _parser(self, annotations: syntax.Annotations) -> syntax.ParserDeclaration | syntax.ParserTypeDeclaration:
        place = self.expect("parser").position
        name = self.declare(self.name("the parser's name"), is_type=True)
        with self.scope():
            types = self.type_parameters()
            parameters = self.parameters()
            if self.take(";"):
                return syntax.ParserTypeDeclaration(place, name, types, parameters, annotations)
            constructor = self.parameters() if self.token.kind == "(" else ()
            self.expect("{", '";", "(" or "{"')
            with self.scope():
                local, states = self._parser_body()
        return syntax.ParserDeclaration(place, name, types, parameters, constructor, local, states, annotations)

    def _parser_body(self) -> tuple[tuple[syntax.Local, ...], tuple[syntax.State, ...]]:
        local: list[syntax.Local] = []
        states: list[syntax.State] = []
        while not self.take("}"):
            annotations = self.annotations()
            if self.token.kind == "state":
                states.append(self._state(annotations))
            elif states:
                raise self.error('a state or "}"')
            else:
                local.append(self._local(annotations, "a state, a constant, a variable or an instance"))
        return tuple(local), tuple(states)

    def _local(self, annotations: syntax.Annotations, expected: str) -> syntax.Local:
        """A constant, variable, instance or value set."""
        if self.token.kind == "const":
            return self.constant(annotations)
        if self.token.kind == "value_set":
            return self._value_set(annotations)
        if not self.at_declaration():
            raise self.error(expected)
        return self.variable_or_instance(annotations)

    def _value_set(self, annotations: syntax.Annotations) -> syntax.ValueSetDeclaration:
        place = self.expect("value_set").position
        self.expect("<")
        kind = self.type()
        self.expect(">")
        self.expect("(")
        size = self.expression()
        self.expect(")")
        name = self.declare(self.name("the value set's name"))
        self.expect(";")
        return syntax.ValueSetDeclaration(place, name, kind, size, annotations)

    def _state(self, annotations: syntax.Annotations) -> syntax.State:
        place = self.expect("state").position
        name = self.name("the state's name")
        self.expect("{")
        statements: list[syntax.Statement] = []
        transition: syntax.Identifier | syntax.Select | None = None
        with self.scope():
            while self.token.kind not in ("}", "transition", END):
                statements.append(self.statement())
            if self.take("transition"):
                transition = self._transition()
        self.expect("}", '"}"' if transition else 'a statement, "transition" or "}"')
        return syntax.State(place, name, tuple(statements), transition, annotations)

    def _transition(self) -> syntax.Identifier | syntax.Select:
        place = self.token.position
        if not self.take("select"):
            name = self.name('a state\'s name or "select"')
            self.expect(";")
            return name
        self.expect("(")
        keys = self.listed(self.expression, ")")
        self.expect("{")
        cases: list[syntax.SelectCase] = []
        while not self.take("}"):
            cases.append(self._select_case())
        return syntax.Select(place, keys, tuple(cases))

    def _select_case(self) -> syntax.SelectCase:
        place = self.token.position
        keyset = self.keyset()
        self.expect(":")
        state = self.name("a state's name")
        self.expect(";")
        return syntax.SelectCase(place, keyset, state)

    # ---- controls

    def _control(self, annotations: syntax.Annotations) -> syntax.ControlDeclaration | syntax.ControlTypeDeclaration:
        place = self.expect("control").position
        name = self.declare(self.name("the control's name"), is_type=True)
        with self.scope():
            types = self.type_parameters()
            parameters = self.parameters()
            if self.take(";"):
                return syntax.ControlTypeDeclaration(place, name, types, parameters, annotations)
            constructor = self.parameters() if self.token.kind == "(" else ()
            self.expect("{", '";", "(" or "{"')
            with self.scope():
                local, apply = self._control_body()
        return syntax.ControlDeclaration(place, name, types, parameters, constructor, local, apply, annotations)

    def _control_body(self) -> tuple[tuple[syntax.Local, ...], syntax.Block]:
        expected = 'an action, a table, a constant, a variable, an instance or "apply"'
        rules: dict[str, Callable[[syntax.Annotations], syntax.Local]] = {"action": self._action, "table": self.table}
        local: list[syntax.Local] = []
        while True:
            annotations = self.annotations()
            if self.token.kind == "apply" and self.peek().kind in ("{", "@"):
                self.next()
                apply = self.block((*annotations, *self.annotations()))
                self.expect("}", '"}": nothing stands behind a control\'s apply')
                return tuple(local), apply
            rule = rules.get(self.token.kind)
            local.append(rule(annotations) if rule else self._local(annotations, expected))

    def _action(self, annotations: syntax.Annotations) -> syntax.ActionDeclaration:
        place = self.expect("action").position
        name = self.name("the action's name")
        with self.scope():
            parameters = self.parameters()
            body = self.block()
        return syntax.ActionDeclaration(place, self.declare(name), parameters, body, annotations)
