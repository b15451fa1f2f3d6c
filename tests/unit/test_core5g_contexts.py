"""DNS contexts: what is done with which message, and what updates do to it."""

from ipaddress import ip_address, ip_network

import pytest
from core5g_bodies import APP, content, data, names, query_rule, release_rule, response_rule
from pydantic import ValidationError

from hosts.core5g import patches
from hosts.core5g.commondata import PatchItem
from hosts.core5g.contexts import Contexts
from hosts.core5g.handling import PLAIN
from hosts.core5g.neasdf import DnsContextCreateData
from hosts.core5g.problems import Problem, misfit
from meclab.errors import PeerError

UE = ip_address("10.45.0.1")
UE6 = ip_address("2001:db8:45::1")
MEC1, MEC2 = ip_address("10.1.1.10"), ip_address("10.1.2.10")


def made(rules=None, **fields):
    contexts = Contexts()
    return contexts, contexts.create(data(rules, **fields))


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        (names(("FULL_MATCH", "App.Edge.Example.")), ["app.edge.example.", "APP.edge.example"], ["x.app.edge.example"]),
        (names(("ENDS_WITH", ".edge.example")), ["a.b.edge.example."], ["edge.example", "edge.example.org"]),
        (names(("STARTS_WITH", "app.")), ["app.example."], ["my.app.example"]),
        (names(("CONTAINS", "edge")), ["a.edges.example"], ["a.example"]),
        (names(("NOT_END_WITH", ".example")), ["example.org"], ["a.example."]),
        (names(("NOT_START_WITH", "app"), ("FULL_MATCH", "apple")), ["x.example", "apple"], ["app.example"]),
        (names(("NOT_CONTAIN", "edge")), ["app.example"], ["edge.example"]),
        ([{"regex": r"^app[0-9]+\.edge\."}], ["app12.edge.example", "APP1.EDGE.example."], ["app.edge.example"]),
        ([{"stringMatchingRule": {"stringMatchingConditions": [{"matchingOperator": "MATCH_ALL"}]}}], ["."], []),
    ],
)
def test_names_match_by_pattern_whatever_their_case_and_final_dot(pattern, matching, other):
    _, context = made({"1": query_rule("DISCARD", patterns=pattern)})
    assert all(context.of_query(name, UE).discard for name in matching)
    assert not any(context.of_query(name, UE).discard for name in other)


def test_all_conditions_of_one_pattern_have_to_hold():
    condition = [
        {"matchingOperator": "STARTS_WITH", "matchingString": "app."},
        {"matchingOperator": "ENDS_WITH", "matchingString": ".example"},
    ]
    pattern = [{"stringMatchingRule": {"stringMatchingConditions": condition}}]
    _, context = made({"1": query_rule("DISCARD", patterns=pattern)})
    assert context.of_query("app.edge.example", UE).discard
    assert not context.of_query("app.edge.org", UE).discard


def test_the_rule_with_the_lowest_precedence_value_decides_and_one_without_comes_last():
    late = query_rule("DISCARD", patterns=names(("ENDS_WITH", "example")))
    del late["precedence"]
    rules = {
        "a": late,
        "b": query_rule(precedence=7, subnet="100.64.7.0/24"),
        "c": query_rule(precedence=3, subnet="100.64.3.0/24"),
    }
    _, context = made(rules)
    assert context.of_query(APP, UE).rule == "c"
    assert context.of_query("www.example", UE).rule == "a"


def test_a_query_s_rule_says_where_it_goes_and_for_whom():
    _, context = made()
    said = context.of_query(APP, UE)
    assert (said.subnet, said.servers) == (ip_network("100.64.1.0/24"), (ip_address("10.0.18.10"),))
    assert context.of_query("www.example.org", UE) == PLAIN


