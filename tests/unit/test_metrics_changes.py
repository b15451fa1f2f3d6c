"""From markers to changes and their windows."""

from meclab.changes import changes
from meclab.packets import Marker

MS = 1_000_000


def mark(ms, event, **fields):
    return Marker(event, ms * MS, fields)


def attach(ms, ap, from_ap=None, device="ue1"):
    return mark(ms, "attach", device=device, ap=ap, from_ap=from_ap)


def detach(ms, ap, device="ue1"):
    return mark(ms, "detach", device=device, ap=ap)


def decision(ms, host, from_host=None, trigger="attach", device="ue1"):
    return mark(ms, "decision", device=device, host=host, from_host=from_host, trigger=trigger, reason="")


JOINED = [attach(0, "ap1"), decision(1, "mec1")]


def test_a_first_attach_is_no_change():
    assert changes(JOINED, 1000 * MS) == ()


def test_a_move_has_its_detach_decision_and_hosts():
    markers = [*JOINED, detach(100, "ap1"), attach(130, "ap2", "ap1"), decision(131, "mec2", "mec1")]
    (move,) = changes(markers, 1000 * MS)
    assert (move.t0_ns, move.detach_ns, move.decision_ns, move.end_ns) == (130 * MS, 100 * MS, 131 * MS, 1000 * MS)
    assert (move.from_ap, move.to_ap, move.from_host, move.to_host) == ("ap1", "ap2", "mec1", "mec2")
    assert (move.previous_ns, move.cut_by_change, move.begin_ns) == (0, False, 100 * MS)


def test_the_order_of_the_markers_in_the_capture_does_not_matter():
    markers = [*JOINED, detach(100, "ap1"), attach(130, "ap2", "ap1"), decision(131, "mec2", "mec1")]
    assert changes(markers[::-1], 1000 * MS) == changes(markers, 1000 * MS)


def test_a_window_ends_where_the_devices_next_change_begins_with_its_detach():
    markers = [
        *JOINED,
        *(detach(100, "ap1"), attach(130, "ap2", "ap1"), decision(131, "mec2", "mec1")),
        *(detach(500, "ap2"), attach(530, "ap1", "ap2"), decision(531, "mec1", "mec2")),
    ]
    first, second = changes(markers, 1000 * MS)
    assert (first.end_ns, first.cut_by_change) == (500 * MS, True)
    assert (second.detach_ns, second.previous_ns, second.end_ns) == (500 * MS, 130 * MS, 1000 * MS)


def test_another_devices_change_does_not_end_a_window():
    markers = [*JOINED, attach(0, "ap1", device="ue2"), attach(130, "ap2", "ap1"), attach(200, "ap2", "ap1", "ue2")]
    assert [(change.device, change.end_ns) for change in changes(markers, 1000 * MS)] == [
        ("ue1", 1000 * MS),
        ("ue2", 1000 * MS),
    ]


def test_a_detach_after_the_attach_belongs_to_the_move_that_left_that_access_point():
    markers = [
        *JOINED,
        *(attach(100, "ap2", "ap1"), decision(101, "mec2", "mec1"), detach(150, "ap1")),
        *(attach(500, "ap1", "ap2"), decision(501, "mec1", "mec2"), detach(550, "ap2")),
    ]
    first, second = changes(markers, 1000 * MS)
    assert (first.detach_ns, first.begin_ns, first.end_ns) == (150 * MS, 100 * MS, 500 * MS)
    assert (second.detach_ns, second.begin_ns) == (550 * MS, 500 * MS)


def test_a_move_without_a_decision_has_no_host_to_go_to():
    (move,) = changes([*JOINED, detach(100, "ap1"), attach(130, "ap2", "ap1")], 1000 * MS)
    assert (move.to_host, move.decision_ns, move.from_host) == (None, None, "mec1")


def test_the_decision_of_the_next_attach_is_not_taken_for_the_one_before():
    markers = [*JOINED, attach(130, "ap2", "ap1"), attach(500, "ap1", "ap2"), decision(501, "mec1", "mec1")]
    first, second = changes(markers, 1000 * MS)
    assert (first.decision_ns, second.decision_ns) == (None, 501 * MS)


def test_a_failure_counts_from_the_instant_the_host_failed():
    markers = [
        *JOINED,
        mark(200, "fail", host="mec1", how="silence"),
        mark(300, "fail", host="mec2", how="silence"),
        decision(800, "mec3", "mec1", "failure"),
    ]
    (change,) = changes(markers, 1000 * MS)
    assert (change.t0_ns, change.decision_ns, change.trigger) == (200 * MS, 800 * MS, "failure")
    assert (change.from_ap, change.to_ap, change.detach_ns) == ("ap1", "ap1", None)


