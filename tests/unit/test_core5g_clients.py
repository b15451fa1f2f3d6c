"""What the session function does until EASDF and name server are as they should be."""

import asyncio
import json
from ipaddress import ip_address, ip_network

import dns.message
import dns.rrset
import pytest
from core5g_bodies import content, release_rule

from hosts.core5g.confirming import Confirming
from hosts.core5g.contexts import RESOURCE
from hosts.core5g.neasdf_client import NeasdfClient
from hosts.web.http1 import Response
from meclab.errors import PeerError

TARGET = f"{RESOURCE}/1"
ITEMS = [{"op": "remove", "path": "/dnsRules/b"}]


class Easdf:
    """Answers one after the other, and remembers what it was asked."""

    def __init__(self, *replies):
        self._replies = list(replies)
        self.asked = []
        self.bodies = []
        self.types = []

    async def send(self, method, target, body=None, content_type="application/json"):
        self.asked.append((method, target))
        self.bodies.append(json.loads(body))
        self.types.append(content_type)
        reply = self._replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply


def created(target=TARGET):
    return Response(201, {"location": f"http://10.0.19.10:8097{target}"})


def refused(status, **more):
    return Response(status, body=json.dumps({"status": status, **more}).encode())


def test_a_new_context_is_where_its_location_says():
    easdf = Easdf(created())
    assert asyncio.run(NeasdfClient(easdf).create(content())) == TARGET
    assert easdf.asked == [("POST", RESOURCE)]


def test_a_context_that_is_there_already_gets_the_new_content():
    easdf = Easdf(refused(403, instance=f"{RESOURCE}/old"), Response(204))
    assert asyncio.run(NeasdfClient(easdf).create(content())) == f"{RESOURCE}/old"
    assert easdf.asked[1] == ("PUT", f"{RESOURCE}/old")
    assert easdf.bodies[0] == easdf.bodies[1]


def test_an_easdf_that_is_silent_or_fails_is_asked_until_it_answers():
    easdf = Easdf(ConnectionRefusedError(), TimeoutError(), Response(503), created())
    client = NeasdfClient(easdf)
    assert asyncio.run(client.create(content())) == TARGET
    assert client.error is None


@pytest.mark.parametrize("instance", [{}, {"instance": "http://elsewhere/"}, {"instance": 5}])
def test_any_other_refusal_is_an_error(instance):
    with pytest.raises(PeerError, match="403"):
        asyncio.run(NeasdfClient(Easdf(refused(403, **instance))).create(content()))


def update(*replies, rules=None):
    easdf = Easdf(*replies)
    whole = content(rules or {**content()["dnsRules"], "release-7": release_rule("7")})
    return easdf, asyncio.run(NeasdfClient(easdf).update(TARGET, ITEMS, whole))


def test_an_update_is_a_json_patch():
    easdf, target = update(Response(204))
    assert (easdf.asked, easdf.types, target) == ([("PATCH", TARGET)], ["application/json-patch+json"], TARGET)
    assert easdf.bodies == [ITEMS]


def test_a_context_that_does_not_fit_the_patch_is_replaced_as_a_whole_releases_included():
    easdf, target = update(refused(400), Response(204))
    assert (easdf.asked[1], target) == (("PUT", TARGET), TARGET)
    assert "release-7" in easdf.bodies[1]["dnsRules"]


def test_a_context_that_is_lost_is_made_anew_without_releases():
    easdf, target = update(refused(404), created(f"{RESOURCE}/2"))
    assert (easdf.asked[1], target) == (("POST", RESOURCE), f"{RESOURCE}/2")
    assert list(easdf.bodies[1]["dnsRules"]) == ["application"]


def test_a_release_that_came_too_late_is_no_error():
    _, target = update(Response(200, body=b'{"report": []}'))
    assert target == TARGET


class NameServer:
    """Answers with one address after the other, the last for good."""

    def __init__(self, *addresses):
        self._addresses = list(addresses)
        self.asked = []

    async def ask(self, packet, servers):
        query = dns.message.from_wire(packet)
        self.asked.append((query, tuple(servers)))
        address = self._addresses.pop(0) if len(self._addresses) > 1 else self._addresses[0]
        if address is None:
            return b"garbage"
        response = dns.message.make_response(query)
        kind = "AAAA" if ":" in address else "A"
        response.answer.append(dns.rrset.from_text(query.question[0].name, 10, "IN", kind, address))
        return response.to_wire()


ADNS = (ip_address("10.0.18.10"),)
MEC2 = (ip_address("10.1.2.10"), ip_address("2001:db8:1:2::10"))


@pytest.mark.parametrize("answers", [["10.1.2.10"], ["10.1.1.10", None, "10.1.1.10", "10.1.2.10"]])
def test_an_answer_is_confirmed_as_soon_as_the_name_server_gives_it(answers):
    server = NameServer(*answers)
    confirming = Confirming(server.ask, ADNS, "app.edge.example.")
    assert asyncio.run(confirming.confirmed(ip_network("100.64.2.0/24"), MEC2))
    assert len(server.asked) == len(answers)
    query, servers = server.asked[0]
    assert servers == ADNS
    assert query.question[0].to_text() == "app.edge.example. IN A"
    assert [option.to_text() for option in query.options] == ["ECS 100.64.2.0/24 scope/0"]


def test_over_ipv6_the_ipv6_answer_is_looked_at():
    server = NameServer("2001:db8:1:2::10")
    confirming = Confirming(server.ask, [ip_address("2001:db8:0:12::10")], "app.edge.example.")
    assert asyncio.run(confirming.confirmed(ip_network("2001:db8:a00:200::/56"), MEC2))
    assert server.asked[0][0].question[0].to_text() == "app.edge.example. IN AAAA"


def test_an_answer_that_never_comes_is_given_up():
    confirming = Confirming(NameServer("10.1.1.10").ask, ADNS, "app.edge.example.", longest_s=0.0)
    assert not asyncio.run(confirming.confirmed(ip_network("100.64.2.0/24"), MEC2))
