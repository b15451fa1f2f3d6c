"""Answers to hot questions as images of bytes: the server's fast way.

An image is what an answer is made of besides the query's id and question, which are put back as they came, letters'
case included. It is found by everything else that the query says, byte by byte: flags, counts, name in lower case,
type, class and the whole OPT record; and, where the answer depends on it, by the address the query came from.
Behind them are templates, found by the rules that decide and their scope instead of the client's address: after a
change of rules the images are gone, and what the change did not touch comes back from templates without dnslib.

All of it is a shortcut: what is not found is answered the slow way (`hosts.naming.answers`), and both ways give the
same bytes, which a test compares.
"""

from typing import Final, NamedTuple

from hosts.naming.answers import FORWARD, Answer, Answers
from hosts.naming.queries import HEADER_BYTES
from hosts.naming.rules import Rule, Rules
from hosts.naming.subnets import Client, of_source, read_subnet
from meclab.errors import PeerError

_MOST = 65_536
"""Images, and templates, kept; all are dropped beyond."""
_Image = tuple[bytes, bytes]
"""Flags and counts; what follows the question."""
_BY_SOURCE: Final[_Image] = (b"", b"")
"""Stands for images that depend on the query's source."""
_TYPE_CLASS_BYTES = 4
_A, _AAAA, _HTTPS = b"\0\1\0\1", b"\0\x1c\0\1", b"\0\x41\0\1"
_OPT_START = b"\0\0\x29"
"""Root and type of an OPT record."""
_OPT_BYTES = 11
_SUBNET_CODE = b"\0\x08"
_OPTION_BYTES, _FIXED_BYTES = 4, 4
"""Of an option: code and length; of the client subnet: family, source and scope."""


class _Decision(NamedTuple):
    """What a template is found by, what an answer then needs, and whether it depends on the query's source."""

    key: tuple[bytes, Rule | None, Rule | None, int]
    address: bytes
    by_source: bool


class Images:
    """The fast way to the answers of one authority over one transport."""

    def __init__(self, answers: Answers, over_udp: bool = True) -> None:
        self.hits = 0
        """Answers from an image."""
        self.made = 0
        """Answers from a template."""
        self.slow = 0
        """Answers by dnslib."""
        self._answers = answers
        self._over_udp = over_udp
        self._rules: Rules = answers.authority.rules
        self._images: dict[bytes, _Image] = {}
        self._images_by_source: dict[tuple[bytes, bytes], _Image] = {}
        self._templates: dict[tuple[bytes, Rule | None, Rule | None, int], _Image] = {}

    def answer(self, query: bytes, source: bytes) -> bytes | None:
        """The answer to a packet from a packed address; None where there is to be none, empty where the question
        is to be forwarded."""
        if self._rules is not self._answers.authority.rules:
            self._rules = self._answers.authority.rules
            self._forget()
        end = query.find(b"\0", HEADER_BYTES) + 1
        if not end:
            return self._miss(query, end, b"", source)
        # Lengths within a valid name are no letters; a packet with others never gets an image.
        name = query[HEADER_BYTES:end]
        key = query[2:HEADER_BYTES] + name.lower() + query[end:]
        image = self._images.get(key)
        if image is _BY_SOURCE:
            image = self._images_by_source.get((key, source))
        if image is None:
            return self._miss(query, end, key, source)
        self.hits += 1
        return query[:2] + image[0] + name + image[1]

    def _miss(self, query: bytes, end: int, key: bytes, source: bytes) -> bytes | None:
        decision = self._decide(query, end, source)
        template = self._templates.get(decision.key) if decision else None
        if decision and template:
            self.made += 1
            image = template[0], template[1] + decision.address
            self._keep(key, source if decision.by_source else None, image)
            return query[:2] + image[0] + query[HEADER_BYTES:end] + image[1]
        answer = self._answers.answer(query, source, self._over_udp)
        if answer is None or answer is FORWARD:
            return None if answer is None else b""
        self.slow += 1
        if end and answer.repeatable and answer.packet[HEADER_BYTES:end] == query[HEADER_BYTES:end]:
            self._learn(answer, end, key, source, decision)
        return answer.packet

    def _learn(self, answer: Answer, end: int, key: bytes, source: bytes, decision: _Decision | None) -> None:
        head, tail = answer.packet[2:HEADER_BYTES], answer.packet[end:]
        self._keep(key, source if answer.by_source else None, (head, tail))
        if decision is None:
            return
        if len(self._templates) >= _MOST:
            self._templates.clear()
        self._templates[decision.key] = head, tail[: len(tail) - len(decision.address)]

    def _keep(self, key: bytes, source: bytes | None, image: _Image) -> None:
        if len(self._images) + len(self._images_by_source) >= _MOST:
            self._forget()
        if source is None:
            self._images[key] = image
        else:
            self._images[key] = _BY_SOURCE
            self._images_by_source[key, source] = image

    def _forget(self) -> None:
        self._images.clear()
        self._images_by_source.clear()

    def _decide(self, query: bytes, end: int, source: bytes) -> _Decision | None:
        """The rules that decide a query of the usual form for a name that has some; None for any other."""
        rules = self._rules.by_wire.get(query[HEADER_BYTES:end].lower())
        form = end + _TYPE_CLASS_BYTES
        wanted, options = query[end:form], query[form:]
        if rules is None or wanted not in (_A, _AAAA, _HTTPS):
            return None
        asked = _asked(options, source)
        if asked is None:
            return None
        client, address, is_source = asked
        ipv4, scope4 = rules.ipv4.select(client) if wanted != _AAAA else (None, 0)
        ipv6, scope6 = rules.ipv6.select(client) if wanted != _A else (None, 0)
        asked_form = query[2:HEADER_BYTES] + query[HEADER_BYTES:end].lower() + query[end : len(query) - len(address)]
        by_client = (wanted != _AAAA and rules.ipv4.by_client) or (wanted != _A and rules.ipv6.by_client)
        return _Decision((asked_form, ipv4, ipv6, max(scope4, scope6)), address, is_source and by_client)


def _asked(options: bytes, source: bytes) -> tuple[Client, bytes, bool] | None:
    """The client by an OPT record with nothing but a client subnet, or by source; the option's address; whether by
    source. None where there is anything else behind the question."""
    if not options or (options[:3] == _OPT_START and options[_OPT_BYTES - 2 :] == b"\0\0"):
        return of_source(source), b"", True
    start = _OPT_BYTES + _OPTION_BYTES
    data = options[start:]
    lengths = options[_OPT_BYTES - 2 : _OPT_BYTES], options[start - 2 : start]
    expected = (len(data) + _OPTION_BYTES).to_bytes(2, "big"), len(data).to_bytes(2, "big")
    if options[:3] != _OPT_START or lengths != expected or options[_OPT_BYTES : start - 2] != _SUBNET_CODE:
        return None
    try:
        subnet = read_subnet(data)
    except PeerError:
        return None
    if subnet.client is None or subnet.opts_out:
        return None
    return subnet.client, data[_FIXED_BYTES:], False
