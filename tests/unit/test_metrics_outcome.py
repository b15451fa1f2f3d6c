"""Each metric of a change, on observations made by hand. Times in milliseconds."""

import pytest

from meclab.changes import Change
from meclab.metrics import Track, busy_span, longest_silence_ns, outcome, quiet_spans, rate_per_min
from meclab.observations import ConnectionSeen, Delivery, LessonSeen, MessageSeen, ProbeSeen, RequestSeen

MS = 1_000_000


def change(**other):
    values = {"t0_ns": 1000, "end_ns": 2000, "detach_ns": 970, "decision_ns": 1002, "previous_ns": None, **other}
    instants = {name: None if value is None else value * MS for name, value in values.items() if name.endswith("_ns")}
    rest = {name: value for name, value in values.items() if not name.endswith("_ns")}
    fixed = {"from_ap": "ap1", "to_ap": "ap2", "from_host": "mec1", "to_host": "mec2", "trigger": "attach"}
    return Change(device="ue1", **{**fixed, **rest, **instants})


def probe(sent, rtt=None, host="mec2"):
    replied = None if rtt is None else (sent + rtt) * MS
    return ProbeSeen("ue1", sent, sent * MS, replied, host if rtt is not None else "")


def probes(begin, end, rtt, host, step=5):
    return [probe(sent, rtt, host) for sent in range(begin, end, step)]


def request(number, sent, done, *deliveries, connection=1):
    arrived = tuple(Delivery(host, at * MS) for host, at in deliveries)
    return RequestSeen("ue1", number, connection, sent * MS, None if done is None else done * MS, "", arrived)


def connection(closed, ending, established=900):
    times = [None if at is None else at * MS for at in (established, closed)]
    return ConnectionSeen("ue1", 1, 4000, "10.99.0.1", 800 * MS, times[0], times[1], ending)


def message(at, own=True, device="", size=100):
    return MessageSeen(at * MS, "openflow", "FLOW_MOD", "steer", size, own, device)


def lesson(at, host="mec2", by="dns", handed=None):
    return LessonSeen("ue1", at * MS, by, host, "", None if handed is None else handed * MS)


def measured(seen=(), requests=(), connections=(), messages=(), lessons=(), **other):
    return outcome(change(**other), Track(seen, requests, connections, lessons), messages)


MOVE = [*probes(500, 960, 8, "mec1"), *probes(1000, 1020, 20, "mec1"), *probes(1020, 2000, 8, "mec2")]
"""The old host answers by a detour until the new one serves, from the probe at 1020 on."""


def test_radio_gap_and_decision_are_told_from_the_attach():
    found = measured(MOVE)
    assert (found.radio_gap_ms, found.decide_ms) == (30.0, 2.0)


def test_without_a_decision_there_is_nothing_to_steer_to():
    found = measured(MOVE, decision_ns=None, to_host=None)
    assert (found.decide_ms, found.steer_ms, found.detour_rtt_ms, found.stale_requests) == (None, None, None, 0)


def test_steer_is_the_first_reply_of_the_decided_host():
    assert measured(MOVE).steer_ms == 28.0


def test_steer_is_none_where_the_decided_host_never_answers_in_the_window():
    late = [*probes(1000, 1990, 8, "mec1"), probe(1995, 8, "mec2")]
    assert measured(late).steer_ms is None


def test_a_reply_before_the_attach_does_not_count_as_steered():
    assert measured([probe(900, 8, "mec2"), probe(1500, 8, "mec2")]).steer_ms == 508.0


def test_learning_is_the_first_message_that_names_the_decided_host():
    found = measured(lessons=[lesson(990), lesson(1004, "mec1"), lesson(1020, by="redirect"), lesson(1030)])
    assert (found.learn_ms, found.learned_by) == (20.0, "redirect")


def test_nothing_was_learned_where_no_message_of_the_window_names_the_decided_host():
    for lessons in ([], [lesson(1004, "mec1")], [lesson(1004, "")], [lesson(999)], [lesson(2000)]):
        found = measured(lessons=lessons)
        assert (found.learn_ms, found.learned_by) == (None, None)
    assert measured(lessons=[lesson(1004)], to_host=None, decision_ns=None).learn_ms is None


def test_of_a_prepared_decision_the_device_may_have_learned_before_the_attach():
    found = measured(lessons=[lesson(880), lesson(920), lesson(1010)], decision_ns=900)
    assert (found.decide_ms, found.learn_ms) == (-100.0, -80.0)


def test_the_caches_age_is_of_the_last_answer_before_the_attach():
    taken = [
        lesson(200, "mec1", handed=100),
        lesson(700, "mec1", handed=600),
        lesson(800, "mec1"),
        lesson(1005, handed=1005),
    ]
    assert measured(lessons=taken).cache_age_ms == 400.0
    assert measured(lessons=taken[2:]).cache_age_ms is None


