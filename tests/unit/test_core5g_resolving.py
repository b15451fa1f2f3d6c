"""What becomes of a query: forwarded, held back, released, discarded, asked again."""

import asyncio
from ipaddress import ip_address, ip_network

import dns.edns
import dns.message
import dns.rcode
import dns.rrset
import pytest
from core5g_bodies import APP, data, query_rule, release_rule, response_rule
from hypothesis import given, settings
from hypothesis import strategies as st

from hosts.core5g.commondata import PatchItem
from hosts.core5g.contexts import Contexts
from hosts.core5g.holding import Holding
from hosts.core5g.resolving import Resolving
from hosts.naming.queries import read_query

UE = ip_address("10.45.0.1")
ADNS = ip_address("10.0.18.10")
HOST_OF = {"100.64.1.0/24": "10.1.1.10", "100.64.2.0/24": "10.1.2.10", None: "203.0.113.10"}
DYNAMIC = {"app": query_rule(subnet="100.64.1.0/24", server=str(ADNS)), "mec1": response_rule()}


class World:
    """A name server that answers by client subnet, and a session function that does what a test says."""

    def __init__(self, rules=None, timeout_s=30.0):
        self.contexts = Contexts()
        self.context = self.contexts.create(data(rules)) if rules is not None else None
        self.holding = Holding(timeout_s)
        self.resolving = Resolving(self.contexts, self.holding, self.ask, self.notify)
        self.asked = []
        self.reports = []
        self.when_asked = lambda: None
        self.when_told = lambda report: True

    async def ask(self, packet, servers):
        query = dns.message.from_wire(packet)
        subnet = next((f"{option.address}/{option.srclen}" for option in query.options), None)
        self.asked.append((subnet, servers))
        response = dns.message.make_response(query)
        response.answer.append(dns.rrset.from_text(query.question[0].name, 10, "IN", "A", HOST_OF[subnet]))
        self.when_asked()
        return response.to_wire()

    async def notify(self, uri, report):
        self.reports.append(report)
        return self.when_told(report)

    def patch(self, *items):
        for release in self.contexts.patch(self.context.identifier, [PatchItem.model_validate(item) for item in items]):
            self.holding.release(release)

    def release(self, message, applied="FORWARD", **fwd):
        rule = release_rule(message, applied, **fwd)
        self.patch({"op": "add", "path": f"/dnsRules/release-{message}", "value": rule})

    async def lookup(self, name=APP, kind="A"):
        query = dns.message.make_query(name, kind, use_edns=False)
        answer = await self.resolving.answer(query.to_wire(), UE, over_udp=True)
        return None if answer is None else dns.message.from_wire(answer)

    def address(self, name=APP):
        response = asyncio.run(self.lookup(name))
        return None if response is None else str(response.answer[0][0])


def test_an_address_without_a_context_is_served_plainly_by_the_default_resolver():
    world = World()
    assert world.address() == "203.0.113.10"
    assert world.asked == [(None, ())]
    assert world.resolving.counted.without_context == 1


def test_the_application_s_name_goes_to_its_server_with_the_location_and_other_names_do_not():
    world = World({"app": query_rule(subnet="100.64.2.0/24", server=str(ADNS))})
    assert world.address() == "10.1.2.10"
    assert world.address("www.example.org") == "203.0.113.10"
    assert world.asked == [("100.64.2.0/24", (ADNS,)), (None, ())]


def test_a_query_to_discard_is_neither_asked_nor_answered():
    world = World({"app": query_rule("DISCARD")})
    assert world.address() is None
    assert not world.asked
    assert world.resolving.counted.discarded == 1


def test_a_response_is_reported_with_its_addresses_and_held_back_until_it_is_released():
    world = World(DYNAMIC)

    async def run():
        looking_up = asyncio.create_task(world.lookup())
        while not world.reports:
            await asyncio.sleep(0)
        for _ in range(100):
            await asyncio.sleep(0)
        assert not looking_up.done()
        (report,) = world.reports
        assert str(report.dnsRspReport.easIpv4Addresses[0]) == "10.1.1.10"
        assert report.dnsRspReport.fqdn == APP
        assert report.dnsRspReport.ecsOption.subnet == ip_network("100.64.1.0/24")
        world.release(report.dnsMsgId)
        return await looking_up

    assert str(asyncio.run(run()).answer[0][0]) == "10.1.1.10"
    assert (world.holding.released, world.holding.overdue, len(world.holding)) == (1, 0, 0)