def test_a_template_with_a_source_is_for_that_source():
    rule = query_rule("DISCARD")
    rule["dnsQueryMdtList"]["1"]["sourceIpv4Addr"] = str(UE)
    _, context = made({"1": rule})
    assert context.of_query(APP, UE).discard
    assert not context.of_query(APP, ip_address("10.45.0.2")).discard
    assert not context.of_query(APP, UE6).discard


@pytest.mark.parametrize(
    ("address", "found"),
    [("10.1.1.9", False), ("10.1.1.10", True), ("10.1.1.20", True), ("10.1.1.21", False), ("2001:db8::1", False)],
)
def test_a_response_matches_with_an_address_in_the_range_ends_included(address, found):
    _, context = made({"1": query_rule(), "2": response_rule(last="10.1.1.20")})
    said = context.of_response(APP, (ip_address("203.0.113.10"), ip_address(address)))
    assert (said.report, said.buffer) == (found, found)
    assert context.of_response("www.example.org", (MEC1,)) == PLAIN


def test_ipv6_ranges_go_from_the_first_address_of_one_prefix_to_the_last_of_another():
    rule = response_rule()
    template = rule["dnsRspMdtList"]["1"]
    del template["easIpv4AddrRanges"]
    template["easIpv6PrefixRanges"] = [{"start": "2001:db8:1:1::/64", "end": "2001:db8:1:2::/64"}]
    _, context = made({"1": rule})
    inside = ["2001:db8:1:1::", "2001:db8:1:2:ffff::1"]
    assert all(context.of_response(APP, (ip_address(one),)).buffer for one in inside)
    assert not context.of_response(APP, (ip_address("2001:db8:1:3::"), MEC1)).buffer


def test_what_is_reported_once_is_reported_again_only_when_told():
    contexts, context = made({"1": response_rule(reportingOnceInd=True)})
    said = context.of_response(APP, (MEC1,))
    assert [context.reports(said) for _ in range(3)] == [True, False, False]
    contexts.replace(context.identifier, context.data)
    assert not contexts.at(UE).reports(said)
    again = data({"1": response_rule(reportingOnceInd=True, resetReportingOnceInd=True)})
    contexts.replace(context.identifier, again)
    assert contexts.at(UE).reports(said)


def test_a_device_is_found_by_each_of_its_addresses_and_by_a_prefix():
    contexts, context = made()
    assert contexts.at(UE) is contexts.at(UE6) is context
    assert contexts.at(ip_address("10.45.0.2")) is None
    wide = contexts.create(data(ueIpv4Addr="10.45.0.2", ueIpv6Prefix="2001:db8:45:2::/64"))
    assert contexts.at(ip_address("2001:db8:45:2::99")) is wide
    contexts.delete(wide.identifier)
    assert contexts.at(ip_address("2001:db8:45:2::99")) is contexts.at(ip_address("10.45.0.2")) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"ueIpv6Prefix": "2001:db8:46::1/128"},
        {"ueIpv4Addr": "10.45.0.9"},
        {"ueIpv4Addr": "10.45.0.9", "ueIpv6Prefix": "2001:db8:45::/64"},
    ],
)
def test_a_device_has_one_context_and_a_second_is_refused_with_the_first_s_uri(fields):
    contexts, context = made()
    with pytest.raises(Problem) as refused:
        contexts.create(data(**fields))
    assert (refused.value.status, refused.value.more["cause"]) == (403, "UE_ADDRESS_IN_USE")
    assert refused.value.more["instance"].endswith(f"/dns-contexts/{context.identifier}")
    assert contexts.at(UE) is context


def test_prefixes_that_overlap_are_one_device_s():
    contexts, wide = made(ueIpv6Prefix="2001:db8:45::/64")
    for prefix in ("2001:db8:45::7/128", "2001:db8:45::/96", "2001:db8::/32"):
        with pytest.raises(Problem) as refused:
            contexts.create(data(ueIpv4Addr="10.45.0.9", ueIpv6Prefix=prefix))
        assert refused.value.more["instance"].endswith(wide.identifier)