def test_gap_is_from_the_last_reply_before_the_detach_to_the_first_after_it():
    assert measured(MOVE).gap_ms == 1020 - 963


def test_a_reply_that_came_while_the_radio_was_away_splits_the_gap():
    assert (
        measured([*probes(500, 960, 8, "mec1"), probe(970, 5, "mec1"), *probes(1000, 2000, 8, "mec2")]).gap_ms == 33.0
    )


def test_gap_is_none_where_nothing_was_answered_before_or_after():
    assert measured(probes(1000, 1100, 8, "mec2")).gap_ms is None
    assert measured(probes(500, 960, 8, "mec1")).gap_ms is None


def test_without_a_detach_the_gap_is_the_longest_silence_around_the_steer():
    seen = [*probes(0, 1100, 5, "mec1"), *probes(1300, 2000, 5, "mec2")]
    assert measured(seen, detach_ns=None).gap_ms == 1305 - 1100


def test_a_silence_later_than_a_second_after_the_steer_is_not_the_gap():
    seen = [*probes(0, 1000, 5, "mec1"), *probes(1000, 3000, 5, "mec2"), *probes(3500, 9000, 5, "mec2")]
    assert measured(seen, detach_ns=None, end_ns=9000).gap_ms == 5.0


def test_with_the_new_access_point_first_there_is_no_radio_gap():
    seen = [*probes(0, 1000, 5, "mec1"), *probes(1000, 1050, 5, "mec2"), *probes(1090, 2000, 5, "mec2")]
    found = measured(seen, detach_ns=1050)
    assert (found.radio_gap_ms, found.gap_ms) == (0.0, 45.0)


def test_without_a_steer_the_gap_is_looked_for_to_the_windows_end():
    seen = [*probes(0, 1000, 5, "mec1"), *probes(1600, 1900, 5, "mec1")]
    assert measured(seen, detach_ns=None).gap_ms == 605.0


def test_interruption_is_the_longest_time_without_a_completed_request():
    asked = [request(n, sent, done) for n, (sent, done) in enumerate([(950, 960), (1010, 1200), (1700, 1750)])]
    assert measured(MOVE, asked).interruption_ms == 550.0


def test_interruption_counts_from_the_attach_and_to_the_windows_end():
    assert measured(MOVE, [request(1, 1300, 1310)]).interruption_ms == 690.0
    assert measured(MOVE, [request(1, 1500, 1700)]).interruption_ms == 700.0


def test_interruption_is_the_whole_window_where_no_request_completed():
    assert measured(MOVE, [request(1, 900, 910), request(2, 1050, None)]).interruption_ms == 1000.0


def test_interruption_is_none_without_a_session():
    assert measured(MOVE).interruption_ms is None


def test_round_trips_before_on_the_detour_and_after():
    found = measured(MOVE)
    assert (found.rtt_before_ms, found.detour_rtt_ms, found.rtt_after_ms) == (8.0, 20.0, 8.0)


def test_round_trips_are_medians_of_the_answered_probes():
    seen = [probe(1000, 7), probe(1005, 9), probe(1010, 100), probe(1015)]
    assert measured(seen).rtt_after_ms == 9.0


def test_without_another_host_there_is_no_detour():
    assert measured(probes(1000, 2000, 8, "mec2")).detour_rtt_ms is None


def test_rtt_before_does_not_look_behind_the_change_before():
    seen = [*probes(0, 500, 50, "mec1"), *probes(500, 960, 8, "mec1")]
    assert measured(seen, previous_ns=500).rtt_before_ms == 8.0
    assert measured(probes(0, 400, 50, "mec1"), previous_ns=500).rtt_before_ms is None


def test_rtt_before_is_of_the_last_second():
    seen = [*probes(0, 1900, 50, "mec1"), *probes(2000, 2960, 8, "mec1")]
    assert measured(seen, t0_ns=3000, detach_ns=2970, decision_ns=3002, end_ns=4000).rtt_before_ms == 8.0


def test_served_by_is_the_host_of_the_last_answered_probe():
    assert measured([*probes(1000, 1900, 8, "mec1"), probe(1900, 8, "mec2"), probe(1950)]).served_by == "mec2"
    assert measured([probe(1900)]).served_by is None


def test_lost_counts_unanswered_probes_of_the_window_only():
    assert measured([probe(990), probe(1005), probe(1100), *probes(1200, 1300, 8, "mec2"), probe(2000)]).lost == 2


def test_unanswered_probes_to_the_windows_end_are_lost_where_the_run_ends():
    found = measured([*probes(1000, 1990, 8, "mec2"), probe(1992), probe(1996)])
    assert (found.lost, found.in_flight) == (2, 0)


def test_probes_that_were_under_way_at_the_next_detach_are_not_lost_to_this_change():
    seen = [*probes(1000, 1990, 8, "mec2"), probe(1991), probe(1996)]
    found = measured(seen, cut_by_change=True)
    assert (found.lost, found.in_flight) == (0, 2)


