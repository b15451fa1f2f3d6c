"""Parsing of statements, and of the declarations that stand among them (P4_16 specification, appendix G)."""

from dataplane.compiler import syntax
from dataplane.compiler.cursor import NAMES
from dataplane.compiler.expressions import ExpressionParser
from dataplane.compiler.lexer import IDENTIFIER

_OPERATORS = ("+", "-", "*", "/", "%", "&", "|", "^", "<<", "|+|", "|-|")
_ASSIGNING = {f"{operator}=": syntax.BinaryOperator(operator) for operator in _OPERATORS}


class StatementParser(ExpressionParser):
    """Statements, constants, variables and instances."""

    def block(self, annotations: syntax.Annotations = ()) -> syntax.Block:
        """`{ … }`."""
        place = self.expect("{").position
        with self.scope():
            statements: list[syntax.Statement] = []
            while self.token.kind not in ("}", "end"):
                statements.append(self.statement())
        self.expect("}", 'a statement or "}"')
        return syntax.Block(place, tuple(statements), annotations)

    def statement(self) -> syntax.Statement:
        """A statement or a declaration among statements."""
        place = self.token.position
        annotations = self.annotations()
        match self.token.kind:
            case "{":
                return self.block(annotations)
            case "if":
                return self._if()
            case "switch":
                return self._switch()
            case "for":
                return self._for(annotations)
            case "const":
                return self.constant(annotations)
            case "return":
                self.next()
                value = None if self.peek(0).kind == ";" else self.expression()
                self.expect(";")
                return syntax.Return(place, value)
            case "exit" | "break" | "continue":
                return self._jump()
            case ";":
                self.next()
                return syntax.Empty(place)
        if self.at_declaration():
            return self.variable_or_instance(annotations)
        return self.effect(";")

    def _jump(self) -> syntax.Exit | syntax.Break | syntax.Continue:
        token = self.next()
        self.expect(";")
        match token.kind:
            case "exit":
                return syntax.Exit(token.position)
            case "break":
                return syntax.Break(token.position)
            case _:
                return syntax.Continue(token.position)

    def effect(self, end: str | None) -> syntax.Assignment | syntax.CallStatement:
        """An assignment or a call, with what ends it."""
        place = self.token.position
        target = self._unary()
        result: syntax.Assignment | syntax.CallStatement
        if self.take("="):
            result = syntax.Assignment(place, target, self.expression())
        elif self.token.kind in _ASSIGNING:
            operator = _ASSIGNING[self.next().kind]
            result = syntax.Assignment(place, target, self.expression(), operator)
        elif self.adjacent(">", ">="):
            self.next()
            self.next()
            result = syntax.Assignment(place, target, self.expression(), syntax.BinaryOperator.SHIFT_RIGHT)
        elif isinstance(target, syntax.Call):
            result = syntax.CallStatement(place, target)
        else:
            raise self.error('"=" or "(": a statement is an assignment or a call')
        if end:
            self.expect(end)
        return result

    def _if(self) -> syntax.If:
        place = self.expect("if").position
        self.expect("(")
        condition = self.expression()
        self.expect(")")
        then = self.statement()
        otherwise = self.statement() if self.take("else") else None
        return syntax.If(place, condition, then, otherwise)

    def _switch(self) -> syntax.Switch:
        place = self.expect("switch").position
        self.expect("(")
        value = self.expression()
        self.expect(")")
        self.expect("{")
        cases: list[syntax.SwitchCase] = []
        while not self.take("}"):
            cases.append(self._switch_case())
        return syntax.Switch(place, value, tuple(cases))

    def _switch_case(self) -> syntax.SwitchCase:
        place = self.token.position
        label: syntax.Expression
        if self.take("default"):
            label = syntax.Default(place)
        elif self.token.kind == "}":
            raise self.error("a case")
        else:
            label = self.expression()
        self.expect(":")
        return syntax.SwitchCase(place, label, self.block() if self.token.kind == "{" else None)

    def _for(self, annotations: syntax.Annotations) -> syntax.For | syntax.ForIn:
        place = self.expect("for").position
        self.expect("(")
        with self.scope():
            inner = self.annotations()
            if self.at_declaration() and self._declares_iterator():
                return self._for_in(annotations, inner)
            start = self._effects(";")
            condition = self.expression()
            self.expect(";")
            step = self._effects(")")
            return syntax.For(place, start, condition, step, self.statement(), annotations)

    def _declares_iterator(self) -> bool:
        """Whether `type name in` stands here."""
        index = self.index
        parsed = self.attempt(lambda: (self.type(), self.name()))
        found = parsed is not None and self.token.kind == "in"
        self.reset(index)
        return found

    def _for_in(self, outer: syntax.Annotations, inner: syntax.Annotations) -> syntax.ForIn:
        place = self.token.position
        kind = self.type()
        name = self.declare(self.name())
        variable = syntax.VariableDeclaration(place, name, kind, None, inner)
        self.expect("in")
        values = self.simple_keyset()
        self.expect(")")
        return syntax.ForIn(place, variable, values, self.statement(), outer)

    def _effects(self, end: str) -> tuple[syntax.Statement, ...]:
        """Assignments, calls and variables between commas, before the end, which is taken."""
        found: list[syntax.Statement] = []
        while self.token.kind != end:
            if self.at_declaration():
                found.append(self._variable(self.annotations(), end=None))
            else:
                found.append(self.effect(None))
            if not self.take(","):
                break
        self.expect(end, f'"," or "{end}"')
        return tuple(found)

    # ---- declarations among statements

    def at_declaration(self) -> bool:
        """Whether a variable or an instance is declared here: a type stands here that nothing is called of.

        A name that is followed by a name is taken for a type too, whether it is known or not: a later layer says more.
        """
        if self.at_type():
            ahead = 2 if self.token.kind == "." else 1
            return self.peek(ahead).kind != "." and not self._calls_constructed()
        return self.token.kind == IDENTIFIER and self.peek().kind == IDENTIFIER

    def _calls_constructed(self) -> bool:
        """Whether a call starts here: `Control<types>.apply(…)`."""
        if self.peek().kind != "<" or self.token.kind not in NAMES:
            return False
        index = self.index
        parsed = self.attempt(self.type)
        found = parsed is not None and self.token.kind == "."
        self.reset(index)
        return found

    def constant(self, annotations: syntax.Annotations) -> syntax.ConstantDeclaration:
        """`const type name = value;`."""
        place = self.expect("const").position
        kind = self.type()
        name = self.name()
        self.expect("=")
        value = self.expression()
        self.expect(";")
        return syntax.ConstantDeclaration(place, self.declare(name), kind, value, annotations)

    def variable_or_instance(
        self, annotations: syntax.Annotations
    ) -> syntax.VariableDeclaration | syntax.Instantiation:
        """`type name = value;` or `type(arguments) name;`."""
        index = self.index
        self.type()
        instance = self.token.kind == "("
        self.reset(index)
        return self.instance(annotations) if instance else self._variable(annotations, end=";")

    def _variable(self, annotations: syntax.Annotations, end: str | None) -> syntax.VariableDeclaration:
        place = self.token.position
        kind = self.type()
        name = self.name("the variable's name")
        value = self.expression() if self.take("=") else None
        if end:
            self.expect(end, '"=" or ";"' if value is None else '";"')
        return syntax.VariableDeclaration(place, self.declare(name), kind, value, annotations)

    def instance(self, annotations: syntax.Annotations) -> syntax.Instantiation:
        """`type(arguments) name;`, where wanted with the methods that an extern leaves open."""
        place = self.token.position
        kind = self.type()
        arguments = self.arguments()
        name = self.name("the instance's name")
        body = self._instance_body() if self.take("=") else None
        self.expect(";")
        return syntax.Instantiation(place, self.declare(name), kind, arguments, body, annotations)

    def _instance_body(self) -> tuple[syntax.FunctionDeclaration | syntax.Instantiation, ...]:
        self.expect("{")
        found: list[syntax.FunctionDeclaration | syntax.Instantiation] = []
        with self.scope():
            while not self.take("}"):
                annotations = self.annotations()
                declared = self.function_or_instance(annotations)
                found.append(declared)
        return tuple(found)

    def function_or_instance(
        self, annotations: syntax.Annotations
    ) -> syntax.FunctionDeclaration | syntax.Instantiation:
        """`type(arguments) name;` or `type name(parameters) { … }`."""
        index = self.index
        self.type()
        instance = self.token.kind == "("
        self.reset(index)
        return self.instance(annotations) if instance else self.function(annotations)

    def function(self, annotations: syntax.Annotations) -> syntax.FunctionDeclaration:
        """A function with its body."""
        place = self.token.position
        with self.scope():
            prototype = self.prototype(annotations)
            body = self.block()
        self.declare(prototype.name)
        return syntax.FunctionDeclaration(place, prototype.name, prototype, body)

    def prototype(self, annotations: syntax.Annotations, *, abstract: bool = False) -> syntax.Prototype:
        """`type name<types>(parameters)`; declares types and parameters."""
        place = self.token.position
        result = self.type()
        name = self.name("a function's name")
        types = self.type_parameters()
        return syntax.Prototype(place, name, result, types, self.parameters(), abstract, annotations)

    def type_parameters(self) -> tuple[syntax.Identifier, ...]:
        """`<T, U>` where it stands here."""
        if not self.take("<"):
            return ()
        return self.listed(lambda: self.declare(self.name("a type parameter's name"), is_type=True), ">")

    def parameters(self) -> tuple[syntax.Parameter, ...]:
        """`(direction type name, …)`."""
        self.expect("(")
        return self.listed(self._parameter, ")")

    def _parameter(self) -> syntax.Parameter:
        annotations = self.annotations()
        place = self.token.position
        direction = syntax.Direction.NONE
        if self.token.kind in ("in", "out", "inout"):
            direction = syntax.Direction(self.next().kind)
        kind = self.type()
        name = self.declare(self.name("a parameter's name"))
        default = self.expression() if self.take("=") else None
        return syntax.Parameter(place, name, kind, direction, default, annotations)
