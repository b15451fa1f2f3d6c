"""A plan as a running network: hosts and devices in Mininet, switches or routers, links, and the air."""

from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

from meclab import routers as routed
from meclab.addressing import GATEWAY_IPV4, GATEWAY_IPV6
from meclab.errors import InputError, Problem, RunError, ScenarioError
from meclab.model import Family
from meclab.packets import ORCHESTRATOR_PORT
from meclab.plan import Plan, PlannedDevice
from meclab.scenario import LinkChange, LinkShape
from topologies import hostfiles, interfaces, layout, links, markers, nodes, registry, renumbering, sandbox, trace
from topologies.air import AirDevice, AirPoint, AirProcess, Numbers
from topologies.layout import MANAGEMENT
from topologies.machine import Datapath
from topologies.p4switches import P4Switches
from topologies.routers import Routers
from topologies.switching import OpenFlowSwitches, Switching
from topologies.tap import open_tap


class Network:
    """The network of one run, built by `start` inside a sandbox; what `stop` leaves goes with the sandbox."""

    def __init__(self, plan: Plan, run_dir: Path, datapath: Datapath) -> None:
        sandbox.require_inside()
        self.plan = plan
        self.run_dir = run_dir
        self._logs = run_dir / "logs"
        self._logs.mkdir(parents=True, exist_ok=True)
        self.switching = _switching(plan, datapath, run_dir)
        self._shapes = {link.name: link.shape for link in layout.wired(plan, {})}
        self._blocked: dict[str, set[str]] = {name: set() for name in self._shapes}
        self._pids: dict[str, int] = {}

    def start(self, operations_ready: Callable[[], None] | None = None) -> None:
        """Builds the whole network; its switches know no controller yet (`connect_controller`).

        `operations_ready` is called as soon as the hosts and the management link work, so that the controller
        can start while devices and switches are made.
        """
        self.switching.launch()
        interfaces.set_sysctls(None, interfaces.SYSCTLS_OF_SWITCHES)
        self.markers = markers.open_socket()
        self.mininet = nodes.LabNet(len(self.plan.nodes) + len(self.plan.devices))
        self._make_hosts()
        if operations_ready is not None:
            operations_ready()
        self._make_devices()
        self.switching.make()
        hostfiles.bind(self._pids, hostfiles.hosts_text(self.plan))
        self.links.ready()
        self.air.ready()
        nodes.describe(self.mininet, self.plan)
        registry.write_nodes(self.run_dir, self._pids)

    def connect_controller(self) -> None:
        """Points every switch to the controller on the operations host; have it listen before."""
        self.switching.connect(str(self.plan.management.ipv4_operations))

    def settle(self) -> None:
        """Waits until routers have their routes, once the programs run that announce some; at once for switches."""
        self.switching.settle()

    def routed_attachments(self) -> dict[str, str] | None:
        """Device to the access point where a router has it on the link; none where a controller knows instead."""
        return self.switching.attachments()

    def stop(self) -> None:
        """Ends the switches, the air, the links and every node's shell."""
        self.switching.stop()
        self.air.stop()
        self.links.stop()
        self.mininet.stop()
        self.markers.close()

    def node_pid(self, name: str) -> int:
        """A process in a host's or device's network and mount namespaces."""
        if name not in self._pids:
            raise InputError(f"no host or device {name}; one of {', '.join(self._pids)}")
        return self._pids[name]

    def shape(self, a: str, b: str) -> LinkShape:
        """What a link's impairment is now."""
        return self._shapes[self._link(a, b)]

    def change_link(self, a: str, b: str, change: LinkChange) -> int:
        """Changes what `change` names in both directions of a link; when that was (CLOCK_REALTIME, ns)."""
        name = self._link(a, b)
        given = {key: getattr(change, key) for key in type(change).model_fields if key != "between"}
        shape = self._shapes[name].model_copy(update={key: value for key, value in given.items() if value is not None})
        if shape.jitter > shape.delay:
            raise ScenarioError([Problem(("link", "jitter"), "more than the delay", "a jitter of at most the delay")])
        self._shapes[name] = shape
        at_ns = self.links.change(name, shape)
        if self._blocked[name]:
            self.links.carry(name, False)
        return at_ns

    def link_down(self, a: str, b: str) -> int:
        """A link fails: frames vanish and, where the kind of link can show it, both ends lose their carrier."""
        name = self._link(a, b)
        at_ns = self._block(name, "down")
        self.links.carrier(name, False)
        return at_ns

    def link_up(self, a: str, b: str) -> int:
        """A link that was down works again."""
        name = self._link(a, b)
        self.links.carrier(name, True)
        return self._unblock(name, "down")

    def silence(self, host: str) -> int:
        """All that a host sends or is sent vanishes; nobody is told, and no carrier is lost."""
        return self._block(self._only_link(host), "silence")

    def unsilence(self, host: str) -> int:
        """A silenced host is heard again."""
        return self._unblock(self._only_link(host), "silence")

    def attach(self, device: str, ap: str) -> int:
        """A device attaches to an access point, besides those that it is attached to."""
        return self.air.attach(device, ap)

    def detach(self, device: str) -> int:
        """A device leaves every access point."""
        return self.air.detach(device)

    def handover(self, device: str, ap: str) -> int:
        """A device begins to move to an access point, as its radio says (interruption or overlap)."""
        return self.air.handover(device, ap)

    def attachments(self) -> dict[str, str | None]:
        """The access point that each device attached to last, none for a device that is not attached now."""
        return {d.name: next(reversed(self.air.attached(d.name)), None) for d in self.plan.devices}

    def check(self) -> None:
        """Raises `RunError` where a process that the network depends on has died."""
        self.switching.check()
        self.links.check()
        if (status := self.air.status) is not None:
            raise RunError(f"the process of the air ended with status {status}")

    def pids(self) -> dict[str, int]:
        """The processes that serve the network, for an account of what they use."""
        return self.switching.pids | self.links.pids | {"air": self.air.pid}

    def stats(self) -> dict[str, Any]:
        """What links and air say of themselves: frames, losses, load, scheduling."""
        return {"links": self.links.stats(), "air": self.air.stats()}

    def dump_flows(self, moment: str) -> None:
        """Writes the flow table of every switch, or the routes of every router, to `flows/MOMENT/NODE.txt`."""
        self.switching.dump(self.run_dir / "flows" / moment)

    def trace(self, source: str, target: str, family: Family | None = None) -> list[trace.Hop]:
        """The path that a packet would take now, hop by hop; no packet is sent."""
        return self.switching.trace(self.attachments(), source, target, family or self.plan.family)

    def _make_hosts(self) -> None:
        plan = self.plan
        for node in plan.nodes:
            if routed.applies(plan) and node.role in routed.ROLES:
                self._add_node(node.name, interfaces.SYSCTLS_OF_ROUTERS)
            elif node.mac is not None:
                serving = node.serves_vip or node.serves_resolver
                self._add_node(node.name, interfaces.SYSCTLS_OF_HOSTS, serving)
        self.links = links.make(plan.links_kind, layout.wired(plan, self._pids), plan.seed, self._logs / "links.log")
        with interfaces.netlink(None) as root:
            root.up(plan.management.interface_switches)
            root.address(plan.management.interface_switches, plan.management.ipv4_switches, 30)
        for node in plan.nodes:
            if node.interface is None or node.ipv4 is None or node.ipv6 is None:
                continue
            shared: tuple[IPv4Address | IPv6Address, ...] = ()
            shared += (plan.vip_ipv4, plan.vip_ipv6) if node.serves_vip else ()
            shared += (plan.resolver_ipv4, plan.resolver_ipv6) if node.serves_resolver else ()
            addresses = interfaces.HostAddresses(node.interface, node.ipv4, node.ipv6, shared)
            interfaces.configure_host(self._pids[node.name], addresses)
            if node.role == "ops":
                with interfaces.netlink(self._pids[node.name]) as operations:
                    operations.up(plan.management.interface_operations)
                    operations.address(plan.management.interface_operations, plan.management.ipv4_operations, 30)
        self.switching.wired(self._pids)

    def _make_devices(self) -> None:
        plan = self.plan
        for device in plan.devices:
            self._add_node(device.name, interfaces.SYSCTLS_OF_HOSTS)
        devices = [
            AirDevice(d.name, d.mac, open_tap(d.interface, self._pids[d.name], d.mac), d.radio, self._numbers(d))
            for d in plan.devices
        ]
        points = [AirPoint(ap.name, open_tap(ap.interface, None, None)) for ap in plan.access_points]
        orchestrator = (str(plan.management.ipv4_operations), ORCHESTRATOR_PORT)
        log = self._logs / "air.log"
        self.air = AirProcess(devices, points, plan.seed, self.markers.fileno(), orchestrator, log)
        for d in plan.devices:
            interfaces.configure_host(self._pids[d.name], interfaces.HostAddresses(d.interface, d.ipv4, d.ipv6))

    def _numbers(self, device: PlannedDevice) -> Numbers | None:
        """What the air needs to give a device, whose interface is there, other addresses."""
        if not device.anchored:
            return None
        pid, gateways = self._pids[device.name], (GATEWAY_IPV4, GATEWAY_IPV6)
        index = renumbering.interface_index(pid, device.interface)
        arrive, leave = {}, {}
        for at in device.anchored:
            own = (at.ipv4, at.ipv6)
            arrive[at.ap] = [message.hex() for message in renumbering.arriving(index, own, gateways)]
            leave[at.ap] = [message.hex() for message in renumbering.leaving(index, own)]
        return Numbers(renumbering.open_socket(pid), device.ap, arrive, leave)

    def _add_node(self, name: str, sysctls: dict[str, int], serving: bool = False) -> None:
        pid: int = self.mininet.addHost(name, ip=None).pid
        self._pids[name] = pid
        interfaces.set_sysctls(pid, sysctls, *([interfaces.SYSCTLS_OF_SERVING_HOSTS] if serving else []))

    def _link(self, a: str, b: str) -> str:
        if MANAGEMENT in (a, b) or {a, b} == {"root", "ops"}:
            return MANAGEMENT
        try:
            return self.plan.link(a, b).name
        except KeyError as error:
            names = ", ".join(link.name for link in self.plan.links)
            raise InputError(f"no link between {a} and {b}; one of {names}") from error

    def _only_link(self, host: str) -> str:
        for link in self.plan.links:
            if host in (link.a.node, link.b.node) and self.plan.node(host).mac is not None:
                return link.name
        raise InputError(f"{host} is not a host with a link")

    def _block(self, name: str, reason: str) -> int:
        self._blocked[name].add(reason)
        return self.links.carry(name, False)

    def _unblock(self, name: str, reason: str) -> int:
        self._blocked[name].discard(reason)
        return self.links.carry(name, not self._blocked[name])


def _switching(plan: Plan, datapath: Datapath, run_dir: Path) -> Switching:
    if routed.applies(plan):
        return Routers(plan, run_dir / "logs")
    return P4Switches(plan, run_dir) if plan.dataplane == "p4" else OpenFlowSwitches(plan, datapath, run_dir / "logs")