def test_a_reply_that_finds_the_device_again_does_not_make_those_before_it_lost():
    seen = [*probes(1000, 1990, 8, "mec2"), probe(1991), probe(1997, 40, "mec2")]
    found = measured(seen, cut_by_change=True)
    assert (found.lost, found.in_flight) == (0, 1)


def test_a_host_that_fell_silent_long_before_the_next_change_lost_its_probes():
    seen = [*probes(1000, 1500, 8, "mec2"), *(probe(sent) for sent in range(1500, 2000, 5))]
    found = measured(seen, cut_by_change=True)
    assert (found.lost, found.in_flight) == (99, 1)


@pytest.mark.parametrize(
    ("ending", "resets", "reconnects"),
    [("reset", 1, 0), ("renumbered", 1, 0), ("abandoned", 1, 0), ("server", 1, 0), ("client", 0, 1)],
)
def test_connections_are_told_apart_by_who_ended_them(ending, resets, reconnects):
    found = measured(MOVE, connections=[connection(1100, ending)])
    assert (found.resets, found.reconnects) == (resets, reconnects)


def test_a_connection_closed_since_a_move_was_prepared_is_the_moves():
    ended = [connection(880, "client"), connection(930, "client"), connection(1100, "reset")]
    found = measured(MOVE, connections=ended, decision_ns=900)
    assert (found.reconnects, found.resets) == (1, 1)


def test_connections_that_never_were_or_ended_at_another_time_are_not_counted():
    others = [
        connection(1100, "refused", established=None),
        connection(999, "reset"),
        connection(2000, "reset"),
        connection(None, "open"),
    ]
    assert measured(MOVE, connections=others).resets == 0


def test_stale_requests_arrived_elsewhere_between_the_decision_and_the_windows_end():
    asked = [
        request(1, 990, 1010, ("mec1", 1001)),
        request(2, 1001, 1020, ("mec1", 1005)),
        request(3, 1050, 1060, ("mec2", 1055)),
        request(4, 1990, 2010, ("mec1", 2003)),
    ]
    assert measured(MOVE, asked).stale_requests == 1


def test_no_request_is_stale_before_the_attach_that_was_prepared():
    asked = [request(1, 900, 950, ("mec1", 940)), request(2, 1001, 1020, ("mec1", 1005))]
    assert measured(MOVE, asked, decision_ns=900).stale_requests == 1


def test_a_request_repeated_on_another_connection_is_one_stale_request():
    twice = [request(1, 1001, None, ("mec1", 1005)), request(1, 1300, 1310, ("mec1", 1005), connection=2)]
    assert measured(MOVE, twice).stale_requests == 1


def test_signalling_is_counted_to_the_steer():
    sent = [message(999), message(1001), message(1028, size=50), message(1029)]
    found = measured(MOVE, messages=sent)
    assert (found.signalling_msgs, found.signalling_bytes) == (2, 150)


def test_signalling_is_counted_to_the_windows_end_without_a_steer():
    assert measured([], messages=[message(1001), message(1900), message(2100)]).signalling_msgs == 2


def test_signalling_of_a_prepared_move_is_counted_from_its_decision():
    assert measured(MOVE, messages=[message(880), message(920), message(1010)], decision_ns=900).signalling_msgs == 2


def test_rtt_before_a_prepared_move_is_from_before_its_decision():
    seen = [*probes(500, 900, 8, "mec1"), *probes(900, 970, 40, "mec2")]
    assert measured(seen, decision_ns=900).rtt_before_ms == 8.0


def test_signalling_of_others_is_not_counted():
    sent = [message(1001, own=False), message(1002, device="ue2"), message(1003, device="ue1")]
    assert measured(MOVE, messages=sent).signalling_msgs == 1


def test_a_silence_is_bounded_by_its_span():
    assert longest_silence_ns([], 10, 30) == 20
    assert longest_silence_ns([5, 12, 35], 10, 30) == 18
    assert longest_silence_ns([10, 30], 10, 30) == 20


def test_quiet_time_is_what_no_change_touches():
    assert quiet_spans(0, 100, [(10, 20), (15, 30), (90, 200)]) == [(0, 10), (30, 90)]
    assert quiet_spans(0, 100, []) == [(0, 100)]
    assert quiet_spans(0, 100, [(-5, 200)]) == []
    assert quiet_spans(0, 100, [(150, 200)]) == [(0, 100)]


def test_a_change_is_busy_to_a_second_after_its_steer():
    assert busy_span(change(end_ns=9000), Track(MOVE)) == (970 * MS, 2028 * MS)
    assert busy_span(change(end_ns=9000), Track()) == (970 * MS, 9000 * MS)


def test_the_rate_is_per_device_and_minute_of_quiet_time():
    sent = [message(100), message(200, size=300), message(700), message(150, own=False)]
    assert rate_per_min(sent, [(0, 500 * MS)], devices=2) == (120.0, 24_000.0)
    assert rate_per_min(sent, [], devices=2) is None
