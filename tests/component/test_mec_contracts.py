"""Platform, platform manager and device application proxy against ETSI's OpenAPI descriptions.

Valid requests must be granted where they name what there is, and refused in the described way where they do not;
invalid ones must be refused and change nothing.
"""

from collections.abc import Iterator
from typing import Any

import httpx
import jsonschema_rs
import pytest
from contract import Attribute, Case, Description, described, exchange, narrowed, opened, placeholders
from mec_lab import free_port, manager, plan, platform, proxy, taker

STATES = ["ACTIVE", "INACTIVE"]
FAMILIES = ["IP_V4", "IP_V6"]
ACTIONS = [
    *("DROP", "FORWARD_DECAPSULATED", "FORWARD_ENCAPSULATED"),
    *("PASSTHROUGH", "DUPLICATE_DECAPSULATED", "DUPLICATE_ENCAPSULATED"),
]
TRAFFIC = {"filterType": ["FLOW", "PACKET"], "action": ACTIONS, "priority": list(range(256))}
INTERFACES = ["IP", "MAC", "TUNNEL"]
DNS_RULE = {"dnsRuleId": "a", "domainName": "app.edge.example.", "ipAddressType": "IP_V4", "ipAddress": "10.1.1.10"}


def refused(case: Case, response: Any) -> None:
    """No invalid request is granted. A null is an attribute left out, and no reason to refuse."""
    if not has_null(case.body):
        assert 400 <= response.status_code < 500, f"{response.status_code} for {case.body!r}"


def has_null(content: Any) -> bool:
    """Whether there is a null anywhere in it."""
    parts = content.values() if isinstance(content, dict) else content if isinstance(content, list) else ()
    return content is None or any(map(has_null, parts))


def of(schema: str, attributes: dict[str, list[Any]]) -> dict[Attribute, list[Any]]:
    return {(schema, name): values for name, values in attributes.items()}


def one_of(rule: dict[str, Any]) -> dict[str, list[Any]]:
    """Values by which only a rule's state is open."""
    return {name: [value] for name, value in rule.items() if name != "state"} | {"state": STATES}


# The platform, GS MEC 011.


@pytest.fixture(scope="module")
def mec011() -> Description:
    return described("mec011-MecAppSupportApi.yaml")


@pytest.fixture(scope="module")
def mep() -> Iterator[httpx.Client]:
    """A platform with one DNS rule; its base URL is the interface's."""
    dns, controller = free_port(), free_port()
    with platform(plan("ecs"), "mec1", free_port(), dns, controller) as http, taker(dns), taker(controller):
        configuration = {"instance": "app-mec1", "update": 1, "appDNSRule": [DNS_RULE]}
        http.post("/mm5/v1/configurations", json={"configurations": [configuration]}).raise_for_status()
        http.base_url = http.base_url.join("/mec_app_support/v1/")
        yield http


def support(mec011: Description) -> Description:
    values = of("DnsRule", {"state": STATES, "ipAddressType": FAMILIES}) | of(
        "TrafficRule", {"state": STATES, **TRAFFIC}
    )
    values |= {("DestinationInterface", "interfaceType"): INTERFACES, ("TunnelInfo", "tunnelType"): ["GTP_U", "GRE"]}
    parameters = {"appInstanceId": ["app-mec1"], "dnsRuleId": ["a", "b"], "trafficRuleId": ["mec1-ipv4", "b"]}
    return opened(mec011, values, {}, parameters)


def test_the_placeholders_of_the_platforms_description_are_those_replaced_here(mec011: Description) -> None:
    assert placeholders(mec011) == {
        *(("DnsRule", "state"), ("DnsRule", "ipAddressType")),
        *(("TrafficRule", "state"), ("TrafficRule", "filterType")),
        *(("DestinationInterface", "interfaceType"), ("TunnelInfo", "tunnelType")),
        ("AppTerminationConfirmation", "operationAction"),
    }


@pytest.mark.parametrize("kind", ["dns", "traffic"])
def test_rules_are_read_as_described(mec011: Description, mep: httpx.Client, kind: str) -> None:
    for path in (f"{kind}_rules", f"{kind}_rules/{{{kind}RuleId}}"):
        target = f"/applications/{{appInstanceId}}/{path}"
        assert exchange(support(mec011), "get", target, "positive", str(mep.base_url)) > 0


