"""The lowered form as text, one line a statement, for tests to compare with."""

from dataplane.compiler import lowered

NAMES = {
    lowered.Count: lambda it: f"count {it.counter.name}[{expression(it.index)}]",
    lowered.DirectCount: lambda it: f"count {it.counter.name}",
    lowered.ExecuteMeter: lambda it: f"{place(it.target)} = {it.meter.name}[{expression(it.index)}]",
    lowered.ReadDirectMeter: lambda it: f"{place(it.target)} = {it.meter.name}",
    lowered.ReadRegister: lambda it: f"{place(it.target)} = {it.register.name}[{expression(it.index)}]",
    lowered.WriteRegister: lambda it: f"{it.register.name}[{expression(it.index)}] = {expression(it.value)}",
    lowered.SetValidity: lambda it: f"{place(it.header)}.valid = {it.valid}",
    lowered.Push: lambda it: f"push {place(it.stack)} {it.count}",
    lowered.Call: lambda it: f"call {it.function.name}",
    lowered.Return: lambda it: "return",
    lowered.Exit: lambda it: "exit",
    lowered.Extract: lambda it: f"extract {place(it.target)}",
    lowered.Lookahead: lambda it: f"lookahead {place(it.target)}",
    lowered.Advance: lambda it: f"advance {expression(it.bits)}",
    lowered.Verify: lambda it: f"verify {expression(it.condition)}, {expression(it.error)}",
    lowered.Emit: lambda it: f"emit {place(it.place)}",
    lowered.Random: lambda it: f"{place(it.target)} = random {expression(it.low)} to {expression(it.high)}",
    lowered.Digest: lambda it: f"digest {it.digest.name} {expression(it.data)}",
    lowered.Clone: lambda it: (
        f"clone {'egress' if it.from_egress else 'ingress'} {expression(it.session)} {places(it.preserve)}"
    ),
    lowered.Resubmit: lambda it: f"resubmit {places(it.preserve)}",
    lowered.Recirculate: lambda it: f"recirculate {places(it.preserve)}",
    lowered.Truncate: lambda it: f"truncate {expression(it.length)}",
    lowered.MarkToDrop: lambda it: "drop",
    lowered.Hash: lambda it: (
        f"{place(it.target)} = {it.algorithm.name} {expressions(it.data)} "
        f"from {expression(it.base)} below {expression(it.maximum)}"
    ),
}


def place(it):
    match it:
        case lowered.Variable(name):
            return name
        case lowered.Member(base, name):
            return f"{place(base)}.{name}"
        case lowered.Element(base, index):
            return f"{place(base)}[{expression(index)}]"


def places(them):
    return "{" + ", ".join(map(place, them)) + "}"


def expressions(them):
    return "{" + ", ".join(map(expression, them)) + "}"


def type_name(it):
    match it:
        case lowered.Bits(width, signed):
            return f"{'int' if signed else 'bit'}{width}"
        case lowered.Boolean():
            return "bool"
        case _:
            return it.name


def expression(it):
    match it:
        case lowered.Constant(value, lowered.Boolean()):
            return str(bool(value)).lower()
        case lowered.Constant(value):
            return str(value)
        case lowered.Read(at):
            return place(at)
        case lowered.Unary(operator, operand):
            return f"{operator}{expression(operand)}"
        case lowered.Binary(operator, left, right):
            return f"({expression(left)} {operator} {expression(right)})"
        case lowered.Slice(operand, high, low):
            return f"{expression(operand)}[{high}:{low}]"
        case lowered.Concatenation(left, right):
            return f"({expression(left)} ++ {expression(right)})"
        case lowered.Cast(operand, type_):
            return f"{type_name(type_)}({expression(operand)})"
        case lowered.Conditional(condition, then, otherwise):
            return f"({expression(condition)} ? {expression(then)} : {expression(otherwise)})"
        case lowered.IsValid(header):
            return f"{place(header)}.valid"
        case lowered.NextIndex(stack):
            return f"{place(stack)}.next"


def lines(block, indent=""):
    """A block, a line each; branches are indented."""
    result = []
    for it in block:
        match it:
            case lowered.Assign(target, value, bits):
                at = f"[{bits[0]}:{bits[1]}]" if bits else ""
                result.append(f"{indent}{place(target)}{at} = {expression(value)}")
            case lowered.If(condition, then, otherwise):
                result += [f"{indent}if {expression(condition)}", *lines(then, indent + "  ")]
                result += [f"{indent}else", *lines(otherwise, indent + "  ")] if otherwise else []
            case lowered.Switch(value, cases, default):
                result.append(f"{indent}switch {expression(value)}")
                for values, inner in cases:
                    result += [f"{indent}case {', '.join(map(str, values))}", *lines(inner, indent + "  ")]
                result += [f"{indent}default", *lines(default, indent + "  ")] if default else []
            case lowered.Apply(table, hit, run):
                wanted = "".join(f" {name}={at.name}" for name, at in (("hit", hit), ("run", run)) if at)
                result.append(f"{indent}apply {table.name}{wanted}")
            case lowered.Checksum(condition, data, algorithm, payload, expected, target):
                what = f"verify {expression(expected)}" if expected else f"update {place(target)}"
                behind = " and payload" if payload else ""
                result.append(f"{indent}{what} {algorithm.name} {expressions(data)}{behind} if {expression(condition)}")
            case _:
                result.append(indent + NAMES[type(it)](it))
    return result


def states(program):
    """Parser states: statements, then `value, value -> state` for each case."""
    result = {}
    for state in program.states.values():
        cases = [
            f"{', '.join(map(_key, case.values))} -> {case.state}" if case.values else f"-> {case.state}"
            for case in state.transition.cases
        ]
        keys = ", ".join(map(expression, state.transition.keys))
        result[state.name] = [*lines(state.statements), *([f"select {keys}"] if keys else []), *cases]
    return result


def _key(value):
    if value is None:
        return "_"
    if value.high is not None:
        return f"{value.value}..{value.high}"
    whole = value.mask & (value.mask + 1) == 0
    return f"{value.value:#x}" if whole else f"{value.value:#x} &&& {value.mask:#x}"
