"""What needs the whole scenario to be checked: names that must exist, addresses, times."""

import difflib
from collections.abc import Iterable, Iterator

from meclab import addressing
from meclab.errors import Problem
from meclab.scenario import DEFAULT_LINKS, NAME_PATTERN, Scenario, is_pair
from meclab.topology import Graph

Where = tuple[str | int, ...]


def nearest(found: str, valid: Iterable[str]) -> str:
    """`one of a, b, c; did you mean b?` for an unknown name."""
    names = sorted(valid)
    close = difflib.get_close_matches(found, names, n=1, cutoff=0.4)
    listed = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
    return f"one of {listed}" + (f"; did you mean {close[0]}?" if close else "")


def problems(scenario: Scenario, graph: Graph) -> list[Problem]:
    """Every problem of a scenario that its models alone cannot see, in the order of the file."""
    joins = {name: device.joins for _, device, name in addressing.device_names(scenario.devices)}
    return [
        *_links(scenario, graph),
        *_devices(scenario, graph),
        *_policy(scenario, graph, joins),
        *_traffic(scenario, graph, joins),
        *_events(scenario, graph, joins),
        *_addresses(scenario, graph),
    ]


def _known(where: Where, name: str, valid: Iterable[str]) -> Iterator[Problem]:
    valid = list(valid)
    if name not in valid:
        yield Problem(where, repr(name), nearest(name, valid))


def _pairs(graph: Graph) -> set[str]:
    return {f"{a}-{b}" for link in graph.links for a, b in ((link.a, link.b), (link.b, link.a))}


def _links(scenario: Scenario, graph: Graph) -> Iterator[Problem]:
    for key, shape in scenario.links.items():
        valid = _pairs(graph) if is_pair(key) else set(DEFAULT_LINKS)
        yield from _known(("links", key), key, valid)
        if shape.jitter > shape.delay and "delay" in shape.model_fields_set:
            yield Problem(("links", key, "jitter"), "more than the delay", "a jitter of at most the delay")


def _devices(scenario: Scenario, graph: Graph) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, device, name in addressing.device_names(scenario.devices):
        if device.ap is not None:
            yield from _known(("devices", index, "ap"), device.ap, graph.named("ap"))
        if name in seen or name in graph.names:
            yield Problem(("devices", index, "name"), repr(name), "a name that no other node has")
        if len(name) > 9:
            yield Problem(("devices", index, "count"), f"a device named {name}", f"names matching {NAME_PATTERN}")
        seen.add(name)


def _policy(scenario: Scenario, graph: Graph, joins: dict[str, int]) -> Iterator[Problem]:
    for device, host in scenario.policy.pins.items():
        yield from _known(("policy", "pins", device), device, joins)
        yield from _known(("policy", "pins", device), host, graph.named("mec"))


def _traffic(scenario: Scenario, graph: Graph, joins: dict[str, int]) -> Iterator[Problem]:
    ends = [*joins, *graph.named("mec"), *graph.named("cloud")]
    for index, traffic in enumerate(scenario.traffic):
        yield from _known(("traffic", index, "from"), traffic.source, ends)
        yield from _known(("traffic", index, "to"), traffic.to, ends)


def _events(scenario: Scenario, graph: Graph, joins: dict[str, int]) -> Iterator[Problem]:
    aps, hosts = graph.named("ap"), graph.named("mec")
    for index, event in enumerate(scenario.events):
        here: Where = ("events", index)
        if scenario.duration is not None and event.at >= scenario.duration - scenario.drain:
            last = (scenario.duration - scenario.drain) / 1e9
            yield Problem((*here, "at"), f"{event.at / 1e9:g}s", f"a time before duration less drain, {last:g}s")
        if (move := event.handover or event.handovers) is not None:
            kind = "handover" if event.handover else "handovers"
            yield from _known((*here, kind, "device"), move.device, joins)
            key, targets = ("to", (event.handover.to,)) if event.handover else ("through", event.handovers.through)  # type: ignore[union-attr]
            for target in targets:
                yield from _known((*here, kind, key), target, aps)
            joined = joins.get(move.device, 0)
            if event.at < joined:
                when = f"a time after {move.device} joins, {joined / 1e9:g}s"
                yield Problem((*here, "at"), f"{event.at / 1e9:g}s", when)
        if event.link is not None and "-".join(event.link.between) not in _pairs(graph):
            pair = "-".join(event.link.between)
            yield Problem((*here, "link", "between"), repr(pair), nearest(pair, _pairs(graph)))
        for kind in ("fail", "restore", "load"):
            if (part := getattr(event, kind)) is not None:
                yield from _known((*here, kind, "host"), part.host, hosts)


def _addresses(scenario: Scenario, graph: Graph) -> Iterator[Problem]:
    addresses = scenario.addresses
    owned: list[tuple[Where, str, addressing.Pair]] = [
        (("addresses", "vip_ipv4"), "the virtual address", (addresses.vip_ipv4, addresses.vip_ipv6))
    ]
    try:
        for node in graph.nodes:
            if (pair := addressing.node_addresses(addresses, node)) is not None:
                owned.append((("addresses",), node.name, pair))
        for number, (index, device, name) in enumerate(addressing.device_names(scenario.devices), 1):
            owned.append((("devices", index), name, addressing.device_addresses(addresses, device, number)))
    except IndexError as error:
        yield Problem(("addresses",), str(error), "a larger pool")
    yield from addressing.pool_overlaps(addresses)
    yield from addressing.overlaps(owned)
