"""What the session function does, for which session, in which order."""

import asyncio
from ipaddress import ip_address, ip_network

import pytest

from hosts.core5g import sessions
from hosts.core5g.contexts import Contexts
from hosts.core5g.deployment import Deployment
from hosts.core5g.neasdf import DnsContextCreateData, DnsContextEventReport
from hosts.core5g.procedures import SessionFunction, Unknown
from meclab import planning, scenario, topology
from meclab.errors import PeerError
from meclab.messages import Relocation

APP = "app.edge.example."


def make_plan(variant="dynamic", devices=2, bypassing=(), **fields):
    names = [f"ue{n + 1}" for n in range(devices)]
    file = scenario.Scenario.model_validate(
        {
            "scenario": "try",
            "methods": [{"name": "easdf", "variant": variant}],
            "devices": [{"name": name, "bypasses_easdf": name in bypassing} for name in names],
            **fields,
        }
    )
    return planning.make(file, topology.two_site(), file.methods[0], "wire")


class Core:
    """Every part that the session function works with; what it did, in order."""

    def __init__(self, plan):
        self.plan = plan
        self.did = []
        self.contents = {}
        self.controller = asyncio.Event()
        self.controller.set()
        self.answers = asyncio.Event()
        self.answers.set()
        self.accepts = True
        self.easdf_accepts = True
        self.function = SessionFunction(Deployment(plan), self, self, self, self, "http://10.0.20.10:8098/x", 30.0)

    async def create(self, content):
        self.did.append(("create", content["ueIpv4Addr"]))
        target = f"/contexts/{content['ueIpv4Addr']}"
        self.contents[target] = content
        return target

    async def update(self, target, items, whole):
        if not self.easdf_accepts:
            raise PeerError("403")
        self.did.append(("update", [(item["op"], item["path"].removeprefix("/dnsRules/")) for item in items]))
        self.contents[target] = whole
        return target

    async def change(self, add, remove):
        signed = [("+", one) for one in add] + [("-", one) for one in remove]
        self.did.append(("breakouts", sorted(f"{sign}{one.prefix} at {one.edge}" for sign, one in signed)))
        await self.controller.wait()
        self.did.append(("breakouts done",))
        return self.accepts

    async def confirmed(self, subnet, host):
        self.did.append(("confirm", str(subnet), str(host[0])))
        await self.answers.wait()
        return True

    def tell(self, device, old):
        self.did.append(("tell", device, str(old[0])))

    def take(self):
        did, self.did = self.did, []
        return did

    def subnet(self, device="ue1"):
        """What the EASDF sends with the device's queries."""
        content = self.contents[f"/contexts/{self.plan.device(device).ipv4}"]
        context = Contexts().create(DnsContextCreateData.model_validate(content))
        return context.of_query(APP, ip_address("10.9.9.9")).subnet

    async def established(self):
        await self.function.establish()
        return self.take()

    def report(self, host, device, message):
        response = {"fqdn": APP, "easIpv4Addresses": [self.plan.node(host).ipv4]}
        report = {"timestamp": "2026-01-01T00:00:00Z", "dnsRspReport": response, "dnsMsgId": message}
        self.function.respond(device, [DnsContextEventReport.model_validate(report)])

    async def answered(self, host, device="ue1", message="1"):
        self.report(host, device, message)
        await self.function.settled()
        return self.take()

    async def relocated(self, ap, host, update, device="ue1"):
        outcome = self.function.relocate(Relocation(update=update, device=device, ap=ap, host=host))
        await self.function.settled()
        return outcome, self.take()


MEC1 = ["10.1.1.10/32 at edge1", "2001:db8:1:1::10/128 at edge1"]


def test_every_session_gets_its_context_at_the_start_but_one_that_bypasses_the_easdf():
    async def run():
        core = Core(make_plan(devices=3, bypassing=("ue2",)))
        assert sorted(await core.established()) == [("create", "10.45.0.1"), ("create", "10.45.0.3")]
        assert [one.bypasses_easdf for one in core.function.sessions.values()] == [False, True, False]

    asyncio.run(run())


def test_a_context_has_a_rule_for_the_name_and_with_dynamic_breakout_one_for_answers_at_the_own_edge():
    for variant, keys in (("dynamic", ["application", "breakout-mec1"]), ("pre-established", ["application"])):
        deployment = Deployment(make_plan(variant))
        session = sessions.initial(deployment)["ue1"]
        assert list(sessions.rules(deployment, session)) == keys
        content = sessions.context(session, sessions.rules(deployment, session), "http://10.0.20.10/x")
        context = Contexts().create(DnsContextCreateData.model_validate(content))
        said = context.of_query(APP, session.device.ipv4)
        (adns,) = deployment.plan.by_role("adns")
        assert (said.subnet, said.servers) == (ip_network("100.64.1.0/24"), (adns.ipv4,))
        hosts = {name: deployment.plan.node(name).ipv4 for name in ("mec1", "mec2", "cloud")}
        held = {name: context.of_response(APP, (address,)).buffer for name, address in hosts.items()}
        assert held == {"mec1": variant == "dynamic", "mec2": False, "cloud": False}


