"""The os-ken application: what happens at the switches, told to the coordinator.

`os_ken` is Ryu's maintained fork with the same application API: `os_ken.base.app_manager.OSKenApp` is Ryu's `RyuApp`.
"""

import logging
from pathlib import Path
from typing import Any, ClassVar

from os_ken import cfg
from os_ken.base import app_manager
from os_ken.controller import ofp_event
from os_ken.controller.handler import CONFIG_DISPATCHER, DEAD_DISPATCHER, MAIN_DISPATCHER, set_ev_cls
from os_ken.ofproto import ofproto_v1_3

from controller import openflow, packets
from controller.coordinator import Coordinator
from controller.openflow_channel import Connections, OpenFlowChannel
from meclab.errors import PeerError
from meclab.messages import RuleClass
from meclab.packets import OPENFLOW_PORT

log = logging.getLogger(__name__)


class Controller(app_manager.OSKenApp):  # type: ignore[misc]
    """One per process; `coordinator` is set before it is started."""

    OFP_VERSIONS: ClassVar = [ofproto_v1_3.OFP_VERSION]
    coordinator: ClassVar[Coordinator]
    connections: ClassVar = Connections()

    @set_ev_cls(ofp_event.EventOFPStateChange, [MAIN_DISPATCHER, DEAD_DISPATCHER])
    def state_changed(self, event: Any) -> None:
        """A switch has connected, or its connection has ended."""
        datapath = event.datapath
        if event.state == DEAD_DISPATCHER:
            if (gone := self.connections.closed(datapath)) is not None:
                self.coordinator.switch_disconnected(gone)
        elif (name := self.coordinator.expected.get(datapath.id)) is not None:
            self.coordinator.switch_connected(self.connections.opened(name, datapath))
        else:
            log.warning("a switch with the unknown datapath id %s is sent away", datapath.id)
            datapath.close()

    def _channel(self, event: Any) -> OpenFlowChannel | None:
        """The connection that a message came on; none where it is over or the switch unknown."""
        return self.connections.of(event.msg.datapath)

    @set_ev_cls(ofp_event.EventOFPFlowStatsReply, MAIN_DISPATCHER)
    def flows_reported(self, event: Any) -> None:
        """After its rules were sent, a switch tells which ones it has."""
        if (channel := self._channel(event)) is not None:
            last = not event.msg.flags & ofproto_v1_3.OFPMPF_REPLY_MORE
            channel.flows_reported(event.msg.body, last)

    @set_ev_cls(ofp_event.EventOFPBarrierReply, MAIN_DISPATCHER)
    def barrier_answered(self, event: Any) -> None:
        """A switch has done everything that it was told before."""
        if (channel := self._channel(event)) is not None:
            channel.barrier_answered(event.msg.xid)

    @set_ev_cls(ofp_event.EventOFPPacketIn, MAIN_DISPATCHER)
    def packet_came(self, event: Any) -> None:
        """A neighbour solicitation for the gateway, or the first segment of a connection."""
        message, channel = event.msg, self._channel(event)
        if channel is None:
            return
        try:
            if openflow.kind_of(message.cookie) == RuleClass.PIN:
                self.coordinator.first_segment(packets.first_segment(message.data))
            elif (answer := packets.neighbour_advertisement(message.data)) is not None:
                channel.packet_out(message.match["in_port"], answer)
        except PeerError as error:
            log.warning("%s: %s", channel.name, error)

    @set_ev_cls(ofp_event.EventOFPFlowRemoved, MAIN_DISPATCHER)
    def rule_ended(self, event: Any) -> None:
        """A pinned connection's rule has ended by silence."""
        message, channel = event.msg, self._channel(event)
        if channel is not None and message.reason == ofproto_v1_3.OFPRR_IDLE_TIMEOUT:
            self.coordinator.connection_silent(channel.name, openflow.pinned_connection(message.match))

    @set_ev_cls(ofp_event.EventOFPErrorMsg, [CONFIG_DISPATCHER, MAIN_DISPATCHER])
    def refused(self, event: Any) -> None:
        """A switch refuses a message: a defect, or a switch that cannot do what the lab needs."""
        message = event.msg
        name = self.coordinator.expected.get(message.datapath.id)
        log.error("%s refuses a message: type %d code %d xid %#x", name, message.type, message.code, message.xid)


def serve(coordinator: Coordinator, _run_dir: Path) -> None:
    """Speaks OpenFlow until the process is ended."""
    Controller.coordinator = coordinator
    cfg.CONF(args=[], project="meclab", default_config_files=[])
    cfg.CONF.ofp_listen_host = str(coordinator.plan.management.ipv4_operations)
    cfg.CONF.ofp_tcp_listen_port = OPENFLOW_PORT
    cfg.CONF.echo_request_interval = 1
    cfg.CONF.maximum_unreplied_echo_requests = 3
    app_manager.AppManager.run_apps(["os_ken.controller.ofp_handler", "controller.application"])
