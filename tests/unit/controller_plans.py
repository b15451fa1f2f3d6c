"""Plans for the controller's tests, and intents on them."""

from controller.intents import Intents, Network
from controller.rules import Rules
from meclab import planning, scenario, topology
from meclab.messages import Transaction
from meclab.plan import Plan


def make_plan(sites: int = 2, devices: int = 2, method: str = "vip:pinned", breakout: bool = True) -> Plan:
    """Two sites as in the demo, more as a metro's ring; device n starts at access point n, from the first again."""
    name, _, variant = method.partition(":")
    file = scenario.Scenario.model_validate(
        {
            "scenario": "try",
            "topology": {"kind": "two-site"} if sites == 2 else {"kind": "metro", "sites": sites},
            "methods": [{"name": name, "variant": variant} if variant else name],
            "devices": [{"name": f"ue{n + 1}", "ap": f"ap{n % sites + 1}"} for n in range(devices)],
            "breakout": breakout,
        }
    )
    graph = topology.two_site() if sites == 2 else topology.metro(sites)
    return planning.make(file, graph, file.methods[0], "wire")


def settled(the_plan: Plan, served: bool = True) -> tuple[Rules, Intents]:
    """Every device attached where it starts, and served by the host that it starts with."""
    network = Network(the_plan)
    attach = {device.name: device.ap for device in the_plan.devices}
    serve = {device.name: device.initial_host for device in the_plan.devices} if served else {}
    return Rules(network), network.change(network.initial(), Transaction(attach=attach, serve=serve))
