"""Lowered programs made by hand: one with every kind of object that a controller sees."""

from dataplane.compiler.lowered import (
    HEADERS,
    METADATA,
    STANDARD,
    Action,
    ActionCall,
    Algorithm,
    Bits,
    Boolean,
    Counter,
    DigestType,
    Entry,
    Field,
    Header,
    Key,
    KeyValue,
    MatchKind,
    Member,
    Meter,
    Profile,
    Program,
    Read,
    Register,
    Select,
    State,
    Struct,
    Table,
    TableAction,
    Variable,
)

ETHERNET = Header("ethernet_t", (Field("dstAddr", Bits(48)), Field("srcAddr", Bits(48)), Field("etherType", Bits(16))))
IPV4 = Header("ipv4_t", (Field("tos", Bits(8)), Field("ttl", Bits(8)), Field("src", Bits(32)), Field("dst", Bits(32))))
PACKET_IN = Header(
    "packet_in_header_t",
    (Field("ingress_port", Bits(9)), Field("_pad", Bits(7), {"padding": ""})),
    {"controller_header": "packet_in"},
)
PACKET_OUT = Header(
    "packet_out_header_t",
    (Field("egress_port", Bits(9)), Field("_pad", Bits(7), {"padding": ""})),
    {"controller_header": "packet_out"},
)
HEADER_STRUCT = Struct("headers", (Field("ethernet", ETHERNET), Field("ipv4", IPV4)))
META_STRUCT = Struct("metadata", (Field("port", Bits(9)), Field("inside", Boolean())))
STANDARD_STRUCT = Struct("standard_metadata_t", (Field("ingress_port", Bits(9)), Field("egress_spec", Bits(9))))

headers = Variable(HEADERS, HEADER_STRUCT)
metadata = Variable(METADATA, META_STRUCT)
standard = Variable(STANDARD, STANDARD_STRUCT)


def read(variable, *names):
    """The value of a member, a path from a variable."""
    place = variable
    for name in names:
        kind = next(field.type for field in place.type.fields if field.name == name)
        place = Member(place, name, kind)
    return Read(place, place.type)


def parameter(name, bits):
    return Variable(f"{name}_{bits}", Bits(bits))


def action(name, *parameters, **annotations):
    variables = tuple(parameter(each, bits) for each, bits in parameters)
    return Action(name, variables, tuple(each for each, _ in parameters), (), annotations)


no_action = action("NoAction", noWarn="unused")
drop = action("MyIngress.drop")
forward = action("MyIngress.ipv4_forward", ("dstAddr", 48), ("port", 9))
mark = action("MyIngress.mark", ("value", 16))

hits = Counter("MyIngress.hits", "packets_and_bytes", None, {})
rate = Meter("MyIngress.rate", "bytes", None, {})
seen = Counter("MyIngress.seen", "packets", 16, {})
limits = Meter("MyIngress.limits", "packets", 8, {})
state = Register("MyIngress.state", Bits(48), 32, {})
selector = Profile("MyIngress.selector", 64, Algorithm.CRC16, 14, {})
learn = DigestType(
    "learn_t", Struct("learn_t", (Field("address", Bits(48)), Field("port", Bits(9)), Field("new", Boolean()))), {}
)


def table(name, keys, actions=(no_action, drop, forward), **options):
    """A table; keys as (name, expression, kind)."""
    made = {
        "default": ActionCall(no_action, ()),
        "constant_default": False,
        "size": 1024,
        "entries": (),
        "constant_entries": False,
        "annotations": {},
        **options,
    }
    offered = tuple(each if isinstance(each, TableAction) else TableAction(each) for each in actions)
    return Table(name, tuple(Key(*key) for key in keys), offered, **made)


DESTINATION = ("hdr.ipv4.dst", read(headers, "ipv4", "dst"))
SOURCE = ("hdr.ipv4.src", read(headers, "ipv4", "src"))
TOS = ("hdr.ipv4.tos", read(headers, "ipv4", "tos"))
MAC = ("hdr.ethernet.dstAddr", read(headers, "ethernet", "dstAddr"))
PORT = ("meta.port", read(metadata, "port"))

lpm = table("MyIngress.ipv4_lpm", [(*DESTINATION, MatchKind.LPM)], counter=hits)
exact = table(
    "MyIngress.hosts",
    [(*MAC, MatchKind.EXACT), (*PORT, MatchKind.EXACT)],
    meter=rate,
    idle_timeout=True,
    size=100_000,
)
acl = table(
    "MyIngress.acl",
    [
        (*SOURCE, MatchKind.TERNARY),
        (*DESTINATION, MatchKind.LPM),
        (*TOS, MatchKind.RANGE),
        (*PORT, MatchKind.OPTIONAL),
    ],
    actions=(TableAction(no_action, annotations={"defaultonly": ""}), drop, forward),
    size=64,
)
balance = table(
    "MyIngress.balance",
    [(*DESTINATION, MatchKind.EXACT), (*SOURCE, MatchKind.SELECTOR)],
    profile=selector,
)
fixed = table(
    "MyEgress.fixed",
    [(*PORT, MatchKind.EXACT)],
    actions=(mark, no_action),
    entries=(Entry((KeyValue(5, 0x1FF),), ActionCall(mark, (7,)), 0, True),),
    constant_entries=True,
    constant_default=True,
)


def program(**changes):
    """The whole program; parts can be replaced by name."""
    parts = {
        "name": "handmade",
        "headers": headers,
        "metadata": metadata,
        "standard": standard,
        "variables": (),
        "start": "start",
        "states": {"start": State("start", (), Select((), ()))},
        **dict.fromkeys(("verify_checksum", "ingress", "egress", "compute_checksum", "deparser", "functions"), ()),
        "actions": (no_action, drop, forward, mark),
        "tables": (lpm, exact, acl, balance, fixed),
        "counters": (hits, seen),
        "meters": (rate, limits),
        "registers": (state,),
        "profiles": (selector,),
        "digests": (learn,),
        "errors": ("NoError",),
        "controller_headers": (PACKET_IN, PACKET_OUT),
        **changes,
    }
    return Program(**parts)
