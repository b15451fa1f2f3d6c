"""The session's state machine: one request at a time on a grid of times, and what a broken connection costs."""

from hosts.session import Action, Session, State

MS = 1_000_000


def opened(timeout_ms: int = 1000) -> Session:
    """A session every 50 ms whose first request is answered at 10 ms."""
    session = Session(50 * MS, timeout_ms * MS, 0)
    assert session.wake(0) == [Action.CONNECT]
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
    assert session.broken(60 * MS, "reset") == [Action.CONNECT]
    assert session.connected(65 * MS) == [Action.SEND]
    session.responded(70 * MS, "mec2", 200)
    assert outcomes(session) == [(1, 1, "ok"), (2, 1, "reset"), (2, 2, "ok")]
    assert session.attempts[-1].host == "mec2"


def test_a_close_between_requests_reconnects_and_blames_no_request() -> None:
    session = opened()
    assert session.broken(30 * MS, "closed") == [Action.CONNECT]
    assert session.connected(32 * MS) == []
    assert session.wake(50 * MS) == [Action.SEND]
    assert outcomes(session)[1] == (None, 1, "closed")


def test_silence_is_ended_by_a_reset_and_a_new_connection() -> None:
    session = opened(timeout_ms=200)
    session.wake(50 * MS)
    assert session.wake(249 * MS) == []
    assert session.wake(250 * MS) == [Action.RESET, Action.CONNECT]
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
    assert session.wake(200 * MS) == [Action.RESET, Action.CONNECT]
    assert outcomes(session) == [(1, 1, "connect-timeout")]


def test_a_refused_connection_waits_for_the_next_grid_point() -> None:
    session = Session(50 * MS, 200 * MS, 0)
    session.wake(0)
    assert session.broken(1 * MS, "refused") == []
    assert session.wake_ns == 50 * MS
    assert session.wake(50 * MS) == [Action.CONNECT]
    assert session.request == 1


def test_a_connection_that_never_answered_is_not_replaced_in_a_busy_loop() -> None:
    session = opened()
    session.wake(50 * MS)
    session.broken(60 * MS, "reset")
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