def test_a_context_that_takes_another_s_address_is_refused_and_changes_nothing():
    contexts, first = made()
    second = contexts.create(data(ueIpv4Addr="10.45.0.2", ueIpv6Prefix="2001:db8:45::2/128"))
    with pytest.raises(Problem):
        contexts.replace(second.identifier, data())
    assert (contexts.at(UE), contexts.at(ip_address("10.45.0.2"))) == (first, second)


@pytest.mark.parametrize("change", ["replace", "patch", "delete"])
def test_an_unknown_context_is_not_found(change):
    arguments = {"replace": (data(),), "patch": ([],), "delete": ()}[change]
    with pytest.raises(Problem) as refused:
        getattr(Contexts(), change)("none", *arguments)
    assert (refused.value.status, refused.value.more["cause"]) == (404, "CONTEXT_NOT_FOUND")


def patch(contexts, context, *items):
    return contexts.patch(context.identifier, [PatchItem.model_validate(item) for item in items])


def test_a_patch_changes_rules_and_releases_messages_in_one_step():
    contexts, context = made({"1": query_rule(subnet="100.64.1.0/24"), "2": response_rule()})
    (release,) = patch(
        contexts,
        context,
        {"op": "replace", "path": "/dnsRules/1", "value": query_rule(subnet="100.64.2.0/24")},
        {"op": "remove", "path": "/dnsRules/2"},
        {"op": "add", "path": "/dnsRules/release-7", "value": release_rule("7")},
    )
    assert (release.message, release.path, release.handling.discard) == ("7", "/dnsRules/release-7", False)
    now = contexts.at(UE)
    assert now.of_query(APP, UE).subnet == ip_network("100.64.2.0/24")
    assert now.of_response(APP, (MEC1,)) == PLAIN
    assert list(now.data.dnsRules) == ["1"]


@pytest.mark.parametrize(
    "items",
    [
        [{"op": "remove", "path": "/dnsRules/9"}],
        [{"op": "remove", "path": "/dnsRules/1"}],
        [{"op": "remove", "path": "/dnsRules"}],
        [{"op": "replace", "path": "/ueIpv4Addr", "value": "nowhere"}],
        [{"op": "test", "path": "/dnn", "value": "internet"}],
        [{"op": "add", "path": "/surprise", "value": 1}],
        [{"op": "remove", "path": ""}],
        [{"op": "replace", "path": "", "value": []}],
        [
            {"op": "replace", "path": "/dnsRules/1", "value": query_rule("DISCARD")},
            {"op": "replace", "path": "/dnsRules/2", "value": {}},
        ],
    ],
)
def test_a_patch_that_cannot_be_carried_out_is_refused_and_changes_nothing(items):
    contexts, context = made({"1": query_rule(subnet="100.64.1.0/24")})
    with pytest.raises(Problem) as refused:
        patch(contexts, context, *items)
    assert refused.value.status == 400
    assert contexts.at(UE) is context


def test_rules_for_one_message_alone_are_no_context():
    with pytest.raises(Problem):
        made({"1": release_rule("7")})


