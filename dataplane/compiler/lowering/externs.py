"""Calls of core's and v1model's externs as statements of the lowered form."""

from collections.abc import Callable, Mapping

from dataplane.compiler import lowered
from dataplane.compiler.errors import CompileError, UnsupportedError
from dataplane.compiler.lowered import Algorithm, Bits
from dataplane.compiler.lowering import types
from dataplane.compiler.lowering.conversions import parts
from dataplane.compiler.lowering.extern_arguments import ExternCall, struct
from dataplane.compiler.lowering.types import Type
from dataplane.compiler.lowering.values import (
    Data,
    Items,
    Nothing,
    Text,
    Value,
)

# packets


def _extract(call: ExternCall) -> Data:
    if "variableFieldSizeInBits" in call.arguments:
        raise UnsupportedError(call.position, "extract of a header with varbit")
    target = call.value("hdr")
    if not isinstance(target.type, types.Header):
        raise CompileError(call.position, f"found extract of {types.describe(target.type)}; expected a header")
    return call.emit(lowered.Extract(target.next_of or call.place("hdr"), call.position))


def _lookahead(call: ExternCall) -> Data:
    type_ = call.bindings["T"]
    if not types.storable(type_):
        raise CompileError(call.position, f"found lookahead<{types.describe(type_)}>; expected a type with a size")
    result = call.body.temporary("ahead", type_)
    assert result.place is not None
    call.emit(lowered.Lookahead(result.place, call.position))
    return Value(type_, result.expression, result.place)


def _advance(call: ExternCall) -> Data:
    return call.emit(lowered.Advance(call.read("sizeInBits"), call.position))


def _length(call: ExternCall) -> Data:
    standard = call.body.builder.standard
    return Value(types.BIT32, lowered.Read(lowered.Member(standard, "packet_length", types.BIT32), types.BIT32))


def _verify(call: ExternCall) -> Data:
    if not call.body.in_parser:
        raise CompileError(call.position, "found verify in a control; expected it in a parser")
    return call.emit(lowered.Verify(call.read("check"), call.read("toSignal")))


def _emit(call: ExternCall) -> Data:
    data = call.arguments["hdr"]
    for value in data.items if isinstance(data, Items) else [data]:
        if not isinstance(value, Value) or value.place is None or not _emitted(value.type):
            raise CompileError(
                call.position,
                f"found emit of {types.describe(value.type)}; expected headers, stacks or structs of them",
            )
        call.emit(lowered.Emit(value.place, call.position))
    return Nothing()


def _emitted(type_: Type) -> bool:
    match type_:
        case types.Header() | types.Stack():
            return True
        case types.Struct(members=members):
            return all(_emitted(member.type) for member in members.values())
        case _:
            return False


# checksums, hashes, random numbers


def _checksum(payload: bool) -> Callable[[ExternCall], Data]:
    def lower(call: ExternCall) -> Data:
        verifies = call.name.startswith("verify")
        return call.emit(
            lowered.Checksum(
                condition=call.read("condition"),
                data=call.listed("data"),
                algorithm=Algorithm(call.known("algo")),
                payload=payload,
                expected=call.bits("checksum") if verifies else None,
                target=None if verifies else call.place("checksum"),
                position=call.position,
            )
        )

    return lower


def _hash(call: ExternCall) -> Data:
    call.bits("result")
    return call.emit(
        lowered.Hash(
            target=call.place("result"),
            algorithm=Algorithm(call.known("algo")),
            base=call.bits("base"),
            data=call.listed("data"),
            maximum=call.bits("max"),
            position=call.position,
        )
    )


def _random(call: ExternCall) -> Data:
    call.bits("result")
    return call.emit(lowered.Random(call.place("result"), call.bits("lo"), call.bits("hi")))


# objects


def _count(call: ExternCall) -> Data:
    assert call.base is not None and isinstance(call.base.form, lowered.Counter)
    return call.emit(lowered.Count(call.base.form, call.bits("index")))


def _direct_count(call: ExternCall) -> Data:
    assert call.base is not None and isinstance(call.base.form, lowered.Counter)
    return call.emit(lowered.DirectCount(call.base.form))


def _execute_meter(call: ExternCall) -> Data:
    assert call.base is not None and isinstance(call.base.form, lowered.Meter)
    call.bits("result")
    return call.emit(lowered.ExecuteMeter(call.base.form, call.bits("index"), call.place("result")))