@pytest.mark.parametrize(("kind", "schema"), [("dns", "DnsRule"), ("traffic", "TrafficRule")])
def test_a_valid_change_of_a_rules_state_is_granted(
    mec011: Description, mep: httpx.Client, kind: str, schema: str
) -> None:
    (rule, *_) = mep.get(f"applications/app-mec1/{kind}_rules").json()
    only_state = of(schema, {name: [value] for name, value in rule.items() if name != "state"})
    unset = [(schema, "ttl")] if kind == "dns" else []
    requests = narrowed(support(mec011), only_state, unset)
    target = f"/applications/{{appInstanceId}}/{kind}_rules/{{{kind}RuleId}}"
    for parameter in requests["paths"][target]["put"]["parameters"]:
        if parameter["name"] == f"{kind}RuleId":
            parameter["schema"]["enum"] = [rule[f"{kind}RuleId"]]

    def granted(case: Case, response: Any) -> None:
        assert response.status_code == 200, f"{response.text} for {case.body}"
        assert response.json()["state"] == case.body["state"]
        assert response.headers["etag"]

    assert exchange(support(mec011), "put", target, "positive", str(mep.base_url), granted, requests, 15) > 1


@pytest.mark.parametrize("kind", ["dns", "traffic"])
@pytest.mark.parametrize("mode", ["positive", "negative"])
def test_every_other_change_is_refused_and_changes_nothing(
    mec011: Description, mep: httpx.Client, kind: str, mode: str
) -> None:
    before = mep.get(f"applications/app-mec1/{kind}_rules").json()
    target = f"/applications/{{appInstanceId}}/{kind}_rules/{{{kind}RuleId}}"
    assert exchange(support(mec011), "put", target, mode, str(mep.base_url), refused) > 1
    assert mep.get(f"applications/app-mec1/{kind}_rules").json() == before


# The platform manager, GS MEC 010-2.

CONFIGURE = "/app_instances/{appInstanceId}/configure_platform_for_app"
BEYOND = [
    *("appServiceRequired", "appServiceOptional", "appServiceProduced", "appFeatureRequired", "appFeatureOptional"),
    *("transportDependencies", "appLatency", "userContextTransferCapability", "appNetworkPolicy"),
]


@pytest.fixture(scope="module")
def mec010() -> Description:
    return described("mec010-2-AppLcm.yaml")


@pytest.fixture(scope="module")
def mepm() -> Iterator[httpx.Client]:
    """A platform manager whose platforms take everything."""
    port = free_port()
    with manager(plan("ecs"), free_port(), {"mec1": port, "mec2": port}) as http, taker(port):
        http.base_url = http.base_url.join("/app_lcm/v1/")
        yield http


def lifecycle(mec010: Description) -> Description:
    """With the lab's extensions: `update`, `state` and `clientSubnet`; without what it does not configure."""
    values = {
        **of("TrafficRuleDescriptor", TRAFFIC),
        ("DNSRuleDescriptor", "ipAddressType"): FAMILIES,
        ("InterfaceDescriptor", "interfaceType"): INTERFACES,
        ("TunnelInfo", "tunnelType"): ["GTP-U", "GRE"],
        ("AppLcmOpOcc", "operationState"): ["STARTING", "PROCESSING", "COMPLETED", "FAILED", "FAILED_TEMP"],
        ("AppLcmOpOcc", "lcmOperation"): ["INSTANTIATE", "OPERATE", "TERMINATE"],
    }
    parameters = {"appInstanceId": ["app-mec1", "app-mec2"], "appLcmOpOccId": ["op-1", "none"]}
    made = opened(mec010, values, {("post", CONFIGURE): [404]}, parameters)
    made = narrowed(made, {}, [("ConfigPlatformForAppRequest", name) for name in BEYOND])
    schemas = made["components"]["schemas"]
    schemas["ConfigPlatformForAppRequest"]["required"] = ["update"]
    schemas["ConfigPlatformForAppRequest"]["properties"]["update"] = {"type": "integer", "minimum": 0}
    state = {"type": "string", "enum": STATES}
    schemas["TrafficRuleDescriptor"]["properties"]["state"] = state
    subnets = {"type": "array", "items": {"type": "string", "enum": ["100.64.1.0/24", "2001:db8:a00:100::/56"]}}
    schemas["DNSRuleDescriptor"]["properties"] |= {"state": state, "clientSubnet": subnets}
    del made["paths"][CONFIGURE]["post"]["responses"]["202"]["content"]
    return made


