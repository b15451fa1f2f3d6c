"""The os-ken application: what happens at the switches, told to the coordinator.

`os_ken` is Ryu's maintained fork with the same application API: `os_ken.base.app_manager.OSKenApp` is Ryu's `RyuApp`.
"""

import logging
from typing import Any, ClassVar

from os_ken.base import app_manager
from os_ken.controller import ofp_event
from os_ken.controller.handler import DEAD_DISPATCHER, MAIN_DISPATCHER, set_ev_cls
from os_ken.ofproto import ofproto_v1_3

from controller import openflow, packets
from controller.coordinator import Coordinator
from meclab.errors import PeerError
from meclab.messages import RuleClass

log = logging.getLogger(__name__)


class Controller(app_manager.OSKenApp):  # type: ignore[misc]
    """One per process; `coordinator` is set before it is started."""

    OFP_VERSIONS: ClassVar = [ofproto_v1_3.OFP_VERSION]
    coordinator: ClassVar[Coordinator]

    @set_ev_cls(ofp_event.EventOFPStateChange, [MAIN_DISPATCHER, DEAD_DISPATCHER])
    def state_changed(self, event: Any) -> None:
        """A switch has connected, or its connection has ended."""
        datapath = event.datapath
        name = self.coordinator.expected.get(datapath.id)
        if name is None:
            log.warning("a switch with the unknown datapath id %s", datapath.id)
            return
        if event.state == DEAD_DISPATCHER:
            log.warning("%s disconnected", name)
            self.coordinator.switches.disconnected(name, datapath)
            return
        self.coordinator.switch_connected(name, datapath)
        request = datapath.ofproto_parser.OFPFlowStatsRequest(datapath)
        datapath.send_msg(request)

    @set_ev_cls(ofp_event.EventOFPFlowStatsReply, MAIN_DISPATCHER)
    def flows_reported(self, event: Any) -> None:
        """After its rules were sent, a switch tells which ones it has: those of another time or another hand go."""
        message = event.msg
        datapath = message.datapath
        name = self.coordinator.expected[datapath.id]
        for flow in self.coordinator.strangers(name, message.body):
            datapath.send_msg(openflow.strict_removal(datapath, flow.table_id, flow.priority, flow.match))
        if not message.flags & ofproto_v1_3.OFPMPF_REPLY_MORE:
            self.coordinator.switches.barrier(name, datapath, RuleClass.BASE, settles=True)

    @set_ev_cls(ofp_event.EventOFPBarrierReply, MAIN_DISPATCHER)
    def barrier_answered(self, event: Any) -> None:
        """A switch has done everything that it was told before."""
        name = self.coordinator.expected[event.msg.datapath.id]
        self.coordinator.switches.barrier_answered(name, event.msg.xid)

    @set_ev_cls(ofp_event.EventOFPPacketIn, MAIN_DISPATCHER)
    def packet_came(self, event: Any) -> None:
        """A neighbour solicitation for the gateway, or the first segment of a connection."""
        message = event.msg
        try:
            if openflow.kind_of(message.cookie) == RuleClass.PIN:
                self.coordinator.first_segment(packets.first_segment(message.data))
                return
            answer = packets.neighbour_advertisement(message.data)
        except PeerError as error:
            log.warning("%s", error)
            return
        if answer is not None:
            message.datapath.send_msg(openflow.packet_out(message.datapath, message.match["in_port"], answer))

    @set_ev_cls(ofp_event.EventOFPFlowRemoved, MAIN_DISPATCHER)
    def rule_ended(self, event: Any) -> None:
        """A pinned connection's rule has ended by silence."""
        message = event.msg
        if message.reason == ofproto_v1_3.OFPRR_IDLE_TIMEOUT:
            name = self.coordinator.expected[message.datapath.id]
            self.coordinator.connection_silent(name, openflow.pinned_connection(message.match))

    @set_ev_cls(ofp_event.EventOFPErrorMsg, MAIN_DISPATCHER)
    def refused(self, event: Any) -> None:
        """A switch refuses a message: a defect, or a switch that cannot do what the lab needs."""
        message = event.msg
        name = self.coordinator.expected.get(message.datapath.id)
        log.error("%s refuses a message: type %d code %d xid %#x", name, message.type, message.code, message.xid)
