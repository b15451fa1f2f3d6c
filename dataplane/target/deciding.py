"""What an entry of a table does: an action of its own, or a reference into an action profile."""

from typing import Protocol

from finsy.proto import p4r

from dataplane.target.actions import Actions
from dataplane.target.profiles import Profile
from dataplane.target.refusal import invalid


class Deciding(Protocol):
    """What an entry of a table does: an action of its own, or a reference into a profile."""

    def take(self, action: p4r.TableAction, index: int) -> bytes:
        """The record of the entry with this index; refuses what the table cannot do."""

    def release(self, action: p4r.TableAction, index: int, record: bytes) -> None:
        """The entry no longer has this action."""


class OwnActions:
    """Entries with actions of their own."""

    def __init__(self, table: str, actions: Actions, record_size: int) -> None:
        self._table = table
        self._actions = actions
        self._size = record_size

    def take(self, action: p4r.TableAction, index: int) -> bytes:
        kind = action.WhichOneof("type")
        if kind != "action":
            raise invalid(f"{self._table}: found {kind or 'no action'}; expected action, for the table has no profile")
        return self._actions.find(action.action.action_id).record(action.action, self._size, index)

    def release(self, action: p4r.TableAction, index: int, record: bytes) -> None:
        pass


class ProfileActions:
    """Entries that refer into a profile."""

    def __init__(self, table: int, profile: Profile) -> None:
        self._table = table
        self._profile = profile

    def take(self, action: p4r.TableAction, index: int) -> bytes:
        return self._profile.take(action, index, self._table)

    def release(self, action: p4r.TableAction, index: int, record: bytes) -> None:
        self._profile.release(action, record, self._table)
