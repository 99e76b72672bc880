"""A stranger's archive: it takes instances, commits to them, and hears what we commit to."""

import socket
import threading
from collections.abc import Callable
from typing import Any

from dimse_peer import CT, EXPLICIT, IMPLICIT
from pydicom import Dataset
from pynetdicom import AE, build_role, evt
from pynetdicom.sop_class import StorageCommitmentPushModel  # type: ignore[attr-defined]

COMMITMENT = str(StorageCommitmentPushModel)
WELL_KNOWN = "1.2.840.10008.1.20.1.1"
SUCCESS, NOT_HERE = 0x0000, 0x0112


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Pacs:
    """A stranger that takes instances, and commits to them over an association of its own."""

    def __init__(self, our_port: int, name: str = "PACS") -> None:
        self.reports: list[tuple[str, dict[str, int]]] = []
        self.received: list[str] = []
        self.status: Callable[[str], int] = lambda uid: SUCCESS
        self.commits: Callable[[str], int] = lambda uid: SUCCESS
        self.our_port = our_port
        self.port = free_port()
        self.name = name
        self.asked: list[str] = []
        self._server: Any = None

    def listen(self) -> "Pacs":
        entity = AE(self.name)
        entity.add_supported_context(CT, [EXPLICIT, IMPLICIT])
        syntaxes = [EXPLICIT, IMPLICIT]
        entity.add_supported_context(COMMITMENT, syntaxes, scu_role=True, scp_role=True)
        handlers = [
            (evt.EVT_C_STORE, self._store),
            (evt.EVT_N_ACTION, self._ask),
            (evt.EVT_N_EVENT_REPORT, self._hear),
        ]
        address = ("127.0.0.1", self.port)
        self._server = entity.start_server(address, block=False, evt_handlers=handlers)
        return self

    def close(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server = None

    def _store(self, event: Any) -> int:
        uid = str(event.request.AffectedSOPInstanceUID)
        status = self.status(uid)
        if status == SUCCESS:
            self.received.append(uid)
        return status

    def _ask(self, event: Any) -> tuple[int, None]:
        asked = event.action_information
        self.asked.append(str(asked.TransactionUID))
        report = Dataset()
        report.TransactionUID = asked.TransactionUID
        items = list(asked.ReferencedSOPSequence)
        good = [i for i in items if self.commits(i.ReferencedSOPInstanceUID) == SUCCESS]
        bad = [i for i in items if i not in good]
        for item in bad:
            item.FailureReason = self.commits(item.ReferencedSOPInstanceUID)
        if good:
            report.ReferencedSOPSequence = good
        if bad:
            report.FailedSOPSequence = bad
        self._report = (report, 2 if bad else 1)
        if self.commits("") == SUCCESS:
            threading.Thread(target=self.report).start()
        return SUCCESS, None

    def _hear(self, event: Any) -> tuple[int, None]:
        said = event.event_information
        kept = {str(i.ReferencedSOPInstanceUID): 0 for i in said.get("ReferencedSOPSequence", [])}
        self.reports.append((str(said.TransactionUID), kept))
        return SUCCESS, None

    def report(self) -> None:
        """N-EVENT-REPORT, as SCP by role selection."""
        entity = AE(self.name)
        entity.add_requested_context(COMMITMENT, [IMPLICIT])
        association = entity.associate(
            "127.0.0.1",
            self.our_port,
            ae_title="HOUNSFIELD",
            ext_neg=[build_role(COMMITMENT, scu_role=False, scp_role=True)],
        )
        assert association.is_established
        data, kind = self._report
        status, _ = association.send_n_event_report(data, kind, COMMITMENT, WELL_KNOWN)
        self.answer = status.Status
        association.release()
