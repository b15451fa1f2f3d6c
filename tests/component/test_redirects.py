"""Redirects between a front and serving hosts, followed by unmodified curl from a device's address."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from redirect_lab import DEVICE, Redirects, location, redirects

TOO_MANY_REDIRECTS = 47
"""curl's exit status."""


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Redirects]:
    with redirects(tmp_path) as running:
        yield running


def test_curl_comes_to_the_host_that_was_decided(lab: Redirects) -> None:
    lab.tell("front", 1, ue1="mec2")
    answer = json.loads(lab.curl("-L", lab.url("front", "/session/ue1?n=7")))
    assert answer == {"host": "mec2", "device": "ue1", "n": 7, "count": 1}


def test_the_location_is_absolute_with_path_and_query_as_they_were_sent(lab: Redirects) -> None:
    lab.tell("front", 1, ue1="mec2")
    head = lab.curl("-i", lab.url("front", "/session/ue1/a%2Fb%20c?n=7&x=%C3%A9"))
    assert head.startswith("HTTP/1.1 307 Temporary Redirect")
    assert location(head) == lab.url("mec2", "/session/ue1/a%2Fb%20c?n=7&x=%C3%A9")
    assert "cache-control: no-store" in head.lower()
    assert "mec-host: front" in head.lower()


def test_a_host_that_no_longer_serves_a_device_sends_it_on(lab: Redirects) -> None:
    lab.tell("mec1", 1, ue1="mec1")
    assert json.loads(lab.curl("-L", lab.url("mec1", "/session/ue1?n=1")))["host"] == "mec1"
    lab.tell("mec1", 2, ue1="mec2")
    lab.tell("mec2", 2, ue1="mec2")
    assert json.loads(lab.curl("-L", lab.url("mec1", "/session/ue1?n=2")))["host"] == "mec2"


def test_a_host_that_was_told_nothing_of_a_device_serves_it(lab: Redirects) -> None:
    lab.tell("mec1", 1, ue2="mec2")
    assert json.loads(lab.curl("-L", lab.url("mec1", "/session/ue1?n=1")))["host"] == "mec1"


@pytest.mark.parametrize("octets", [10, 3_000_000])
def test_a_post_arrives_with_its_method_and_body(lab: Redirects, tmp_path: Path, octets: int) -> None:
    lab.tell("front", 1, ue1="mec1")
    lab.tell("mec1", 1, ue1="mec2")
    (tmp_path / "body").write_bytes(b"x" * octets)
    post = ["-L", "--data-binary", f"@{tmp_path / 'body'}", lab.url("front", "/session/ue1?n=1")]
    answer = json.loads(lab.curl(*post))
    assert (answer["host"], answer["received"]) == ("mec2", octets)


def test_a_connection_outlives_the_redirect_on_it(lab: Redirects) -> None:
    lab.tell("mec1", 1, ue1="mec2")
    again = "%{num_connects} "
    counts = lab.curl(
        *("-w", again, "-o", "/dev/null", "-d", "body", lab.url("mec1", "/session/ue1?n=1")),
        *("--next", "-sS", "--interface", DEVICE, "-w", again, "-o", "/dev/null", lab.url("mec1", "/session/ue1?n=2")),
    )
    assert counts.split() == ["1", "0"]


def test_before_any_decision_a_device_is_asked_to_come_again(lab: Redirects) -> None:
    head = lab.curl("-i", lab.url("front", "/session/ue1?n=1"))
    assert head.startswith("HTTP/1.1 503")
    assert "\nretry-after: 1\n" in head.lower()
    assert "no decision yet on who serves ue1" in head


def test_a_device_is_known_by_its_address_and_only_then_by_its_name(lab: Redirects) -> None:
    lab.tell("front", 1, ue1="mec1", ue2="mec2")
    assert lab.url("mec1", "/") in lab.curl("-i", lab.url("front", "/"))
    assert lab.url("mec1", "/session/ue2") in lab.curl("-i", lab.url("front", "/session/ue2"))
    assert lab.url("mec2", "/session/ue2") in lab.curl("-i", lab.url("front", "/session/ue2"), source="127.9.9.9")
    stranger = lab.curl("-i", lab.url("front", "/session/ue9"), source="127.9.9.9")
    assert stranger.startswith("HTTP/1.1 404")
    assert "127.9.9.9 is no device of this lab" in stranger


def test_what_a_host_is_asked_of_itself_is_not_sent_on(lab: Redirects) -> None:
    lab.tell("mec1", 1, ue1="mec2")
    for path in ("/state", "/load", "/health"):
        assert lab.curl("-i", lab.url("mec1", path)).startswith("HTTP/1.1 200")


def test_a_loop_of_two_hosts_ends_at_the_client(lab: Redirects) -> None:
    lab.tell("mec1", 1, ue1="mec2")
    lab.tell("mec2", 1, ue1="mec1")
    done = lab.curled("-L", "--max-redirs", "5", lab.url("mec1", "/session/ue1?n=1"))
    assert done.returncode == TOO_MANY_REDIRECTS


def test_a_location_may_name_the_host(tmp_path: Path) -> None:
    with redirects(tmp_path, location="name") as lab:
        lab.tell("front", 1, ue1="mec2")
        url = lab.url("front", "/session/ue1?n=1")
        named = f"http://mec2.edge.example:{lab.ports[0]}/session/ue1?n=1"
        assert location(lab.curl("-i", url)) == named
        resolved = ("--resolve", f"mec2.edge.example:{lab.ports[0]}:{lab.address('mec2')}")
        assert json.loads(lab.curl("-L", *resolved, url))["host"] == "mec2"


def test_older_decisions_change_nothing_and_a_list_tells_what_is_known(lab: Redirects) -> None:
    assert lab.tell("front", 5, ue1="mec2").json() == {"update": 5, "changed": 1}
    assert lab.tell("front", 5, ue1="mec1").json() == {"update": 5, "changed": 0}
    assert lab.tell("front", 4, ue1="mec1", ue2="mec1").json() == {"update": 5, "changed": 1}
    known = httpx.get(f"http://{lab.address('front')}:{lab.control}/v1/serving").json()
    assert known == {"update": 5, "serving": {"ue1": "mec2", "ue2": "mec1"}}


def test_bad_decisions_are_refused_with_every_reason_and_change_nothing(lab: Redirects) -> None:
    answer = lab.tell("front", 1, ue1="mec1", ue9="mec1", ue2="front")
    assert answer.status_code == 404
    assert answer.json()["error"] == [
        "device 'ue9'; expected one of ue1, ue2",
        "ue2: host 'front'; expected one of cloud, mec1, mec2",
    ]
    url = f"http://{lab.address('front')}:{lab.control}/v1/serving"
    for body in ({"update": "x", "serving": {}}, {"update": 1, "serving": {"ue1": 5}}, {"served": {}}):
        assert httpx.post(url, json=body).status_code == 422
    assert httpx.get(url).json() == {"update": 0, "serving": {}}
