"""Retrieve service class as SCP by C-GET (PS3.4 C.4.3, PS3.7 9.1.3).

The instances come back over the same association, in the contexts in which the peer has the role
of SCP; what it accepted no context for is counted as failed.
"""

from collections.abc import Iterable

from hounsfield.archive.errors import HounsfieldError
from hounsfield.archive.retrieve_set import RetrieveSet
from hounsfield.dimse.exchange import Exchange
from hounsfield.dimse.negotiation import AcceptedContext
from hounsfield.dimse.retrieval import Retrieval, Tally
from hounsfield.dimse.sending import Bytes
from hounsfield.dimse.status import Status
from hounsfield.dimse.sub_operation import send_instance


class SameAssociation:
    """The peer of an association, as receiver of what it gets."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        contexts = exchange.agreement.contexts.values()
        self._contexts = [context for context in contexts if context.peer_is_scp]

    def storage_contexts(self) -> Iterable[AcceptedContext]:
        """Those in which the role of SCP was negotiated."""
        return self._contexts

    def next_message_id(self) -> int:
        """Counted apart from the peer's own."""
        return self._exchange.next_message_id()

    def store(self, context: AcceptedContext, command: bytes, data_set: Iterable[Bytes]) -> Status:
        """Send, and hear what the peer says of it."""
        return self._exchange.call(context, command, data_set).status


class Get(Retrieval):
    """One C-GET."""

    def _perform(self, instances: RetrieveSet) -> Status:
        receiver = SameAssociation(self._exchange)
        tally = Tally(instances.count)
        try:
            for instance in instances:
                if self._exchange.is_canceled():
                    return self._canceled(tally)
                status = send_instance(self._archive, receiver, instance)
                tally.count(instance.sop_instance_uid, status)
                self._say(tally)
        except HounsfieldError as error:
            # The database went away between two pages: what is left was not sent.
            return self._done(tally, error.message)
        return self._done(tally)
