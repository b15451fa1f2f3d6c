"""The session's state machine: one request at a time on a grid of times, and what moves it to another connection."""

from hosts.device.session import Action, Session, State

MS = 1_000_000


def opened(timeout_ms: int = 1000, lifetime_ms: int | None = None) -> Session:
    """A session every 50 ms whose first request is answered at 10 ms."""
    session = Session(50 * MS, timeout_ms * MS, 0, lifetime_ns=None if lifetime_ms is None else lifetime_ms * MS)
    assert session.wake(0) == [Action.FIND]
    assert session.found(0) == [Action.CONNECT]
    assert session.connected(5 * MS) == [Action.SEND]
    session.responded(10 * MS, "mec1", 200)
    return session


def outcomes(session: Session) -> list[tuple[int | None, int, str]]:
    return [(attempt.request, attempt.connection, attempt.outcome) for attempt in session.attempts]


def test_requests_follow_the_grid_whatever_a_response_takes() -> None:
    session = opened()
    assert session.wake_ns == 50 * MS
    assert session.wake(51 * MS) == [Action.SEND]
    session.responded(57 * MS, "mec1", 200)
    assert session.wake_ns == 100 * MS
    assert outcomes(session) == [(1, 1, "ok"), (2, 1, "ok")]


def test_grid_points_during_an_outstanding_request_are_left_out() -> None:
    session = opened()
    session.wake(50 * MS)
    session.responded(180 * MS, "mec1", 200)
    assert session.wake_ns == 200 * MS


def test_waking_early_does_nothing() -> None:
    assert opened().wake(49 * MS) == []


def test_a_reset_reconnects_at_once_and_repeats_the_request() -> None:
    session = opened()
    session.wake(50 * MS)
    assert session.broken(60 * MS, "reset") == [Action.FIND]
    assert session.found(60 * MS) == [Action.CONNECT]
    assert session.connected(65 * MS) == [Action.SEND]
    session.responded(70 * MS, "mec2", 200)
    assert outcomes(session) == [(1, 1, "ok"), (2, 1, "reset"), (2, 2, "ok")]
    assert session.attempts[-1].host == "mec2"


def test_a_close_between_requests_reconnects_and_blames_no_request() -> None:
    session = opened()
    assert session.broken(30 * MS, "closed") == [Action.FIND]
    assert session.found(30 * MS) == [Action.CONNECT]
    assert session.connected(32 * MS) == []
    assert session.wake(50 * MS) == [Action.SEND]
    assert outcomes(session)[1] == (None, 1, "closed")


def test_silence_is_ended_by_a_reset_and_a_new_connection() -> None:
    session = opened(timeout_ms=200)
    session.wake(50 * MS)
    assert session.wake(249 * MS) == []
    assert session.wake(250 * MS) == [Action.RESET, Action.FIND]
    assert session.found(250 * MS) == [Action.CONNECT]
    assert session.connected(251 * MS) == [Action.SEND]
    assert outcomes(session)[1] == (2, 1, "timeout")


def test_some_bytes_of_a_response_are_not_silence() -> None:
    session = opened(timeout_ms=200)
    session.wake(50 * MS)
    session.heard(240 * MS)
    assert session.wake(250 * MS) == []
    assert session.wake_ns == 440 * MS


def test_a_connect_without_an_answer_is_given_up_and_tried_again() -> None:
    session = Session(50 * MS, 200 * MS, 0)
    session.wake(0)
    session.found(0)
    assert session.wake(200 * MS) == [Action.RESET, Action.FIND]
    assert outcomes(session) == [(1, 1, "connect-timeout")]


def test_a_refused_connection_waits_for_the_next_grid_point() -> None:
    session = Session(50 * MS, 200 * MS, 0)
    session.wake(0)
    session.found(0)
    assert session.broken(1 * MS, "refused") == []
    assert session.wake_ns == 50 * MS
    assert session.wake(50 * MS) == [Action.FIND]
    assert session.request == 1


def test_a_connection_that_never_answered_is_not_replaced_in_a_busy_loop() -> None:
    session = opened()
    session.wake(50 * MS)
    session.broken(60 * MS, "reset")
    session.found(60 * MS)
    session.connected(61 * MS)
    assert session.broken(62 * MS, "reset") == []
    assert session.wake_ns == 100 * MS


def test_an_error_status_counts_as_answered() -> None:
    session = opened()
    session.wake(50 * MS)
    session.responded(60 * MS, "mec1", 503)
    assert outcomes(session)[1] == (2, 1, "status-503")