@pytest.mark.parametrize(
    ("dns", "family", "expected"),
    [
        ({}, "ipv4", "100.64.1.0/24"),
        ({}, "ipv6", "2001:db8:a00:100::/56"),
        ({"ecs_prefix_ipv4": 20}, "ipv4", "100.64.0.0/20"),
        ({"ecs_prefix_ipv4": 28}, "ipv4", "100.64.1.0/28"),
        ({"ecs_source": "host"}, "ipv4", "10.45.0.1/32"),
        ({"ecs_source": "host"}, "ipv6", "2001:db8:45::1/128"),
        ({"ecs_source": "address"}, "ipv4", "10.45.0.0/24"),
        ({"ecs_source": "address"}, "ipv6", "2001:db8:45::/56"),
    ],
)
def test_the_client_subnet_is_the_location_the_device_or_its_prefix(dns, family, expected):
    deployment = Deployment(make_plan(dns=dns, probes={"family": family}))
    assert deployment.subnet(deployment.plan.device("ue1"), "ap1") == ip_network(expected)


def test_an_answer_is_released_with_the_update_that_follows_the_breakout():
    async def run():
        core = Core(make_plan())
        await core.established()
        assert await core.answered("mec1", message="7") == [
            ("breakouts", [f"+{one}" for one in MEC1]),
            ("breakouts done",),
            ("update", [("remove", "breakout-mec1"), ("add", "release-7")]),
        ]
        assert await core.answered("mec1", message="8") == [("update", [("add", "release-8")])]

    asyncio.run(run())


def test_answers_that_come_while_the_breakout_is_made_are_released_together():
    async def run():
        core = Core(make_plan())
        await core.established()
        core.controller.clear()
        for message in ("7", "8"):
            core.report("mec1", "ue1", message)
            for _ in range(20):
                await asyncio.sleep(0)
        core.controller.set()
        await core.function.settled()
        assert core.take()[1:] == [
            ("breakouts done",),
            ("update", [("remove", "breakout-mec1"), ("add", "release-7"), ("add", "release-8")]),
        ]

    asyncio.run(run())


def test_an_answer_that_names_a_host_elsewhere_is_released_without_a_breakout():
    async def run():
        core = Core(make_plan())
        await core.established()
        assert await core.answered("mec2") == [("update", [("add", "release-1")])]

    asyncio.run(run())


def test_a_breakout_that_the_controller_refuses_is_tried_again_with_the_next_answer():
    async def run():
        core = Core(make_plan())
        await core.established()
        core.accepts = False
        assert (await core.answered("mec1"))[-1] == ("update", [("add", "release-1")])
        core.accepts = True
        assert (await core.answered("mec1"))[-1] == ("update", [("remove", "breakout-mec1"), ("add", "release-1")])

    asyncio.run(run())


def test_at_a_move_the_stale_breakout_goes_and_the_context_has_the_new_place_before_the_device_is_told():
    async def run():
        core = Core(make_plan())
        await core.established()
        await core.answered("mec1")
        outcome, did = await core.relocated("ap2", "mec2", 1)
        assert outcome == "accepted"
        assert did[-1] == ("tell", "ue1", "10.1.1.10/32")
        assert sorted(did[:-1], key=str) == [
            ("breakouts done",),
            ("breakouts", [f"-{one}" for one in MEC1]),
            ("confirm", "100.64.2.0/24", "10.1.2.10"),
            ("update", [("replace", "application"), ("add", "breakout-mec2")]),
        ]
        assert core.subnet() == ip_network("100.64.2.0/24")
        assert (await core.answered("mec2"))[-1] == ("update", [("remove", "breakout-mec2"), ("add", "release-1")])

    asyncio.run(run())


@pytest.mark.parametrize("gate", ["controller", "answers"])
def test_the_device_is_not_told_before_breakout_and_answer_are_there(gate):
    async def run():
        core = Core(make_plan())
        await core.established()
        await core.answered("mec1")
        getattr(core, gate).clear()
        core.function.relocate(Relocation(update=1, device="ue1", ap="ap2", host="mec2"))
        for _ in range(100):
            await asyncio.sleep(0)
        assert "update" in {step[0] for step in core.did}
        assert "tell" not in {step[0] for step in core.did}
        getattr(core, gate).set()
        await core.function.settled()
        assert core.did[-1][0] == "tell"

    asyncio.run(run())


def test_a_silent_controller_keeps_the_device_waiting_only_as_long_as_patience_lasts():
    async def run():
        core = Core(make_plan())
        core.function = SessionFunction(Deployment(core.plan), core, core, core, core, "http://10.0.20.10/x", 0.0)
        await core.established()
        await core.answered("mec1")
        core.controller.clear()
        core.function.relocate(Relocation(update=1, device="ue1", ap="ap2", host="mec2"))
        while "tell" not in {step[0] for step in core.did}:
            await asyncio.sleep(0)
        core.controller.set()
        await core.function.settled()

    asyncio.run(run())