def test_the_placeholders_of_the_managers_description_are_among_those_replaced_here(mec010: Description) -> None:
    used = {"DNSRuleDescriptor", "TrafficRuleDescriptor", "InterfaceDescriptor", "TunnelInfo", "AppLcmOpOcc"}
    assert {(name, attribute) for name, attribute in placeholders(mec010) if name in used} == {
        *(("TrafficRuleDescriptor", "filterType"), ("TrafficRuleDescriptor", "action")),
        *(("InterfaceDescriptor", "interfaceType"), ("TunnelInfo", "tunnelType")),
        *(("AppLcmOpOcc", "operationState"), ("AppLcmOpOcc", "lcmOperation")),
    }


def test_a_configuration_of_what_there_is_is_accepted_and_its_operation_can_be_read(
    mec010: Description, mepm: httpx.Client
) -> None:
    known = of("DNSRuleDescriptor", {"domainName": ["app.edge.example.", "APP.edge.example"]})
    known |= of("DNSRuleDescriptor", {"ipAddressType": ["IP_V4"], "ipAddress": ["10.1.1.10", "10.1.2.10"]})
    known |= of("DNSRuleDescriptor", {"ttl": [0, 10]}) | of("ConfigPlatformForAppRequest", {"update": [1, 2, 3]})
    known |= of("TrafficRuleDescriptor", {"trafficRuleId": ["t"], "action": ["FORWARD_DECAPSULATED"]})
    known |= of("TrafficRuleDescriptor", {"trafficFilter": [[{"dstAddress": ["10.1.1.10/32"]}]]})
    known |= of("TrafficRuleDescriptor", {"dstInterface": [{"interfaceType": "IP", "dstIPAddress": "10.1.1.10"}]})
    requests = narrowed(lifecycle(mec010), known)
    requests["paths"][CONFIGURE]["post"]["parameters"][0]["schema"]["enum"] = ["app-mec1"]
    properties = requests["components"]["schemas"]["ConfigPlatformForAppRequest"]["properties"]
    properties["appTrafficRule"]["maxItems"] = properties["appDNSRule"]["maxItems"] = 1

    def accepted(case: Case, response: Any) -> None:
        assert (response.status_code, response.content) == (202, b""), f"{response.text} for {case.body}"
        assert mepm.get(response.headers["location"][0]).json()["operationState"] in ("PROCESSING", "COMPLETED")

    description = lifecycle(mec010)
    assert exchange(description, "post", CONFIGURE, "positive", str(mepm.base_url), accepted, requests) > 10
    target = "/app_lcm_op_occs/{appLcmOpOccId}"
    assert exchange(description, "get", target, "positive", str(mepm.base_url)) > 1


@pytest.mark.parametrize("mode", ["positive", "negative"])
def test_other_configurations_are_refused_as_described(mec010: Description, mepm: httpx.Client, mode: str) -> None:
    description = lifecycle(mec010)
    if mode == "positive":
        request = description["components"]["schemas"]["ConfigPlatformForAppRequest"]
        request["properties"]["appDNSRule"]["minItems"] = 1
        request["required"] = ["update", "appDNSRule"]
    assert exchange(description, "post", CONFIGURE, mode, str(mepm.base_url), refused) > 10


# The device application proxy, GS MEC 016.

CONTEXTS = "/app_contexts"
ONE = "/app_contexts/{contextId}"
APPLICATION = {"appName": ["app"], "appProvider": ["meclab"], "appDVersion": ["1"], "appDId": ["meclab-app"]}


@pytest.fixture(scope="module")
def mec016() -> Description:
    return described("mec016-UEAppInterfaceApi.yaml")


@pytest.fixture
def ualcmp() -> Iterator[httpx.Client]:
    """A proxy with a decision and one context, `ue1-1`, of the device application `client`."""
    with proxy(plan("devapp"), free_port(), free_port()) as http:
        http.post("/v1/serving", json={"update": 1, "serving": {"ue1": "mec1"}}).raise_for_status()
        info = {name: values[0] for name, values in APPLICATION.items()}
        body = {"associateDevAppId": "client", "appInfo": {**info, "userAppInstanceInfo": []}}
        http.base_url = http.base_url.join("/dev_app/v1/")
        http.post("app_contexts", json=body).raise_for_status()
        yield http


