"""A table's default action (P4Runtime section "Default Entry")."""

from finsy.proto import p4i, p4r

from dataplane.compiler.layout import NO_INDEX
from dataplane.target.actions import Actions
from dataplane.target.maps import Map, number
from dataplane.target.refusal import denied, invalid, unimplemented

Update = p4r.Update


class DefaultAction:
    """What happens to packets that hit no entry: one record, that the program's source gives and controllers change."""

    def __init__(self, info: p4i.Table, target: Map, actions: Actions) -> None:
        self._name = info.preamble.alias
        self._info = info
        self._map = target
        self._actions = actions
        self._first = p4r.TableEntry()
        self.message = p4r.TableEntry()
        """As it is read back."""

    @property
    def changed(self) -> bool:
        """Whether it is another than the source's."""
        return bool(self.message != self._first)

    def fill(self, message: p4r.TableEntry) -> None:
        """The default action of the source."""
        self._set(message)
        self._first = self.message

    def write(self, kind: int, message: p4r.TableEntry) -> None:
        """One update; without an action it is that of the source again."""
        if kind != Update.MODIFY:
            raise invalid(f"{self._name}: found INSERT or DELETE of the default action; expected MODIFY")
        if message.match or message.priority:
            raise invalid(f"{self._name}: found match or priority with the default action; expected neither")
        if message.idle_timeout_ns:
            raise invalid(f"{self._name}: found an idle timeout of the default action; expected none")
        for given in ("meter_config", "counter_data"):
            if message.HasField(given):
                raise unimplemented(
                    f"{self._name}: found {given} of the default action; it has no counter or meter here"
                )
        if self._info.const_default_action_id:
            raise denied(f"{self._name}: its default action is const; expected reads alone")
        if self._info.implementation_id and message.HasField("action"):
            raise invalid(f"{self._name}: found a default action; expected none, for the table has an action profile")
        self._set(message if message.HasField("action") else self._first)

    def _set(self, message: p4r.TableEntry) -> None:
        copy = p4r.TableEntry()
        copy.CopyFrom(message)
        if copy.action.WhichOneof("type") != "action":
            raise invalid(f"{self._name}: found no action of its own as default; expected one")
        action = self._actions.find(copy.action.action.action_id, default=True)
        self._map.update(number(0), action.record(copy.action.action, self._map.value_size, NO_INDEX))
        self.message = copy