def test_the_end_closes_and_names_what_was_left() -> None:
    session = opened()
    session.wake(50 * MS)
    assert session.finish(60 * MS) == [Action.CLOSE]
    assert session.state is State.CLOSED
    assert outcomes(session)[1] == (2, 1, "unfinished")


def test_a_session_waits_for_its_server_as_long_as_it_takes() -> None:
    session = Session(50 * MS, 200 * MS, 0)
    assert session.wake(0) == [Action.FIND]
    assert session.wake_ns is None
    assert session.wake(10_000 * MS) == []
    assert session.found(10_000 * MS) == [Action.CONNECT]
    assert session.connected(10_001 * MS) == [Action.SEND]
    assert session.request == 1


def test_without_a_server_the_session_asks_again_at_the_next_grid_point() -> None:
    session = Session(50 * MS, 200 * MS, 0)
    session.wake(0)
    session.unfound(60 * MS)
    assert session.wake_ns == 100 * MS
    assert session.wake(100 * MS) == [Action.FIND]
    assert session.request == 1


def test_another_server_is_taken_at_once_and_the_outstanding_request_repeated_there() -> None:
    session = opened()
    session.wake(50 * MS)
    assert session.moved(52 * MS) == [Action.CLOSE, Action.CONNECT]
    assert session.connected(55 * MS) == [Action.SEND]
    session.responded(58 * MS, "mec2", 200)
    assert outcomes(session)[1:] == [(2, 1, "moved"), (2, 2, "ok")]
    assert session.attempts[1].sent_ns == 50 * MS


def test_between_requests_another_server_is_taken_without_a_request() -> None:
    session = opened()
    assert session.moved(20 * MS) == [Action.CLOSE, Action.CONNECT]
    assert session.connected(25 * MS) == []
    assert outcomes(session)[1] == (None, 1, "moved")


def test_a_connection_that_does_not_come_to_stand_is_left_for_another_server() -> None:
    session = Session(50 * MS, 200 * MS, 0)
    session.wake(0)
    session.found(0)
    assert session.moved(100 * MS) == [Action.CLOSE, Action.CONNECT]
    assert session.wake_ns == 300 * MS


def test_a_session_that_waits_for_the_next_grid_point_opens_nothing_before() -> None:
    session = opened()
    session.wake(50 * MS)
    session.broken(51 * MS, "garbage")
    assert session.moved(60 * MS) == []
    assert session.wake_ns == 100 * MS


def test_an_old_connection_is_closed_and_another_opened() -> None:
    session = opened(lifetime_ms=30)
    assert session.wake_ns == 35 * MS
    assert session.wake(35 * MS) == [Action.CLOSE, Action.FIND]
    assert session.found(35 * MS) == [Action.CONNECT]
    assert session.connected(40 * MS) == []
    assert session.wake_ns == 50 * MS
    assert outcomes(session)[1] == (None, 1, "expired")


def test_an_old_connection_first_takes_the_response_it_waits_for() -> None:
    session = opened(lifetime_ms=60)
    session.wake(50 * MS)
    assert session.wake(65 * MS) == []
    assert session.responded(70 * MS, "mec1", 200) == [Action.CLOSE, Action.FIND]
    assert outcomes(session)[1:] == [(2, 1, "ok"), (None, 1, "expired")]


def test_a_redirected_request_is_repeated_where_it_is_sent() -> None:
    session = opened()
    session.wake(50 * MS)
    assert session.redirected(55 * MS, "front", 307, follow=True) == [Action.CLOSE, Action.FIND]
    assert session.found(55 * MS) == [Action.CONNECT]
    assert session.connected(57 * MS) == [Action.SEND]
    session.responded(60 * MS, "mec1", 200)
    assert outcomes(session)[1:] == [(2, 1, "status-307"), (2, 2, "ok")]
    assert session.wake_ns == 100 * MS


def test_a_redirect_not_followed_ends_the_connection_until_the_next_grid_point() -> None:
    session = opened()
    session.wake(50 * MS)
    assert session.redirected(55 * MS, "front", 307, follow=False) == [Action.CLOSE]
    assert session.wake_ns == 100 * MS
    assert session.wake(100 * MS) == [Action.FIND]
    assert session.request == 2


def test_a_session_whose_own_address_is_gone_connects_again_at_once_even_while_it_was_connecting() -> None:
    session = opened()
    session.wake(50 * MS)
    assert session.broken(60 * MS, "renumbered") == [Action.FIND]
    assert session.found(60 * MS) == [Action.CONNECT]
    assert session.broken(61 * MS, "renumbered") == [Action.FIND]
    assert outcomes(session)[1:] == [(2, 1, "renumbered"), (2, 2, "renumbered")]
