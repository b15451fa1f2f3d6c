"""Flow rules as OpenFlow 1.3 messages, with the Nicira extensions that Open vSwitch has."""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from os_ken.ofproto import ofproto_v1_3 as protocol

from controller.packets import FirstSegment
from controller.rules import (
    AnswerArp,
    AnyPort,
    Goto,
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

Datapath = Any
"""An `os_ken.controller.controller.Datapath`."""


def cookie(kind: RuleClass, generation: int) -> int:
    """A rule's cookie: its class in the top byte, below it the generation that it was installed in."""
    return kind << 56 | generation


def kind_of(value: int) -> int:
    """The class of a rule, or of a message that its rule caused, by cookie."""
    return value >> 56


def generation_of(value: int) -> int:
    """The generation of a rule by its cookie."""
    return value & _GENERATIONS


def flow_mod(datapath: Datapath, rule: Rule, generation: int) -> Any:
    """The message that adds a rule, or replaces the one with the same table, priority and match."""
    parser = datapath.ofproto_parser
    actions = [action for part in rule.actions for action in _actions(parser, part)]
    instructions = [parser.OFPInstructionActions(protocol.OFPIT_APPLY_ACTIONS, actions)] if actions else []
    instructions += [parser.OFPInstructionGotoTable(part.table) for part in rule.actions if isinstance(part, Goto)]
    return parser.OFPFlowMod(
        datapath,
        cookie=cookie(rule.kind, generation),
        table_id=rule.key.table,
        command=protocol.OFPFC_ADD,
        idle_timeout=rule.idle_s,
        priority=rule.key.priority,
        flags=protocol.OFPFF_SEND_FLOW_REM if rule.idle_s else 0,
        match=match(parser, rule.key.match),
        instructions=instructions,
    )


def removal(datapath: Datapath, rule: Rule) -> Any:
    """The message that removes exactly this rule."""
    return strict_removal(datapath, rule.key.table, rule.key.priority, match(datapath.ofproto_parser, rule.key.match))


def strict_removal(datapath: Datapath, table: int, priority: int, matched: Any) -> Any:
    """The message that removes the rule of this table, priority and match."""
    return datapath.ofproto_parser.OFPFlowMod(
        datapath,
        table_id=table,
        command=protocol.OFPFC_DELETE_STRICT,
        priority=priority,
        out_port=protocol.OFPP_ANY,
        out_group=protocol.OFPG_ANY,
        match=matched,
    )


def match(parser: Any, wanted: Match) -> Any:
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


def _actions(parser: Any, action: object) -> Iterator[Any]:
    match action:
        case Output(port):
            yield parser.OFPActionOutput(port)
        case Route(mac):
            yield parser.OFPActionSetField(eth_src=GATEWAY_MAC)
            yield parser.OFPActionSetField(eth_dst=mac)
            yield parser.OFPActionDecNwTtl()
        case ToAnchor():
            yield parser.OFPActionSetField(eth_dst=ANCHOR_MAC)
        case AnyPort():
            yield parser.NXActionRegLoad(ofs_nbits=0x000F, dst="in_port_nxm", value=0)
        case ToController():
            yield parser.OFPActionOutput(protocol.OFPP_CONTROLLER, _COPY_BYTES)
        case AnswerArp():
            yield from _answer_arp(parser)


def _answer_arp(parser: Any) -> Iterator[Any]:
    """An ARP request turned into its answer in place (RFC 826): asker and asked change places."""
    yield parser.NXActionRegMove(src_field="eth_src", dst_field="eth_dst", n_bits=48)
    yield parser.OFPActionSetField(eth_src=GATEWAY_MAC)
    yield parser.OFPActionSetField(arp_op=2)
    yield parser.NXActionRegMove(src_field="arp_sha", dst_field="arp_tha", n_bits=48)
    yield parser.OFPActionSetField(arp_sha=GATEWAY_MAC)
    yield parser.NXActionRegMove(src_field="arp_spa", dst_field="arp_tpa", n_bits=32)
    yield parser.OFPActionSetField(arp_spa=str(GATEWAY_IPV4))
    yield parser.OFPActionOutput(protocol.OFPP_IN_PORT)


def packet_out(datapath: Datapath, port: int, frame: bytes) -> Any:
    """The message that sends a frame out of a port."""
    parser = datapath.ofproto_parser
    return parser.OFPPacketOut(
        datapath,
        buffer_id=protocol.OFP_NO_BUFFER,
        in_port=protocol.OFPP_CONTROLLER,
        actions=[parser.OFPActionOutput(port)],
        data=frame,
    )


def pinned_connection(matched: Any) -> FirstSegment:
    """The connection that a pinning rule is for, from its match."""
    address: Any = IPv4Address if "ipv4_src" in matched else IPv6Address
    version = "ipv4" if "ipv4_src" in matched else "ipv6"
    ends = (_unmasked(matched[f"{version}_src"]), _unmasked(matched[f"{version}_dst"]))
    return FirstSegment(address(ends[0]), matched["tcp_src"], address(ends[1]), matched["tcp_dst"])


def _unmasked(value: Any) -> str:
    return str(value[0]) if isinstance(value, tuple) else str(value)