@pytest.mark.parametrize(
    ("changed", "param"),
    [
        ({"dnsRules": {}}, "/dnsRules"),
        ({"dnn": None}, "/dnn"),
        ({"ueIpv4Addr": "10.45.0.1/32"}, "/ueIpv4Addr"),
        ({"ueIpv6Prefix": "2001:db8:45::1/64"}, "/ueIpv6Prefix"),
        ({"sNssai": {"sst": 256}}, "/sNssai/sst"),
        ({"notifyUri": "smf"}, "/notifyUri"),
        ({"colour": "red"}, "/colour"),
        ({"dnsRules": {"a/b": {"actionList": {"1": {"applyAction": "FORWARD"}}}}}, "/dnsRules/a~1b"),
        ({"dnsRules": {"1": query_rule("BLESS")}}, "/dnsRules/1/actionList/0/applyAction"),
        ({"dnsRules": {"1": query_rule("DISCARD", "FORWARD")}}, "/dnsRules/1"),
        ({"dnsRules": {"1": query_rule() | {"dnsMsgId": "1"}}}, "/dnsRules/1"),
        ({"dnsRules": {"1": response_rule(first="10.1.1.11")}}, "/dnsRules/1/dnsRspMdtList/1/easIpv4AddrRanges/0"),
        (
            {"dnsRules": {"1": query_rule(subnet="100.64.1.0/33")}},
            "/dnsRules/1/actionList/0/fwdParas/ecsOptionInfo/ecsOption",
        ),
        (
            {"dnsRules": {"1": query_rule(patterns=[{"regex": "("}])}},
            "/dnsRules/1/dnsQueryMdtList/1/fqdnPatternList/0/regex",
        ),
        ({"dnsRules": {"1": query_rule("REPORT")}, "notifyUri": None}, "/"),
        ({"ueIpv4Addr": None, "ueIpv6Prefix": None}, "/"),
    ],
)
def test_a_body_that_is_none_is_refused_with_the_parameter(changed, param):
    with pytest.raises(ValidationError) as found:
        DnsContextCreateData.model_validate(content() | changed)
    problem = misfit(found.value)
    assert problem.status == 400
    assert [one["param"] for one in problem.more["invalidParams"]] == [param]


def test_a_missing_part_and_a_body_that_is_no_json_have_causes_of_their_own():
    with pytest.raises(ValidationError) as missing:
        DnsContextCreateData.model_validate({key: value for key, value in content().items() if key != "dnn"})
    with pytest.raises(ValidationError) as garbled:
        DnsContextCreateData.model_validate_json("{")
    causes = [misfit(found.value).more["cause"] for found in (missing, garbled)]
    assert causes == ["MANDATORY_IE_MISSING", "INVALID_MSG_FORMAT"]


def test_the_operations_of_a_difference_lead_from_one_object_to_the_other():
    before = {"rules": {"a": 1, "b/c": [2], "d": 3}}
    after = {"rules": {"b/c": [2, 3], "d": 3, "~e": {}}}
    items = patches.difference(before["rules"], after["rules"], "rules")
    assert [(item["op"], item["path"]) for item in items] == [
        ("remove", "/rules/a"),
        ("replace", "/rules/b~1c"),
        ("add", "/rules/~0e"),
    ]
    assert patches.patched(before, [PatchItem.model_validate(item) for item in items]) == after


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"op": "add", "path": "/list/1", "value": 9}, {"list": [1, 9, 2]}),
        ({"op": "add", "path": "/list/-", "value": 9}, {"list": [1, 2, 9]}),
        ({"op": "remove", "path": "/list/0"}, {"list": [2]}),
        ({"op": "replace", "path": "/list/1", "value": 9}, {"list": [1, 9]}),
        ({"op": "move", "from": "/list/0", "path": "/list/1"}, {"list": [2, 1]}),
        ({"op": "copy", "from": "/list", "path": "/other"}, {"list": [1, 2], "other": [1, 2]}),
        ({"op": "test", "path": "/list/0", "value": 1}, {"list": [1, 2]}),
        ({"op": "replace", "path": "", "value": 3}, 3),
    ],
)
def test_every_operation_of_a_json_patch(item, expected):
    assert patches.patched({"list": [1, 2]}, [PatchItem.model_validate(item)]) == expected


@pytest.mark.parametrize(
    "item",
    [
        {"op": "add", "path": "/list/3", "value": 9},
        {"op": "remove", "path": "/list/-"},
        {"op": "replace", "path": "/other", "value": 9},
        {"op": "move", "from": "/list", "path": "/list/0"},
        {"op": "add", "path": "/list/0/x", "value": 9},
    ],
)
def test_an_operation_without_a_place_is_an_error(item):
    with pytest.raises(PeerError):
        patches.patched({"list": [1, 2]}, [PatchItem.model_validate(item)])
