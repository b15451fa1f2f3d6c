"""Action profiles and selectors: members, groups and one-shot sets (P4Runtime section "ActionProfileMember & Group").

A table entry then has a reference to a member or group, and the member has the action.
"""

import errno
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from finsy.proto import p4i, p4r

from dataplane.compiler.layout import GROUP, MAXIMUM_GROUP, MEMBER, ProfileLayout
from dataplane.target.actions import Actions
from dataplane.target.maps import Map, Maps, number
from dataplane.target.numbers import Numbers
from dataplane.target.refusal import Refusal, exhausted, invalid, missing, precondition, present, unimplemented

MOST_NUMBERS = 1 << 31
"""Of each kind that one-shot sets take; far more than any map holds."""


@dataclass
class Member:
    message: p4r.ActionProfileMember
    users: int = 0
    """Entries and groups that refer to it."""


@dataclass
class Group:
    message: p4r.ActionProfileGroup
    users: int = 0


@dataclass
class Set:
    """A one-shot set: the ids that were taken for it."""

    group: int
    members: list[int] = field(default_factory=list)


class Profile:
    """One action profile or selector."""

    def __init__(self, info: p4i.ActionProfile, layout: ProfileLayout, actions: Actions, maps: Maps) -> None:
        self.id = info.preamble.id
        self.name = info.preamble.alias
        self._info = info
        self._size = layout.record_size
        self._actions = actions
        self._member_map: Map = maps[layout.members]
        self._group_map: Map = maps[layout.groups]
        self._members: dict[int, Member] = {}
        self._groups: dict[int, Group] = {}
        self._sets: dict[tuple[int, int], Set] = {}
        """By table and group."""
        self._set_members = 0
        self._member_numbers = Numbers(1, MOST_NUMBERS)
        self._group_numbers = Numbers(1, MOST_NUMBERS)
        self._entries = 0
        """Table entries that refer to members or groups by id."""

    # members

    def write_member(self, kind: int, message: p4r.ActionProfileMember) -> None:
        identifier = message.member_id
        known = self._members.get(identifier)
        if kind == p4r.Update.INSERT:
            self._refuse_mixing(bool(self._sets))
            if identifier == 0:
                raise invalid(f"{self.name}: found member id 0; expected 1 or more")
            if known:
                raise present(f"{self.name}: member {identifier} is there; expected a new id, or MODIFY")
            self._room_for(1)
            self._put_member(identifier, message.action)
            self._members[identifier] = Member(_copy(message))
            return
        if known is None:
            raise missing(f"{self.name}: found no member {identifier}; expected one that was inserted")
        if kind == p4r.Update.MODIFY:
            self._put_member(identifier, message.action)
            known.message = _copy(message)
        elif known.users:
            raise precondition(f"{self.name}: member {identifier} is used {known.users} times; expected no use")
        else:
            self._member_map.delete(number(identifier))
            del self._members[identifier]

    def members(self, identifier: int) -> Iterator[p4r.ActionProfileMember]:
        for number_, member in self._members.items():
            if identifier in (0, number_):
                yield member.message

    # groups

    def write_group(self, kind: int, message: p4r.ActionProfileGroup) -> None:
        self._expect_selector()
        identifier = message.group_id
        known = self._groups.get(identifier)
        if kind == p4r.Update.INSERT:
            self._refuse_mixing(bool(self._sets))
            if identifier == 0:
                raise invalid(f"{self.name}: found group id 0; expected 1 or more")
            if known:
                raise present(f"{self.name}: group {identifier} is there; expected a new id, or MODIFY")
            self._check_group(message)
            self._put_group(identifier, [(each.member_id, each.weight) for each in message.members])
            self._groups[identifier] = Group(_copy(message))
            self._use_members(message, 1)
            return
        if known is None:
            raise missing(f"{self.name}: found no group {identifier}; expected one that was inserted")
        if kind == p4r.Update.MODIFY:
            if message.max_size != known.message.max_size:
                raise invalid(
                    f"{self.name}: group {identifier}: found max_size {message.max_size}; "
                    f"expected {known.message.max_size}, as it was inserted"
                )
            self._check_group(message)
            self._put_group(identifier, [(each.member_id, each.weight) for each in message.members])
            self._use_members(known.message, -1)
            self._use_members(message, 1)
            known.message = _copy(message)
        elif known.users:
            raise precondition(f"{self.name}: group {identifier} is used by {known.users} entries; expected none")
        else:
            self._group_map.delete(number(identifier))
            self._use_members(known.message, -1)
            del self._groups[identifier]

    def groups(self, identifier: int) -> Iterator[p4r.ActionProfileGroup]:
        for number_, group in self._groups.items():
            if identifier in (0, number_):
                yield group.message

    def _check_group(self, message: p4r.ActionProfileGroup) -> None:
        where = f"{self.name}: group {message.group_id}"
        seen = set()
        for each in message.members:
            if each.member_id not in self._members:
                raise missing(f"{where}: found no member {each.member_id}; expected members that were inserted")
            if each.member_id in seen:
                raise invalid(f"{where}: found member {each.member_id} twice; expected it once, with a weight")
            seen.add(each.member_id)
        largest = self._info.max_group_size
        if largest and not 0 < message.max_size <= largest:
            raise invalid(f"{where}: found max_size {message.max_size}; expected 1 to {largest}")
        if message.max_size > MAXIMUM_GROUP:
            raise exhausted(f"{where}: found max_size {message.max_size}; expected at most {MAXIMUM_GROUP}")
        self._check_weights(where, message.members, message.max_size or MAXIMUM_GROUP)

    def _check_weights(self, where: str, members: Any, most: int) -> None:
        total = 0
        for each in members:
            if each.weight <= 0:
                raise invalid(f"{where}: found weight {each.weight}; expected 1 or more")
            if each.WhichOneof("watch_kind"):
                raise unimplemented(f"{where}: found a watched port; members are always in use here, expected none")
            total += each.weight
        if total > most:
            raise exhausted(f"{where}: found weights of {total} together; expected at most {most}")

    def _use_members(self, message: p4r.ActionProfileGroup, change: int) -> None:
        for each in message.members:
            self._members[each.member_id].users += change

    # references of entries

    def take(self, action: p4r.TableAction, index: int, table: int) -> bytes:
        kind = action.WhichOneof("type")
        if kind == "action_profile_member_id":
            return self._refer(MEMBER, self._members, action.action_profile_member_id, index)
        if kind == "action_profile_group_id":
            self._expect_selector()
            return self._refer(GROUP, self._groups, action.action_profile_group_id, index)
        if kind == "action_profile_action_set":
            self._expect_selector()
            return self._take_set(action.action_profile_action_set, index, table)
        raise invalid(f"{self.name}: found {kind or 'no action'}; expected a member, a group or a set of actions")

    def release(self, action: p4r.TableAction, record: bytes, table: int) -> None:
        kind, identifier = action.WhichOneof("type"), int.from_bytes(record[8:12], "little")
        if kind == "action_profile_action_set":
            dropped = self._sets.pop((table, identifier))
            self._set_members -= len(dropped.members)
            self._drop_set(dropped)
            return
        users: Member | Group = (self._members if kind == "action_profile_member_id" else self._groups)[identifier]
        users.users -= 1
        self._entries -= 1

    def _refer(self, kind: int, known: Any, identifier: int, index: int) -> bytes:
        self._refuse_mixing(bool(self._sets))
        if identifier not in known:
            what = "group" if kind == GROUP else "member"
            raise missing(f"{self.name}: found no {what} {identifier}; expected one that is there")
        known[identifier].users += 1
        self._entries += 1
        return number(kind) + number(index) + number(identifier)

    def _take_set(self, message: p4r.ActionProfileActionSet, index: int, table: int) -> bytes:
        self._refuse_mixing(bool(self._members or self._groups or self._entries))
        where = f"{self.name}: one-shot set"
        if message.action_selection_mode == message.RANDOM or message.size_semantics == message.SUM_OF_MEMBERS:
            raise unimplemented(f"{where}: found a mode of selection or size; expected the defaults, hash and weights")
        largest = self._info.max_group_size
        if largest and len(message.action_profile_actions) > largest:
            raise invalid(f"{where}: found {len(message.action_profile_actions)} actions; expected at most {largest}")
        self._check_weights(where, message.action_profile_actions, MAXIMUM_GROUP)
        self._room_for(len(message.action_profile_actions))
        made = Set(self._taken(self._group_numbers))
        try:
            for each in message.action_profile_actions:
                made.members.append(self._taken(self._member_numbers))
                self._put_member(made.members[-1], each.action)
            weights = [each.weight for each in message.action_profile_actions]
            self._put_group(made.group, list(zip(made.members, weights, strict=True)))
        except Refusal:
            self._drop_set(made)
            raise
        self._sets[table, made.group] = made
        self._set_members += len(made.members)
        return number(GROUP) + number(index) + number(made.group)

    def _drop_set(self, made: Set) -> None:
        self._group_map.delete(number(made.group))
        self._group_numbers.give_back(made.group)
        for member in made.members:
            self._member_map.delete(number(member))
            self._member_numbers.give_back(member)

    def _taken(self, numbers: Numbers) -> int:
        taken = numbers.take()
        if taken is None:
            raise exhausted(f"{self.name}: found no free number for a one-shot set; expected fewer sets")
        return taken

    # the maps

    def _put_member(self, identifier: int, action: p4r.Action) -> None:
        if not action.action_id:
            raise invalid(f"{self.name}: found no action; expected one")
        record = self._actions.find(action.action_id).record(action, self._size)
        self._put(self._member_map, number(identifier), record)

    def _put_group(self, identifier: int, weighted: list[tuple[int, int]]) -> None:
        named = [member for member, weight in weighted for _ in range(weight)]
        value = number(len(named)) + b"".join(number(member) for member in named)
        self._put(self._group_map, number(identifier), value.ljust(4 + 4 * MAXIMUM_GROUP, b"\0"))

    def _put(self, target: Map, key: bytes, value: bytes) -> None:
        try:
            target.update(key, value)
        except OSError as error:
            if error.errno not in (errno.E2BIG, errno.ENOSPC, errno.ENOMEM):
                raise
            raise exhausted(f"{self.name}: found its map full at {target.max_entries}; expected room") from None

    # rules

    def _room_for(self, count: int) -> None:
        there = len(self._members) + self._set_members
        if self._info.size and there + count > self._info.size:
            raise exhausted(
                f"{self.name}: found {there} members and {count} more; expected at most {self._info.size}, its size"
            )

    def _expect_selector(self) -> None:
        if not self._info.with_selector:
            raise invalid(f"{self.name}: found a group; expected members, for it is no action selector")

    def _refuse_mixing(self, other: bool) -> None:
        if other:
            raise invalid(f"{self.name}: found one-shot sets beside members or groups; expected one style alone")


def _copy(message: Any) -> Any:
    copy = type(message)()
    copy.CopyFrom(message)
    return copy
