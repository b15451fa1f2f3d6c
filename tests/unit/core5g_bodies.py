"""DNS contexts for the tests of the EASDF and of the session function."""

from typing import Any

from hosts.core5g.neasdf import DnsContextCreateData

APP = "app.edge.example"


def names(*conditions: tuple[str, str]) -> list[dict[str, Any]]:
    """Patterns, one for each condition: (operator, string)."""
    return [
        {"stringMatchingRule": {"stringMatchingConditions": [{"matchingOperator": operator, "matchingString": text}]}}
        for operator, text in conditions
    ]


def query_rule(*applied: str, precedence: int = 10, patterns: Any = None, **fwd: Any) -> dict[str, Any]:
    actions = {str(n): {"applyAction": one} for n, one in enumerate(applied or ("FORWARD",))}
    if fwd:
        actions["0"]["fwdParas"] = forwarding(**fwd)
    template = {"mdtId": "1", "fqdnPatternList": patterns or names(("FULL_MATCH", APP))}
    return {"precedence": precedence, "dnsQueryMdtList": {"1": template}, "actionList": actions}


def forwarding(subnet: str | None = None, server: str | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if subnet:
        address, _, length = subnet.partition("/")
        kind = "ipv6Addr" if ":" in address else "ipv4Addr"
        option = {"sourcePrefixLength": int(length), "ipAddr": {kind: address}}
        found["ecsOptionInfo"] = {"ecsOption": option}
    if server:
        kind = "ipv6Addr" if ":" in server else "ipv4Addr"
        found["dnsServerAddressInfo"] = {"dnsServerAddressList": [{kind: server}]}
    return found


def response_rule(*applied: str, first: str = "10.1.1.10", last: str = "10.1.1.10", **more: Any) -> dict[str, Any]:
    template = {
        "mdtId": "1",
        "fqdnPatternList": names(("FULL_MATCH", APP)),
        "easIpv4AddrRanges": [{"start": first, "end": last}],
    }
    actions = {str(n): {"applyAction": one, **more} for n, one in enumerate(applied or ("REPORT", "BUFFER"))}
    return {"precedence": 20, "dnsRspMdtList": {"1": template}, "actionList": actions}


def release_rule(message: str, applied: str = "FORWARD", **fwd: Any) -> dict[str, Any]:
    action: dict[str, Any] = {"applyAction": applied}
    if fwd:
        action["fwdParas"] = forwarding(**fwd)
    return {"dnsMsgId": message, "actionList": {"1": action}}


def content(rules: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """A context of the device 10.45.0.1."""
    return {
        "ueIpv4Addr": "10.45.0.1",
        "ueIpv6Prefix": "2001:db8:45::1/128",
        "dnn": "edge",
        "sNssai": {"sst": 1},
        "notifyUri": "http://10.0.20.10:8098/nsmf-callback/v1/dns-contexts/ue1",
        "dnsRules": rules or {"application": query_rule(subnet="100.64.1.0/24", server="10.0.18.10")},
        **fields,
    }


def data(rules: dict[str, Any] | None = None, **fields: Any) -> DnsContextCreateData:
    return DnsContextCreateData.model_validate(content(rules, **fields))
