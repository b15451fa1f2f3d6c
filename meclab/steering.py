"""What each method must tell whom when the orchestrator has decided: the decision's messengers."""

from meclab.messages import Transaction
from meclab.methods import Method
from meclab.policy import Decision


def transaction(method: Method, attach: dict[str, str], decisions: tuple[Decision, ...]) -> Transaction | None:
    """What the controller is told: who attached where and, for `vip`, who serves; none where that is nothing.

    `cloud` and `sticky` carry no decision anywhere: the device never learns of it.
    """
    serve = {decision.device: decision.host for decision in decisions} if method.name == "vip" else {}
    if not attach and not serve:
        return None
    return Transaction(attach=attach, serve=serve)
