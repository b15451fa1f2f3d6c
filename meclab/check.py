"""What needs the whole scenario to be checked: names that must exist, addresses, times."""

import difflib
from collections.abc import Iterable, Iterator

from meclab import addressing
from meclab.errors import Problem
from meclab.methods import Method
from meclab.model import NAME_PATTERN
from meclab.quantity import duration_text
from meclab.scenario import DEFAULT_LINKS, Device, LinkShape, Scenario, is_pair
from meclab.topology import FAILING, Graph

Where = tuple[str | int, ...]
_LISTED = 32
"""Names that a message lists at most."""


def nearest(found: str, valid: Iterable[str]) -> str:
    """`one of a, b, c; did you mean b?` for an unknown name."""
    names = sorted(valid)
    if len(names) == 1:
        return names[0]
    close = difflib.get_close_matches(found, names, n=1, cutoff=0.4)
    listed = ", ".join(names[:_LISTED]) + (", …" if len(names) > _LISTED else "")
    return f"one of {listed}" + (f"; did you mean {close[0]}?" if close else "")


def problems(scenario: Scenario, graph: Graph) -> list[Problem]:
    """Every problem of a scenario that its models alone cannot see, in the order of the file."""
    joins = {name: device.joins for _, device, name in addressing.device_names(scenario.devices)}
    return [
        *_links(scenario, graph),
        *_radio(scenario),
        *_naming(scenario),
        *_devices(scenario, graph),
        *_policy(scenario, graph, joins),
        *_traffic(scenario, graph, joins),
        *_events(scenario, graph, joins),
        *_renumbering(scenario),
        *_addresses(scenario, graph),
    ]


def applicable(scenario: Scenario, method: Method) -> list[Problem]:
    """What of a scenario does not go with a method that it is run with."""
    if scenario.dataplane == "p4" and method.name == "bgp-anycast":
        expected = "openflow with bgp-anycast, whose edges and core are routers; or --method with another one"
        return [Problem(("dataplane",), "'p4'", expected)]
    return []


def _known(where: Where, name: str, valid: Iterable[str]) -> Iterator[Problem]:
    valid = list(valid)
    if name not in valid:
        yield Problem(where, repr(name), nearest(name, valid))


def _known_link(where: Where, pair: str, graph: Graph) -> Iterator[Problem]:
    """Either order of the ends will do; the message names each link once."""
    names = [link.name for link in graph.links]
    if pair not in names and "-".join(reversed(pair.split("-"))) not in names:
        yield Problem(where, repr(pair), f"a link, {nearest(pair, names)}")


def _links(scenario: Scenario, graph: Graph) -> Iterator[Problem]:
    for key, shape in scenario.links.items():
        if is_pair(key):
            yield from _known_link(("links", key), key, graph)
        else:
            yield from _known(("links", key), key, DEFAULT_LINKS)
        yield from _jitter(("links", key), shape.jitter, _delay(scenario, graph, key, shape))


def _delay(scenario: Scenario, graph: Graph, key: str, shape: LinkShape) -> int | None:
    """The delay that goes with what a key of `links` says; none where its link is not known."""
    if "delay" in shape.model_fields_set:
        return shape.delay
    ends = set(key.split("-"))
    link = next((link for link in graph.links if {link.a, link.b} == ends), None)
    if link is None:
        return DEFAULT_LINKS[key].delay if key in DEFAULT_LINKS else None
    if (given := scenario.links.get(link.kind)) is not None and "delay" in given.model_fields_set:
        return given.delay
    return DEFAULT_LINKS[link.kind].delay if link.delay_ns is None else link.delay_ns


def _jitter(where: Where, jitter: int, delay: int | None) -> Iterator[Problem]:
    if delay is not None and jitter > delay:
        yield Problem((*where, "jitter"), duration_text(jitter), f"at most the delay, {duration_text(delay)}")