def test_an_answer_with_another_address_is_not_held_back():
    world = World(DYNAMIC | {"app": query_rule(subnet="100.64.2.0/24")})
    assert world.address() == "10.1.2.10"
    assert not world.reports


def test_a_response_that_nobody_releases_goes_when_its_time_is_over():
    world = World(DYNAMIC, timeout_s=0.0)
    assert world.address() == "10.1.1.10"
    assert (world.holding.released, world.holding.overdue) == (0, 1)


def test_a_response_goes_at_once_where_the_session_function_does_not_take_the_report():
    world = World(DYNAMIC)
    world.when_told = lambda report: False
    assert world.address() == "10.1.1.10"
    assert world.holding.overdue == 1


def test_a_response_that_is_released_to_be_discarded_is_not_answered():
    world = World(DYNAMIC)
    world.when_told = lambda report: (world.release(report.dnsMsgId, "DISCARD"), True)[1]
    assert world.address() is None


def test_a_release_that_comes_too_late_releases_nothing():
    world = World(DYNAMIC, timeout_s=0.0)
    world.address()
    released = world.contexts.patch(
        world.context.identifier,
        [PatchItem.model_validate({"op": "add", "path": "/dnsRules/r", "value": release_rule("1")})],
    )
    assert [world.holding.release(one) for one in released] == [False]


def test_a_query_that_is_held_back_goes_on_as_its_release_says():
    rules = {"app": query_rule("REPORT", "BUFFER")}
    world = World(rules)
    where = {"subnet": "100.64.2.0/24", "server": str(ADNS)}
    world.when_told = lambda report: (world.release(report.dnsMsgId, **where), True)[1]
    assert world.address() == "10.1.2.10"
    assert world.asked == [("100.64.2.0/24", (ADNS,))]
    assert world.reports[0].dnsQueryReport.fqdn == APP


def test_a_report_alone_keeps_no_answer_waiting():
    world = World({"app": query_rule(subnet="100.64.1.0/24"), "mec1": response_rule("REPORT")}, timeout_s=30.0)

    async def never(uri, report):
        world.reports.append(report)
        await asyncio.Event().wait()

    world.resolving = Resolving(world.contexts, world.holding, world.ask, never)
    assert world.address() == "10.1.1.10"
    assert world.reports[0].dnsMsgId is None


def moved(world):
    """The device moves while its query is with the name server."""
    rule = query_rule(subnet="100.64.2.0/24", server=str(ADNS))
    world.patch({"op": "replace", "path": "/dnsRules/app", "value": rule})
    world.when_asked = lambda: None


def test_a_query_whose_device_moves_meanwhile_is_asked_again_and_the_stale_answer_is_not_given_out():
    world = World({"app": query_rule(subnet="100.64.1.0/24", server=str(ADNS))})
    world.when_asked = lambda: moved(world)
    assert world.address() == "10.1.2.10"
    assert [subnet for subnet, _ in world.asked] == ["100.64.1.0/24", "100.64.2.0/24"]
    assert world.resolving.counted.asked_again == 1


def test_a_response_that_was_held_back_while_its_device_moved_is_asked_for_again():
    world = World(DYNAMIC)
    world.when_told = lambda report: (moved(world), world.release(report.dnsMsgId), True)[2]
    assert world.address() == "10.1.2.10"


def test_a_device_that_keeps_moving_gets_an_answer_all_the_same():
    world = World({"app": query_rule(subnet="100.64.1.0/24")})
    turns = iter(range(2, 100))

    def onwards():
        subnet = f"100.64.{2 - next(turns) % 2}.0/24"
        world.patch({"op": "replace", "path": "/dnsRules/app", "value": query_rule(subnet=subnet)})

    world.when_asked = onwards
    assert world.address() in HOST_OF.values()
    assert len(world.asked) == 3