def test_pre_established_moves_no_breakout_and_tells_the_device():
    async def run():
        core = Core(make_plan("pre-established"))
        await core.established()
        _, did = await core.relocated("ap2", "mec2", 1)
        assert did == [
            ("update", [("replace", "application")]),
            ("confirm", "100.64.2.0/24", "10.1.2.10"),
            ("tell", "ue1", "10.1.1.10/32"),
        ]

    asyncio.run(run())


def test_a_move_without_another_host_updates_the_context_and_tells_nobody():
    async def run():
        core = Core(make_plan())
        await core.established()
        await core.answered("mec1")
        _, did = await core.relocated("ap2", "mec1", 1)
        assert {step[0] for step in did} == {"breakouts", "breakouts done", "update"}
        assert core.subnet() == ip_network("100.64.2.0/24")

    asyncio.run(run())


def test_another_host_without_a_move_tells_the_device():
    async def run():
        core = Core(make_plan("pre-established"))
        await core.established()
        _, did = await core.relocated("ap1", "mec2", 1)
        assert did == [("confirm", "100.64.1.0/24", "10.1.2.10"), ("tell", "ue1", "10.1.1.10/32")]

    asyncio.run(run())


def test_the_first_attach_where_the_plan_has_it_changes_nothing():
    async def run():
        core = Core(make_plan())
        await core.established()
        assert await core.relocated("ap1", "mec1", 1) == ("accepted", [])

    asyncio.run(run())


def test_repeated_and_older_relocations_change_nothing():
    async def run():
        core = Core(make_plan())
        await core.established()
        await core.relocated("ap2", "mec2", 5)
        assert await core.relocated("ap2", "mec2", 5) == ("outdated", [])
        assert await core.relocated("ap1", "mec1", 4) == ("outdated", [])
        assert core.function.sessions["ue1"].ap == "ap2"

    asyncio.run(run())


def test_relocations_that_come_together_are_carried_out_in_order():
    async def run():
        core = Core(make_plan())
        await core.established()
        for update, site in enumerate((2, 1, 2), 1):
            core.function.relocate(Relocation(update=update, device="ue1", ap=f"ap{site}", host=f"mec{site}"))
        await core.function.settled()
        told = [step[2] for step in core.take() if step[0] == "tell"]
        assert told == ["10.1.1.10/32", "10.1.2.10/32", "10.1.1.10/32"]
        assert core.subnet() == ip_network("100.64.2.0/24")

    asyncio.run(run())


def test_a_session_that_bypasses_the_easdf_is_followed_but_told_nothing():
    async def run():
        core = Core(make_plan(bypassing=("ue1",)))
        await core.established()
        assert await core.relocated("ap2", "mec2", 1) == ("accepted", [])
        assert core.function.sessions["ue1"].listed()["host"] == "mec2"
        assert (await core.relocated("ap2", "mec2", 2, "ue2"))[1][-1][0] == "tell"

    asyncio.run(run())


def test_a_device_is_not_told_to_look_up_what_the_easdf_would_answer_as_before():
    async def run():
        core = Core(make_plan())
        await core.established()
        core.easdf_accepts = False
        _, did = await core.relocated("ap2", "mec2", 1)
        assert "tell" not in {step[0] for step in did}

    asyncio.run(run())


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"device": "ue9"}, "device ue9; expected one of ue1, ue2"),
        ({"ap": "ap9"}, "access point ap9; expected one of ap1, ap2"),
        ({"host": "cloud"}, "MEC host cloud; expected one of mec1, mec2"),
    ],
)
def test_unknown_names_are_refused(changed, words):
    core = Core(make_plan())
    body = {"update": 1, "device": "ue1", "ap": "ap2", "host": "mec2"} | changed
    with pytest.raises(Unknown, match=words):
        core.function.relocate(Relocation.model_validate(body))


def test_a_device_with_another_address_at_its_new_access_point_has_its_context_changed_in_one_patch():
    async def run():
        core = Core(make_plan(variant="pre-established", address="per-anchor"))
        assert ("create", "100.64.1.1") in await core.established()
        _, did = await core.relocated("ap2", "mec2", 1)
        items = [("replace", "/ueIpv4Addr"), ("replace", "/ueIpv6Prefix"), ("replace", "application")]
        assert ("update", items) in did
        content = core.contents["/contexts/100.64.1.1"]
        assert (content["ueIpv4Addr"], content["ueIpv6Prefix"]) == ("100.64.2.1", "2001:db8:a00:200::1/128")
        _, did = await core.relocated("ap2", "mec1", 2)
        assert [what for what, *_ in did if what == "update"] == []

    asyncio.run(run())
