"""What told a device of its server, and when; how old the answer in its cache was."""

import pytest
from dnslib import AAAA, QTYPE, RR, A, DNSRecord
from synthetic import Connection, Run, a_plan

from experiments import crosscheck
from experiments.measurement import application, lessons
from meclab.observations import LessonSeen
from meclab.packets import CALLBACK_PORT, DNS_PORT, UALCMP_PORT

MS, S = 1_000_000, 1_000_000_000


def answer(name, *addresses, ttl=10):
    reply = DNSRecord.question(name, "AAAA" if ":" in addresses[0] else "A").reply()
    for address in addresses:
        kind, data = (QTYPE.AAAA, AAAA(address)) if ":" in address else (QTYPE.A, A(address))
        reply.add_answer(RR(name, kind, ttl=ttl, rdata=data))
    return reply.pack()


def told(run, tmp_path):
    traffic = run.traffic(tmp_path)
    found = application.read(run.plan, traffic.files, b"")
    return lessons.lessons(run.plan, traffic, found.requests)


def hear(run, ms, payload):
    run.udp(
        ms - 1, ("easdf-eth0", "ue1-eth0"), (str(run.plan.node("easdf").ipv4), DNS_PORT), ("10.45.0.1", 4000), payload
    )


def test_an_answer_tells_its_addresses_and_how_long_ago_it_was_given_out(tmp_path):
    run = Run(a_plan("easdf"))
    hear(run, 3000, answer("app.edge.example", "10.1.1.10", ttl=7))
    hear(run, 4000, answer("app.edge.example", "10.1.2.10", "10.9.9.9"))
    hear(run, 5000, answer("app.edge.example", "2001:db8:1:1::10"))
    hear(run, 6000, answer("mec2.edge.example", "10.1.2.10", ttl=3600))
    hear(run, 7000, DNSRecord.question("app.edge.example").reply().pack())
    hear(run, 8000, b"noise")
    assert told(run, tmp_path) == [
        LessonSeen("ue1", run.at(3000), "dns", "mec1", "10.1.1.10", run.at(0)),
        LessonSeen("ue1", run.at(4000), "dns", "mec2", "10.1.2.10", run.at(4000)),
        LessonSeen("ue1", run.at(4000), "dns", "", "10.9.9.9", run.at(4000)),
        LessonSeen("ue1", run.at(6000), "dns", "mec2", "10.1.2.10", None),
    ]


def test_the_family_of_the_run_is_the_one_that_tells(tmp_path):
    run = Run(a_plan("easdf", probes={"family": "ipv6"}))
    hear(run, 10, answer("app.edge.example", "10.1.1.10"))
    hear(run, 20, answer("app.edge.example", "2001:db8:1:1::10"))
    assert [(lesson.host, lesson.detail) for lesson in told(run, tmp_path)] == [("mec1", "2001:db8:1:1::10")]


def test_a_lookup_over_tcp_tells_when_its_answer_is_whole(tmp_path):
    run = Run(a_plan("easdf"))
    server = str(run.plan.node("easdf").ipv4), DNS_PORT, "easdf-eth0"
    packed = answer("app.edge.example", "10.1.1.10")
    connection = Connection(run, ("10.45.0.1", 4000, "ue1-eth0"), server).open(1)
    connection.say(10, False, len(packed).to_bytes(2) + packed[:20]).say(15, False, packed[20:])
    assert [(lesson.at_ns, lesson.host) for lesson in told(run, tmp_path)] == [(run.at(16), "mec1")]