def _read_meter(call: ExternCall) -> Data:
    assert call.base is not None and isinstance(call.base.form, lowered.Meter)
    return call.emit(lowered.ReadDirectMeter(call.base.form, call.place("result")))


def _read_register(call: ExternCall) -> Data:
    assert call.base is not None and isinstance(call.base.form, lowered.Register)
    return call.emit(lowered.ReadRegister(call.place("result"), call.base.form, call.bits("index")))


def _write_register(call: ExternCall) -> Data:
    assert call.base is not None and isinstance(call.base.form, lowered.Register)
    return call.emit(lowered.WriteRegister(call.base.form, call.bits("index"), call.read("value")))


# the packet's way


def _digest(call: ExternCall) -> Data:
    type_ = call.bindings["T"]
    if not types.storable(type_):
        raise CompileError(call.position, f"found a digest of {types.describe(type_)}; expected a struct")
    data = call.body.placed(call.body.convert(call.arguments["data"], type_, call.position))
    form = types.form(type_)
    if not isinstance(form, lowered.Struct):
        raise CompileError(call.position, f"found a digest of {types.describe(type_)}; expected a struct")
    if any(not types.scalar(part.type) for _, part in parts(data)):
        raise UnsupportedError(call.position, f"digest of {types.describe(type_)} (with aggregates in it)")
    return call.emit(lowered.Digest(call.body.builder.digest(form), data.expression))


def _clone(call: ExternCall) -> Data:
    return call.emit(lowered.Clone(call.known("type") == 1, call.read("session"), call.preserved()))


def _mark_to_drop(call: ExternCall) -> Data:
    standard = call.body.builder.standard
    place = call.place("standard_metadata") if call.arguments else standard
    if place == standard:
        return call.emit(lowered.MarkToDrop())
    for name, value in (("egress_spec", 511), ("mcast_grp", 0)):
        type_ = next(field.type for field in struct(place.type).fields if field.name == name)
        assert isinstance(type_, Bits)
        call.emit(lowered.Assign(lowered.Member(place, name, type_), lowered.Constant(value, type_)))
    return Nothing()


def _static_assert(call: ExternCall) -> Data:
    if not call.known("check"):
        message = call.arguments.get("message")
        text = message.text if isinstance(message, Text) else "found a condition that does not hold"
        raise CompileError(call.position, f"static_assert: {text}")
    return Value(types.BOOLEAN, lowered.Constant(1, types.BOOLEAN))


def _ignored(_: ExternCall) -> Data:
    """Nothing is logged: there is no log that a packet could be found in."""
    return Nothing()


EXTERNS: Mapping[str, Callable[[ExternCall], Data]] = {
    "packet_in.extract": _extract,
    "packet_in.lookahead": _lookahead,
    "packet_in.advance": _advance,
    "packet_in.length": _length,
    "packet_out.emit": _emit,
    "verify": _verify,
    "static_assert": _static_assert,
    "verify_checksum": _checksum(payload=False),
    "update_checksum": _checksum(payload=False),
    "verify_checksum_with_payload": _checksum(payload=True),
    "update_checksum_with_payload": _checksum(payload=True),
    "hash": _hash,
    "random": _random,
    "counter.count": _count,
    "direct_counter.count": _direct_count,
    "meter.execute_meter": _execute_meter,
    "direct_meter.read": _read_meter,
    "register.read": _read_register,
    "register.write": _write_register,
    "digest": _digest,
    "clone": _clone,
    "clone3": _clone,
    "clone_preserving_field_list": _clone,
    "resubmit": lambda call: call.emit(lowered.Resubmit(call.preserved())),
    "resubmit_preserving_field_list": lambda call: call.emit(lowered.Resubmit(call.preserved())),
    "recirculate": lambda call: call.emit(lowered.Recirculate(call.preserved())),
    "recirculate_preserving_field_list": lambda call: call.emit(lowered.Recirculate(call.preserved())),
    "truncate": lambda call: call.emit(lowered.Truncate(call.read("length"))),
    "mark_to_drop": _mark_to_drop,
    "log_msg": _ignored,
}
"""By name, methods behind their type. What is not here cannot run on this target."""