def device(mec016: Description) -> Description:
    """With the lengths that the text gives; 204 has no content."""
    made = opened(mec016, {}, {("post", CONTEXTS): [409, 503]}, {"contextId": ["ue1-1"]})
    for method in ("put", "delete"):
        made["paths"][ONE][method]["responses"]["204"].pop("content", None)
    schemas = made["components"]["schemas"]
    limits = {
        "AppContext": ["contextId", "associateDevAppId"],
        "AppInfo1": ["appName", "appProvider", "appSoftVersion"],
    }
    for schema, names in limits.items():
        for name in names:
            schemas[schema]["properties"][name]["maxLength"] = 32
    schemas["AppInfo1"]["properties"]["appDescription"]["maxLength"] = 128
    return made


CALLBACKS = {("AppContext", "callbackReference"): ["http://127.0.0.1:9/notify", "http://[::1]:9/"]}


def test_the_list_of_applications_is_as_described(mec016: Description, ualcmp: httpx.Client) -> None:
    description = device(mec016)
    continuity = description["components"]["parameters"]["Query.Servicecont"]
    for path, mode in (("/app_list", "positive"), ("/app_list", "negative")):
        assert exchange(description, "get", path, mode, str(ualcmp.base_url)) > 1
    continuity["schema"]["enum"] = [0, 1]

    def granted(case: Case, response: Any) -> None:
        assert response.status_code == 200

    assert exchange(description, "get", "/app_list", "positive", str(ualcmp.base_url), granted) > 1


def test_a_valid_context_is_created_and_a_second_one_is_a_conflict(mec016: Description, ualcmp: httpx.Client) -> None:
    values = of("AppInfo1", APPLICATION) | CALLBACKS
    requests = narrowed(device(mec016), values, [("AppContext", "contextId"), ("AppInfo1", "appPackageSource")])
    seen = {"client"}

    def created(case: Case, response: Any) -> None:
        name = case.body["associateDevAppId"]
        assert response.status_code == (409 if name in seen else 201), f"{response.text} for {case.body}"
        seen.add(name)

    assert exchange(device(mec016), "post", CONTEXTS, "positive", str(ualcmp.base_url), created, requests) > 10
    assert len(seen) > 5


def test_contexts_that_cannot_be_are_refused_as_described(mec016: Description, ualcmp: httpx.Client) -> None:
    description = device(mec016)
    for mode in ("positive", "negative"):
        assert exchange(description, "post", CONTEXTS, mode, str(ualcmp.base_url), refused) > 10


def test_a_valid_update_of_a_context_is_granted(mec016: Description, ualcmp: httpx.Client) -> None:
    values = of("AppInfo1", APPLICATION) | of("AppContext", {"associateDevAppId": ["client"], "contextId": ["ue1-1"]})
    left_out = [("AppContext", name) for name in ("appLocationUpdates", "appAutoInstantiation")]
    left_out += [("AppInfo1", name) for name in ("appPackageSource", "appSoftVersion", "appDescription")]

    def granted(case: Case, response: Any) -> None:
        assert response.status_code == 204, f"{response.text} for {case.body}"

    requests = narrowed(device(mec016), values | CALLBACKS, left_out)
    assert exchange(device(mec016), "put", ONE, "positive", str(ualcmp.base_url), granted, requests) > 10


def test_other_updates_are_refused_and_the_context_can_be_deleted_once(
    mec016: Description, ualcmp: httpx.Client
) -> None:
    description = device(mec016)
    for mode in ("positive", "negative"):
        assert exchange(description, "put", ONE, mode, str(ualcmp.base_url), refused) > 10
    statuses: list[int] = []
    exchange(description, "delete", ONE, "positive", str(ualcmp.base_url), lambda _, r: statuses.append(r.status_code))
    assert statuses[0] == 204 and set(statuses[1:]) <= {404}


def test_a_notification_is_as_described(mec016: Description, ualcmp: httpx.Client) -> None:
    port = free_port()
    with taker(port) as device_application:
        info = {name: values[0] for name, values in APPLICATION.items()}
        body = {"associateDevAppId": "other", "appInfo": {**info, "userAppInstanceInfo": []}}
        body["callbackReference"] = f"http://127.0.0.1:{port}/"
        ualcmp.post("app_contexts", json=body).raise_for_status()
        ualcmp.post(ualcmp.base_url.join("/v1/serving"), json={"update": 2, "serving": {"ue1": "mec2"}})
        schema = mec016["components"]["schemas"]["AddressChangeNotification"]
        jsonschema_rs.validate({**schema, "components": mec016["components"]}, device_application.next())
