"""When an answer comes from an image, when from a template, and when dnslib makes it."""

import pytest
from dnslib import DNSRecord
from naming_zone import APP, ELSEWHERE, HTTPS, RULES, A, addresses, authority, query, rule

from hosts.naming import images
from hosts.naming.answers import Answers
from hosts.naming.images import Images
from meclab.messages import DnsUpdate


class Counted:
    """The fast way, compared with the slow one at every answer."""

    def __init__(self) -> None:
        self.authority = authority()
        self._answers = Answers(self.authority)
        self.images = Images(self._answers)

    def ask(self, packet: bytes, source: bytes = ELSEWHERE) -> tuple[str, list[str]]:
        """How it was answered, and the addresses."""
        before = self.images.hits, self.images.made, self.images.slow
        answer, slow = self.images.answer(packet, source), self._answers.answer(packet, source)
        assert answer is not None
        assert slow is not None
        assert answer == slow.packet
        after = self.images.hits, self.images.made, self.images.slow
        ways = [way for way, x, y in zip(("image", "template", "dnslib"), before, after, strict=True) if y > x]
        assert len(ways) == 1
        return ways[0], addresses(DNSRecord.parse(answer))

    def change(self, update: int, address: str, *subnets: str) -> None:
        self.authority.apply(DnsUpdate(update=update, source="mec1", rules=(rule("new", address, *subnets),)))


@pytest.fixture
def counted() -> Counted:
    return Counted()


def test_the_second_time_a_question_is_answered_from_an_image(counted: Counted) -> None:
    for packet in (query(subnet="100.64.1.0/24"), query(APP, HTTPS), query("mec1.edge.example."), query("x.test.")):
        assert [counted.ask(packet)[0] for _ in range(2)] == ["dnslib", "image"]


def test_id_and_case_of_the_question_make_no_difference(counted: Counted) -> None:
    counted.ask(query())
    assert counted.ask(query(APP.upper(), ident=0xFFFF))[0] == "image"


@pytest.mark.parametrize("form", [{"flags": 0}, {"flags": 0x0110}, {"options": []}, {"subnet": "100.64.1.0/24"}])
def test_whatever_else_differs_is_another_question(counted: Counted, form: dict[str, object]) -> None:
    counted.ask(query())
    assert counted.ask(query(**form))[0] == "dnslib"  # type: ignore[arg-type]


def test_another_client_of_the_same_rule_and_scope_is_answered_from_a_template(counted: Counted) -> None:
    assert counted.ask(query(subnet="100.64.1.5/32")) == ("dnslib", ["10.1.1.10"])
    assert counted.ask(query(subnet="100.64.1.6/32")) == ("template", ["10.1.1.10"])
    assert counted.ask(query(subnet="100.64.1.6/32")) == ("image", ["10.1.1.10"])
    assert counted.ask(query(subnet="100.64.2.6/32")) == ("dnslib", ["10.1.2.10"])


def test_without_a_client_subnet_the_source_tells_images_apart(counted: Counted) -> None:
    here, there = bytes((100, 64, 1, 5)), bytes((100, 64, 2, 7))
    assert counted.ask(query(), here) == ("dnslib", ["10.1.1.10"])
    assert counted.ask(query(), there) == ("dnslib", ["10.1.3.10"])
    assert counted.ask(query(), here) == ("image", ["10.1.1.10"])
    assert counted.ask(query(), there) == ("image", ["10.1.3.10"])
    assert counted.ask(query(), bytes((100, 64, 1, 6))) == ("template", ["10.1.1.10"])


def test_a_change_of_rules_drops_images_and_leaves_templates(counted: Counted) -> None:
    for packet in (query(subnet="100.64.1.0/24"), query(subnet="100.64.2.0/25")):
        counted.ask(packet)
    counted.change(1, "10.9.9.9", "100.64.1.0/24")
    assert counted.ask(query(subnet="100.64.2.0/25")) == ("template", ["10.1.2.10"])
    assert counted.ask(query(subnet="100.64.1.0/24")) == ("dnslib", ["10.9.9.9"])


def test_a_change_is_seen_by_the_next_question_whatever_was_kept(counted: Counted) -> None:
    for update, address in enumerate(("10.0.0.1", "10.0.0.2", "10.0.0.1"), 1):
        counted.change(update, address, "100.64.1.0/24")
        for packet in (query(subnet="100.64.1.0/24"), query(subnet="100.64.1.0/25")):
            assert [counted.ask(packet)[1] for _ in range(3)] == [[address]] * 3


def test_malformed_questions_are_never_kept(counted: Counted) -> None:
    for packet in (query() + b"\0", query(options=[(8, b"\0")]), query(options=[], version=1), query(flags=0x0800)):
        assert [counted.ask(packet)[0] for _ in range(2)] == ["dnslib", "dnslib"]


def test_what_is_kept_is_bounded(counted: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "_MOST", 10)
    for number in range(100):
        packet = query(f"x{number}.edge.example.", A)
        assert [counted.ask(packet)[0] for _ in range(2)] == ["dnslib", "image"]
    assert len(counted.images._images) <= 10
    assert len(counted.authority.rules.by_id) == len(RULES)
