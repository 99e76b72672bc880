"""Retrieve service class as SCP by C-MOVE (PS3.4 C.4.2, PS3.7 9.1.4).

The destination is a peer of the AE book that may receive; where it is ourselves, what is asked for
is here already. The instances go out over associations that we open; meanwhile the peer
that asked is told how far it is, and is heard.
"""

import time

from sqlalchemy.exc import SQLAlchemyError

from hounsfield.archive.errors import HounsfieldError, NotFound
from hounsfield.archive.peers import Peer, find
from hounsfield.archive.retrieve import open_object
from hounsfield.archive.retrieve_set import RetrieveSet
from hounsfield.dimse.probe import destination_of
from hounsfield.dimse.requests import MOVE_DESTINATION
from hounsfield.dimse.retrieval import Retrieval, Tally
from hounsfield.dimse.sending_associations import Errand, Sending
from hounsfield.dimse.status import (
    CANNOT_PERFORM_SUB_OPERATIONS,
    MOVE_DESTINATION_UNKNOWN,
    SUCCESS,
    Status,
    comment,
    status_of,
)

HEARING_SECONDS = 0.1
CANCEL_SECONDS = 5.0
"""So long the instances in progress have to end after a cancel."""


class Move(Retrieval):
    """One C-MOVE."""

    _sending: Sending | None = None

    def abort(self) -> None:
        """Whoever asked has gone: begin nothing more."""
        if self._sending is not None:
            self._sending.stop()

    def _perform(self, instances: RetrieveSet) -> Status:
        named = self._request.elements.get(MOVE_DESTINATION, b"")
        ae_title = named.decode("ascii", "replace").strip("\0 ")
        if ae_title == self._archive.settings.dimse.ae_title.strip():
            return self._to_ourselves(instances)
        try:
            peer = find(self._archive, ae_title)
        except NotFound as error:
            return Status(MOVE_DESTINATION_UNKNOWN, comment(error.message))
        except SQLAlchemyError:
            message = "the database does not answer"
            return Status(CANNOT_PERFORM_SUB_OPERATIONS, message)
        if not peer.may_receive:
            message = f"{ae_title} may not receive, says the AE book"
            return Status(MOVE_DESTINATION_UNKNOWN, comment(message))
        return self._send(instances, peer) if instances.count else SUCCESS

    def _send(self, instances: RetrieveSet, peer: Peer) -> Status:
        asked_by = (self._exchange.agreement.calling_ae_title, self._request.message_id)
        errand = Errand(
            destination_of(peer),
            instances.kinds,
            peer.preferred_transfer_syntaxes,
            asked_by,
        )
        tally = Tally(instances.count)
        sending = Sending(self._archive, errand, instances, peer.max_associations)
        self._sending = sending
        sending.start()
        patience: float | None = None
        for result in sending.results(HEARING_SECONDS):
            if result is not None:
                tally.count(*result)
            if patience is not None:
                if time.monotonic() > patience:
                    sending.abort()
            elif self._exchange.is_canceled():
                sending.stop()
                patience = time.monotonic() + CANCEL_SECONDS
            elif result is not None:
                self._say(tally)
                self._exchange.flush()
        self._sending = None
        if patience is not None:
            return self._canceled(tally)
        return self._done(tally, sending.trouble)

    def _to_ourselves(self, instances: RetrieveSet) -> Status:
        """Nothing has to go anywhere; it is looked whether all of it is there."""
        tally = Tally(instances.count)
        try:
            for instance in instances:
                if self._exchange.is_canceled():
                    return self._canceled(tally)
                try:
                    open_object(self._archive, instance).close()
                    status = SUCCESS
                except HounsfieldError as error:
                    status = status_of(error)
                tally.count(instance.sop_instance_uid, status)
                self._say(tally)
        except HounsfieldError as error:
            return self._done(tally, error.message)
        return self._done(tally)
