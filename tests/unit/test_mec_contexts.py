"""Application contexts: who may have which, what of it may change, where notifications may go."""

from ipaddress import ip_address
from typing import Any

import pytest

from hosts.platform.contexts import Callback, Contexts, Duplicate, parse_callback
from hosts.web.problems import Refusal
from meclab import devapp
from meclab.devapp import AppContext

OWN = (ip_address("10.45.0.1"), ip_address("2001:db8:45::1"))


def stated(application: dict[str, Any] | None = None, **more: Any) -> AppContext:
    info = {"appName": devapp.APP_NAME, "appProvider": devapp.APP_PROVIDER, "appDVersion": devapp.APP_VERSION}
    info |= {"userAppInstanceInfo": [{}], **(application or {})}
    return AppContext.model_validate({"associateDevAppId": "client", "appInfo": info, **more})


def status(call: Any, *arguments: Any) -> int:
    with pytest.raises(Refusal) as caught:
        call(*arguments)
    return caught.value.status


def test_every_context_has_an_identifier_of_its_own_that_tells_the_device() -> None:
    contexts = Contexts()
    first = contexts.create("ue1", 4, OWN, stated())
    contexts.delete(first.identifier, "ue1")
    second = contexts.create("ue1", 4, OWN, stated())
    assert (first.identifier, second.identifier) == ("ue1-1", "ue1-2")


def test_a_device_application_has_one_context() -> None:
    contexts = Contexts()
    first = contexts.create("ue1", 4, OWN, stated())
    with pytest.raises(Duplicate) as caught:
        contexts.create("ue1", 4, OWN, stated(callbackReference="http://10.45.0.1/x"))
    assert caught.value.known is first
    contexts.create("ue1", 4, OWN, stated(associateDevAppId="another"))
    contexts.create("ue2", 4, OWN, stated())
    assert len(contexts) == 3


@pytest.mark.parametrize(
    ("application", "expected"),
    [
        ({"appName": "other"}, 404),
        ({"appProvider": "other"}, 404),
        ({"appDVersion": "2"}, 404),
        ({"appDId": "other"}, 404),
        ({"appName": "other", "appPackageSource": "http://10.45.0.1/package"}, 403),
    ],
)
def test_an_application_that_there_is_not_is_refused(application: dict[str, Any], expected: int) -> None:
    contexts = Contexts()
    assert status(contexts.create, "ue1", 4, OWN, stated(application)) == expected
    assert len(contexts) == 0


def test_the_identifier_is_the_systems_to_give() -> None:
    assert status(Contexts().create, "ue1", 4, OWN, stated(contextId="mine")) == 400


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("http://10.45.0.1:8099/notify?a=1", Callback("10.45.0.1", 8099, "/notify?a=1")),
        ("http://[2001:db8:45::1]:8099", Callback("2001:db8:45::1", 8099, "/")),
        ("http://10.45.0.1/x", Callback("10.45.0.1", 80, "/x")),
    ],
)
def test_a_callback_of_the_device_itself_is_read(reference: str, expected: Callback) -> None:
    assert parse_callback(reference, OWN) == expected


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("http://10.45.0.2:8099/", 403),
        ("http://127.0.0.1:8090/v1/loads", 403),
        ("http://app.edge.example/", 400),
        ("https://10.45.0.1/", 400),
        ("ftp://10.45.0.1/", 400),
        ("http://user@10.45.0.1/", 400),
        ("http://10.45.0.1:99999/", 400),
        ("http://10.45.0.1/a b", 400),
        ("http://10.45.0.1/a\r\nHost: x", 400),
        ("http://10.45.0.1/#part", 400),
        ("http://[", 400),
        ("", 400),
    ],
)
def test_a_callback_elsewhere_or_none_at_all_is_refused(reference: str, expected: int) -> None:
    assert status(parse_callback, reference, OWN) == expected


def test_callback_and_location_change_and_what_is_left_out_stays() -> None:
    contexts = Contexts()
    context = contexts.create("ue1", 4, OWN, stated(callbackReference="http://10.45.0.1/a"))
    here = {"userAppInstanceInfo": [{"appLocation": {"countryCode": "DE"}}]}
    contexts.update(context.identifier, "ue1", OWN, stated(here))
    assert context.callback == Callback("10.45.0.1", 80, "/a")
    location = context.stated.appInfo.userAppInstanceInfo[0].appLocation
    assert location is not None and location.countryCode == "DE"
    contexts.update(context.identifier, "ue1", OWN, stated(callbackReference="http://10.45.0.1/b"))
    assert context.callback == Callback("10.45.0.1", 80, "/b")


@pytest.mark.parametrize(
    ("application", "more", "expected"),
    [
        ({}, {"associateDevAppId": "other"}, 403),
        ({"appName": "other"}, {}, 403),
        ({}, {"appAutoInstantiation": True}, 403),
        ({}, {"contextId": "ue1-9"}, 400),
        ({}, {"callbackReference": "http://10.45.0.2/"}, 403),
    ],
)
def test_nothing_else_of_a_context_changes(application: dict[str, Any], more: dict[str, Any], expected: int) -> None:
    contexts = Contexts()
    context = contexts.create("ue1", 4, OWN, stated(callbackReference="http://10.45.0.1/a"))
    before = context.stated
    assert status(contexts.update, context.identifier, "ue1", OWN, stated(application, **more)) == expected
    assert (context.stated, context.callback) == (before, Callback("10.45.0.1", 80, "/a"))


def test_a_context_is_its_own_devices_alone() -> None:
    contexts = Contexts()
    context = contexts.create("ue1", 4, OWN, stated())
    assert status(contexts.get, context.identifier, "ue2") == 403
    assert status(contexts.delete, context.identifier, "ue2") == 403
    assert status(contexts.get, "ue1-7", "ue1") == 404
