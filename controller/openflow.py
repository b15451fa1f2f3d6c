"""Flow rules as OpenFlow 1.3 messages, with the Nicira extensions that Open vSwitch has.

Matches and actions are encoded once and kept: a device that moves to and fro gives the same ones again and again.
"""

import struct
from collections.abc import Iterator
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from os_ken.ofproto import ofproto_v1_3 as protocol
from os_ken.ofproto import ofproto_v1_3_parser as parser
from os_ken.ofproto.ofproto_protocol import ProtocolDesc

from controller.packets import Ends
from controller.rules import (
    Action,
    AnswerArp,
    AnyPort,
    Goto,
    Hop,
    IpNetwork,
    Match,
    Output,
    Route,
    Rule,
    ToAnchor,
    ToController,
)
from meclab.addressing import ANCHOR_MAC, GATEWAY_IPV4, GATEWAY_MAC
from meclab.messages import RuleClass

_ARP, _IPV4, _IPV6 = 0x0806, 0x0800, 0x86DD
_ICMPV6, _TCP = 58, 6
_NEIGHBOUR_SOLICITATION = 135
_SYN, _SYN_OR_ACK = 0x002, 0x012
_COPY_BYTES = 128
_GENERATIONS = (1 << 56) - 1
_CLASSES = 0xFF << 56
_ENCODED = 1 << 15
"""Matches and lists of actions that are kept; each takes about 200 bytes."""
_HEADER = struct.Struct("!BBHI")
_FLOW_MOD = struct.Struct("!QQBBHHHIIIHxx")
_PROTOCOL = ProtocolDesc(version=protocol.OFP_VERSION)


def cookie(kind: RuleClass, generation: int) -> int:
    """A rule's cookie: its class in the top byte, below it the generation that it was installed in."""
    return kind << 56 | generation


def kind_of(value: int) -> int:
    """The class of a rule, or of a message that its rule caused, by cookie."""
    return value >> 56


def generation_of(value: int) -> int:
    """The generation of a rule by its cookie."""
    return value & _GENERATIONS


def flow_mod(rule: Rule, generation: int, xid: int) -> bytes:
    """The message that adds a rule, or replaces the one with the same table, priority and match."""
    return _flow_mod(
        protocol.OFPFC_ADD,
        xid,
        (cookie(rule.kind, generation), 0),
        (rule.key.table, rule.key.priority, rule.idle_s),
        protocol.OFPFF_SEND_FLOW_REM if rule.idle_s else 0,
        _encoded_match(rule.key.match) + _encoded_instructions(rule.actions),
    )


def removal(rule: Rule, xid: int) -> bytes:
    """The message that removes exactly this rule, of whatever generation."""
    of_class = (cookie(rule.kind, 0), _CLASSES)
    where = (rule.key.table, rule.key.priority, 0)
    return _flow_mod(protocol.OFPFC_DELETE_STRICT, xid, of_class, where, 0, _encoded_match(rule.key.match))


def stranger_removal(flow: Any, xid: int) -> bytes:
    """The message that removes a reported rule, unless the same rule with another cookie has replaced it since."""
    where = (flow.table_id, flow.priority, 0)
    exactly = (flow.cookie, (1 << 64) - 1)
    return _flow_mod(protocol.OFPFC_DELETE_STRICT, xid, exactly, where, 0, _serialized(flow.match))


def _flow_mod(
    command: int, xid: int, cookies: tuple[int, int], where: tuple[int, int, int], flags: int, rest: bytes
) -> bytes:
    """OpenFlow 1.3.5 section 7.3.4.1; `cookies` with mask, `where` is table, priority and idle timeout."""
    table, priority, idle_s = where
    any_one = protocol.OFPP_ANY
    body = _FLOW_MOD.pack(
        *cookies, table, command, idle_s, 0, priority, protocol.OFP_NO_BUFFER, any_one, protocol.OFPG_ANY, flags
    )
    return _message(protocol.OFPT_FLOW_MOD, xid, body + rest)


def barrier(xid: int) -> bytes:
    """The message that a switch answers when it has done everything before it."""
    return _message(protocol.OFPT_BARRIER_REQUEST, xid, b"")


def _message(kind: int, xid: int, body: bytes) -> bytes:
    return _HEADER.pack(protocol.OFP_VERSION, kind, _HEADER.size + len(body), xid) + body


def flows_request(xid: int) -> bytes:
    """The message that asks a switch for all its rules."""
    return _whole(parser.OFPFlowStatsRequest(_PROTOCOL), xid)


def _whole(message: Any, xid: int) -> bytes:
    message.set_xid(xid)
    message.serialize()
    return bytes(message.buf)


@lru_cache(_ENCODED)
def _encoded_match(wanted: Match) -> bytes:
    return _serialized(match(wanted))