def test_a_change_of_load_counts_from_the_last_load_marker():
    markers = [*JOINED, mark(100, "load", host="mec1", value=0.2), mark(200, "load", host="mec1", value=0.95)]
    (change,) = changes([*markers, decision(210, "mec2", "mec1", "load")], 1000 * MS)
    assert change.t0_ns == 200 * MS


def test_a_decision_without_a_known_cause_counts_from_itself():
    (change,) = changes([*JOINED, decision(210, "mec2", "mec1", "pin")], 1000 * MS)
    assert change.t0_ns == 210 * MS


def test_a_decision_that_keeps_the_host_is_a_change_only_with_a_move():
    kept = [*JOINED, mark(100, "load", host="mec1", value=0.2), decision(110, "mec1", "mec1", "load")]
    assert changes(kept, 1000 * MS) == ()
    (move,) = changes([*JOINED, attach(130, "ap2", "ap1"), decision(131, "mec1", "mec1")], 1000 * MS)
    assert (move.from_host, move.to_host) == ("mec1", "mec1")


def test_what_happens_in_the_drain_is_not_measured_and_ends_the_window_with_the_run():
    markers = [*JOINED, attach(130, "ap2", "ap1"), detach(1100, "ap2"), attach(1130, "ap1", "ap2")]
    (move,) = changes(markers, 1000 * MS)
    assert (move.end_ns, move.cut_by_change) == (1000 * MS, False)


def test_a_decision_that_prepared_a_move_is_the_moves():
    markers = [*JOINED, decision(50, "mec2", "mec1", "prepare"), detach(100, "ap1"), attach(130, "ap2", "ap1")]
    (move,) = changes(markers, 1000 * MS)
    assert (move.t0_ns, move.decision_ns, move.from_host, move.to_host) == (130 * MS, 50 * MS, "mec1", "mec2")
    assert (move.trigger, move.begin_ns) == ("attach", 50 * MS)
    kept = changes([*markers, decision(131, "mec2", "mec2")], 1000 * MS)
    assert kept == (move,)


def test_an_attach_that_led_elsewhere_than_was_prepared_has_a_decision_of_its_own():
    markers = [*JOINED, decision(50, "mec2", "mec1", "prepare"), attach(130, "ap2", "ap1")]
    (move,) = changes([*markers, decision(131, "mec3", "mec2")], 1000 * MS)
    assert (move.decision_ns, move.to_host) == (131 * MS, "mec3")


def test_what_was_prepared_before_the_attach_before_is_not_the_moves():
    markers = [*JOINED, decision(50, "mec2", "mec1", "prepare"), attach(130, "ap2", "ap1"), attach(500, "ap1", "ap2")]
    first, second = changes(markers, 1000 * MS)
    assert (first.decision_ns, second.decision_ns, second.from_host) == (50 * MS, None, "mec1")


def test_a_pin_counts_from_the_instant_the_operator_pinned_that_device():
    markers = [
        *(*JOINED, attach(0, "ap1", device="ue2"), decision(1, "mec1", device="ue2")),
        mark(200, "pin", device="ue1", host="mec2"),
        mark(205, "pin", device="ue2", host="mec3"),
        decision(210, "mec2", "mec1", "pin"),
        decision(215, "mec3", "mec1", "pin", "ue2"),
    ]
    found = changes(markers, 1000 * MS)
    assert [(c.device, c.t0_ns, c.trigger, c.to_host) for c in found] == [
        ("ue1", 200 * MS, "pin", "mec2"),
        ("ue2", 205 * MS, "pin", "mec3"),
    ]


def test_another_policy_changes_hosts_without_a_move():
    (change,) = changes([*JOINED, decision(210, "mec2", "mec1", "policy")], 1000 * MS)
    assert (change.t0_ns, change.trigger, change.from_ap, change.to_ap) == (210 * MS, "policy", "ap1", "ap1")


def test_what_an_attach_led_to_when_the_dwell_time_was_over_is_a_change_of_its_own():
    markers = [*JOINED, attach(130, "ap2", "ap1"), decision(131, "mec1", "mec1"), decision(600, "mec2", "mec1")]
    move, later = changes(markers, 1000 * MS)
    assert (move.to_host, move.end_ns) == ("mec1", 600 * MS)
    assert (later.t0_ns, later.from_ap, later.to_ap, later.to_host) == (600 * MS, "ap2", "ap2", "mec2")


def test_a_window_ends_where_the_next_move_is_prepared():
    markers = [*JOINED, attach(130, "ap2", "ap1"), decision(131, "mec2", "mec1")]
    markers += [decision(400, "mec1", "mec2", "prepare"), detach(500, "ap2"), attach(530, "ap1", "ap2")]
    first, second = changes(markers, 1000 * MS)
    assert (first.end_ns, first.cut_by_change, second.end_ns) == (400 * MS, True, 1000 * MS)