@pytest.mark.parametrize("filler", ["", "x" * 600])
def test_contexts_and_notifications_tell_their_reference_however_much_the_devices_capture_has(tmp_path, filler):
    run = Run(a_plan("devapp"))
    ops = str(run.plan.node("ops").ipv4)
    context = {"contextId": filler, "appInfo": {"userAppInstanceInfo": [{"referenceURI": "http://10.1.1.10:8080/"}]}}
    asking = Connection(run, ("10.45.0.1", 4000, "ue1-eth0"), (ops, UALCMP_PORT, "ops-eth0")).open(1)
    asking.post(10, "/dev_app/v1/app_contexts", {"callbackReference": "http://10.45.0.1:8099/"}, "201 Created", context)
    calling = Connection(run, (ops, 5000, "ops-eth0"), ("10.45.0.1", CALLBACK_PORT, "ue1-eth0")).open(20)
    calling.post(30, "/", {"contextId": filler, "referenceURI": "http://10.1.2.10:8080/"}, "204 No Content")
    assert [(lesson.at_ns, lesson.by, lesson.host, lesson.detail) for lesson in told(run, tmp_path)] == [
        (run.at(14), "context", "mec1", "10.1.1.10"),
        (run.at(31), "notification", "mec2", "10.1.2.10"),
    ]


@pytest.mark.parametrize(
    ("place", "detail"),
    [
        ("10.1.2.10", "10.1.2.10"),
        ("mec2.edge.example.", "mec2.edge.example."),
        ("[2001:db8:1:2::10]", "2001:db8:1:2::10"),
    ],
)
def test_a_redirect_tells_the_host_by_address_or_name(tmp_path, place, detail):
    run = Run(a_plan("http-redirect"))
    front = str(run.plan.node("front").ipv4), 8080, "front-eth0"
    connection = Connection(run, ("10.45.0.1", 4000, "ue1-eth0"), front).open(1)
    connection.say(10, True, b"GET /session/ue1?n=3 HTTP/1.1\r\n\r\n")
    location = f"http://{place}:8080/session/ue1?n=3"
    connection.say(14, False, f"HTTP/1.1 307 T\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode())
    (lesson,) = told(run, tmp_path)
    assert lesson == LessonSeen("ue1", run.at(15), "redirect", "mec2", detail)


def log(tmp_path, *rows):
    (tmp_path / "ue1-discovery.csv").write_text("\n".join(["at_ns,what,server,detail", *rows]) + "\n")


def compared(tmp_path, seen):
    rows = crosscheck.crosscheck(tmp_path, {}, {}, {"ue1": seen}, "ipv4")
    return {row.instant: (row.compared, row.max_ms, row.only_captured, row.only_logged) for row in rows}


def lesson(ms, by="dns", detail="10.1.1.10"):
    return LessonSeen("ue1", ms * MS, by, "mec1", detail)


def test_the_clients_own_account_of_what_it_was_told_is_compared(tmp_path):
    log(
        tmp_path,
        f"{100 * MS + 300_000},answered,10.1.1.10 10.9.9.9,app.edge.example. ipv4 ttl=10s fresh",
        f"{100 * MS + 400_000},answered,2001:db8:1:1::10,app.edge.example. ipv6 ttl=10s fresh",
        f"{5000 * MS},answered,10.1.1.10,app.edge.example. ipv4 ttl=5s cached",
        f"{6000 * MS},answered,none,app.edge.example. ipv4 ttl=5s fresh",
        f"{7000 * MS},redirected,10.1.1.10:8080,307 from http://10.0.22.10:8080/",
        f"{8000 * MS},told,10.1.1.10:8080,http://10.1.1.10:8080/",
        f"{9000 * MS},notified,10.1.2.10:8080,http://10.1.2.10:8080/",
    )
    seen = [lesson(100), lesson(100, detail="10.9.9.9"), lesson(7000, "redirect"), lesson(8000, "context")]
    seen += [lesson(9000, "notification"), lesson(9500, "notification")]
    assert compared(tmp_path, seen) == {
        "answered": (1, 0.3, 0, 0),
        "redirected": (1, 0.0, 0, 0),
        "notified": (2, 0.0, 1, 0),
    }


def test_instants_far_apart_are_not_the_same(tmp_path):
    log(tmp_path, f"{5_000 * MS},redirected,10.1.1.10:8080,307", f"{9_001 * MS},redirected,10.1.1.10:8080,307")
    assert compared(tmp_path, [lesson(100, "redirect"), lesson(9_000, "redirect")]) == {"redirected": (1, 1.0, 1, 1)}