@pytest.mark.parametrize(
    ("packet", "rcode"),
    [
        (dns.message.make_query(APP, "AXFR").to_wire(), dns.rcode.REFUSED),
        (dns.message.make_query(APP, "A", "CH").to_wire(), dns.rcode.REFUSED),
        (dns.message.make_query(APP, "A").to_wire()[:-3], dns.rcode.FORMERR),
        (b"\0\1\x10\0" + dns.message.make_query(APP, "A").to_wire()[4:], dns.rcode.NOTIMP),
    ],
)
def test_what_cannot_be_relayed_is_refused(packet, rcode):
    world = World()
    answer = asyncio.run(world.resolving.answer(packet, UE, over_udp=True))
    assert dns.message.from_wire(answer, ignore_trailing=True).rcode() == rcode
    assert not world.asked


@pytest.mark.parametrize(
    "packet", [b"", b"short", dns.message.make_response(dns.message.make_query(APP, "A")).to_wire()]
)
def test_what_is_no_query_gets_no_answer(packet):
    assert asyncio.run(World().resolving.answer(packet, UE, over_udp=True)) is None


def test_a_name_server_that_answers_garbage_is_a_server_failure():
    world = World({"app": query_rule()})

    async def garbage(packet, servers):
        return packet[:12] + b"\xff"

    world.resolving = Resolving(world.contexts, world.holding, garbage, world.notify)
    assert asyncio.run(world.lookup()).rcode() == dns.rcode.SERVFAIL


REAL = dns.message.make_query(APP, "A", use_edns=0, options=[dns.edns.ECSOption("192.0.2.0", 24)]).to_wire()


@st.composite
def mutated(draw, real=REAL):
    """A real query with octets changed and perhaps its end missing."""
    packet = bytearray(real)
    for at, value in draw(st.lists(st.tuples(st.integers(0, len(real) - 1), st.integers(0, 255)), max_size=8)):
        packet[at] = value
    return bytes(packet[: draw(st.integers(0, len(real)))] if draw(st.booleans()) else packet)


@given(st.one_of(st.binary(max_size=200), mutated()))
@settings(max_examples=300, deadline=None)
def test_whatever_comes_gets_a_well_formed_answer_or_none(packet):
    world = World({"app": query_rule(subnet="100.64.1.0/24")})

    async def echo(query, servers):
        assert read_query(query).fault == 0
        return query[:2] + b"\x80" + query[3:]

    world.resolving = Resolving(world.contexts, world.holding, echo, world.notify)
    answer = asyncio.run(world.resolving.answer(packet, UE, over_udp=True))
    if answer is not None:
        assert answer[:2] == packet[:2]
        assert answer[2] & 0x80
        assert len(answer) <= 512 or read_query(packet).edns


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_whatever_a_name_server_answers_the_device_gets_an_answer(data):
    world = World({"app": query_rule(subnet="100.64.1.0/24"), "mec1": response_rule("REPORT")})

    async def garbled(packet, servers):
        response = dns.message.make_response(dns.message.from_wire(packet))
        name = response.question[0].name
        response.answer = [
            dns.rrset.from_text(name, 10, "IN", "A", "10.1.1.10"),
            dns.rrset.from_text(name, 10, "IN", "HTTPS", "1 . ipv4hint=10.1.1.10 ipv6hint=2001:db8::1"),
        ]
        wire, head = response.to_wire(), 12 + len(name.to_wire()) + 4
        return wire[:12] + packet[12:head] + data.draw(mutated(wire))[head:]

    world.resolving = Resolving(world.contexts, world.holding, garbled, world.notify)
    query = dns.message.make_query(APP, "A", use_edns=False).to_wire()
    answer = asyncio.run(world.resolving.answer(query, UE, over_udp=True))
    assert (answer[:2], answer[12 : len(query)]) == (query[:2], query[12:])
    assert answer[3] & 15 in (dns.rcode.NOERROR, dns.rcode.SERVFAIL)
    assert len(answer) <= 512