def _radio(scenario: Scenario) -> Iterator[Problem]:
    yield from _jitter(("radio",), scenario.radio.jitter, scenario.radio.delay)
    for index, device in enumerate(scenario.devices):
        if device.radio is not None:
            yield from _jitter(("devices", index, "radio"), device.radio.jitter, device.radio.delay)


def _naming(scenario: Scenario) -> Iterator[Problem]:
    """Settings of names and sessions that cannot go together."""
    with_subnets = [method.label for method in scenario.methods if method.name in ("ecs", "easdf")]
    if scenario.dns.serve_stale and with_subnets:
        expected = f"false with {', '.join(with_subnets)}: Unbound does not serve stale answers with client subnets"
        yield Problem(("dns", "serve_stale"), "true", expected)
    if scenario.session.connect == "next-reconnect" and scenario.session.lifetime is None:
        expected = "with session.lifetime: without it the client never reconnects by its own choice"
        yield Problem(("session", "connect"), "'next-reconnect'", expected)
    if scenario.http.tls and any(method.name != "http-redirect" for method in scenario.methods):
        yield Problem(("http", "tls"), "true", "false, or methods: [http-redirect]")


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
    failing = [node.name for node in graph.nodes if node.role in FAILING]
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
        if event.link is not None:
            yield from _known_link((*here, "link", "between"), "-".join(event.link.between), graph)
        if event.pin is not None:
            yield from _known(("events", index, "pin", "device"), event.pin.device, joins)
            if event.pin.host is not None:
                yield from _known(("events", index, "pin", "host"), event.pin.host, hosts)
        for kind, valid in (("fail", failing), ("restore", failing), ("load", hosts)):
            if (part := getattr(event, kind)) is not None:
                yield from _known((*here, kind, "host"), part.host, valid)


def _addresses(scenario: Scenario, graph: Graph) -> Iterator[Problem]:
    addresses = scenario.addresses
    owned: list[tuple[Where, str, addressing.Pair]] = [
        (("addresses", "vip_ipv4"), "the virtual address", (addresses.vip_ipv4, addresses.vip_ipv6)),
        (("addresses", "resolver_ipv4"), "the resolver", (addresses.resolver_ipv4, addresses.resolver_ipv6)),
    ]
    try:
        for number in range(1, len(graph.named("ap")) + 1):
            addressing.location(addresses, number)
        for node in graph.nodes:
            if (pair := addressing.node_addresses(addresses, node)) is not None:
                owned.append((("addresses",), node.name, pair))
        for number, (index, device, name) in enumerate(addressing.device_names(scenario.devices), 1):
            owned += [(("devices", index), name, pair) for pair in _of_device(scenario, graph, device, number)]
    except IndexError as error:
        yield Problem(("addresses",), str(error), "a larger pool")
    yield from addressing.pool_overlaps(addresses)
    yield from addressing.overlaps(owned)


def _of_device(scenario: Scenario, graph: Graph, device: Device, number: int) -> list[addressing.Pair]:
    """The addresses of the n-th device, at each access point where they differ. Raises `IndexError`."""
    if scenario.address == "fixed":
        return [addressing.device_addresses(scenario.addresses, device, number)]
    points = range(1, len(graph.named("ap")) + 1)
    return [addressing.anchored_addresses(scenario.addresses, point, number) for point in points]


def _renumbering(scenario: Scenario) -> Iterator[Problem]:
    """What does not go with devices that have other addresses at each access point."""
    if scenario.address == "fixed":
        return
    for index, device in enumerate(scenario.devices):
        for key in ("ipv4", "ipv6"):
            if (given := getattr(device, key)) is not None:
                expected = f"nothing with address: per-anchor, where {device.name} is numbered by the access points"
                yield Problem(("devices", index, key), str(given), expected)
    moving = {move.device for event in scenario.events if (move := event.handover or event.handovers)}
    for index, traffic in enumerate(scenario.traffic):
        for key, end in (("from", traffic.source), ("to", traffic.to)):
            if end in moving:
                expected = "a host, or a device that stays: with address: per-anchor iperf3 ends at the first move"
                yield Problem(("traffic", index, key), repr(end), expected)