@lru_cache(_ENCODED)
def _encoded_instructions(actions: tuple[Action, ...]) -> bytes:
    encoded = [action for part in actions for action in _actions(part)]
    instructions = [parser.OFPInstructionActions(protocol.OFPIT_APPLY_ACTIONS, encoded)] if encoded else []
    instructions += [parser.OFPInstructionGotoTable(part.table) for part in actions if isinstance(part, Goto)]
    return b"".join(_serialized(instruction) for instruction in instructions)


def _serialized(part: Any) -> bytes:
    buffer = bytearray()
    part.serialize(buffer, 0)
    return bytes(buffer)


def match(wanted: Match) -> Any:
    """An OpenFlow match, prerequisites included."""
    fields: dict[str, Any] = {}
    if wanted.in_port is not None:
        fields["in_port"] = wanted.in_port
    if wanted.eth_dst is not None:
        fields["eth_dst"] = wanted.eth_dst
    if wanted.arp_target is not None:
        fields |= {"eth_type": _ARP, "arp_op": 1, "arp_tpa": str(wanted.arp_target)}
    elif wanted.arp:
        fields["eth_type"] = _ARP
    if wanted.solicited is not None:
        fields |= {"eth_type": _IPV6, "ip_proto": _ICMPV6, "icmpv6_type": _NEIGHBOUR_SOLICITATION}
        fields["ipv6_nd_target"] = str(wanted.solicited)
    if wanted.multicast_ipv6:
        fields |= {"eth_type": _IPV6, "eth_dst": ("33:33:00:00:00:00", "ff:ff:00:00:00:00")}
    for side, network in (("src", wanted.source), ("dst", wanted.destination)):
        if network is not None:
            fields |= _network(side, network)
    if wanted.tcp_ports is not None:
        fields |= {"ip_proto": _TCP, "tcp_src": wanted.tcp_ports[0], "tcp_dst": wanted.tcp_ports[1]}
    if wanted.tcp_syn:
        fields |= {"ip_proto": _TCP, "tcp_flags": (_SYN, _SYN_OR_ACK)}
    return parser.OFPMatch(**fields)


def _network(side: str, network: IpNetwork) -> dict[str, Any]:
    version, eth_type = ("ipv4", _IPV4) if network.version == 4 else ("ipv6", _IPV6)
    return {"eth_type": eth_type, f"{version}_{side}": (str(network.network_address), str(network.netmask))}


def _actions(action: Action) -> Iterator[Any]:
    match action:
        case Output(port):
            yield parser.OFPActionOutput(port)
        case Route(mac):
            yield parser.OFPActionSetField(eth_src=GATEWAY_MAC)
            yield parser.OFPActionSetField(eth_dst=mac)
            yield parser.OFPActionDecNwTtl()
        case Hop():
            yield parser.OFPActionDecNwTtl()
        case ToAnchor():
            yield parser.OFPActionSetField(eth_dst=ANCHOR_MAC)
        case AnyPort():
            yield parser.NXActionRegLoad(ofs_nbits=0x000F, dst="in_port_nxm", value=0)
        case ToController():
            yield parser.OFPActionOutput(protocol.OFPP_CONTROLLER, _COPY_BYTES)
        case AnswerArp():
            yield from _answer_arp()


def _answer_arp() -> Iterator[Any]:
    """An ARP request turned into its answer in place (RFC 826): asker and asked change places."""
    yield parser.NXActionRegMove(src_field="eth_src", dst_field="eth_dst", n_bits=48)
    yield parser.OFPActionSetField(eth_src=GATEWAY_MAC)
    yield parser.OFPActionSetField(arp_op=2)
    yield parser.NXActionRegMove(src_field="arp_sha", dst_field="arp_tha", n_bits=48)
    yield parser.OFPActionSetField(arp_sha=GATEWAY_MAC)
    yield parser.NXActionRegMove(src_field="arp_spa", dst_field="arp_tpa", n_bits=32)
    yield parser.OFPActionSetField(arp_spa=str(GATEWAY_IPV4))
    yield parser.OFPActionOutput(protocol.OFPP_IN_PORT)


def packet_out(port: int, frame: bytes, xid: int) -> bytes:
    """The message that sends a frame out of a port."""
    message = parser.OFPPacketOut(
        _PROTOCOL,
        buffer_id=protocol.OFP_NO_BUFFER,
        in_port=protocol.OFPP_CONTROLLER,
        actions=[parser.OFPActionOutput(port)],
        data=frame,
    )
    return _whole(message, xid)


def pinned_connection(matched: Any) -> Ends:
    """The connection that a pinning rule is for, from its match."""
    address: Any = IPv4Address if "ipv4_src" in matched else IPv6Address
    version = "ipv4" if "ipv4_src" in matched else "ipv6"
    ends = (_unmasked(matched[f"{version}_src"]), _unmasked(matched[f"{version}_dst"]))
    return Ends(address(ends[0]), matched["tcp_src"], address(ends[1]), matched["tcp_dst"])


def _unmasked(value: Any) -> str:
    return str(value[0]) if isinstance(value, tuple) else str(value)
