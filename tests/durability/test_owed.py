"""What is owed to a peer is owed through ``kill -9``: pushes, and answers to commitment."""

import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import orjson
import pytest
from dimse_pacs import COMMITMENT, WELL_KNOWN, Pacs
from dimse_peer import CT, IMPLICIT, RELEASE_RQ_PDU, Peer, associate_rq, command_set, ui, us
from factories import new_uid
from process_tree import Tree, until
from senders import c_store_one, made, request

from hounsfield.dimse.commitment_data import encode_request

QUICK = {
    "HOUNSFIELD_OUTGOING__RETRY_SECONDS": "0.5",
    "HOUNSFIELD_OUTGOING__LONGEST_RETRY_SECONDS": "1",
}
JSON = {"content-type": "application/json"}

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="kills processes by signals"),
    pytest.mark.slow,
]


def post(tree: Tree, path: str, body: dict[str, object]) -> dict[str, object]:
    reply = request(tree.http_port, "POST", path, orjson.dumps(body), JSON)
    assert reply.status in (201, 202), reply.body
    return dict(reply.json())


def ask_for_commitment(port: int, uid: str, sop_instance_uid: str) -> None:
    """As the peer does it that leaves at once and waits to be called."""
    command = command_set(
        e0003=ui(COMMITMENT),
        e0100=us(0x0130),
        e0110=us(1),
        e0800=us(1),
        e1001=ui(WELL_KNOWN),
        e1008=us(1),
    )
    with Peer(port) as peer:
        peer.associate(associate_rq([(3, COMMITMENT, [IMPLICIT])], calling=b"PACS"))
        peer.command(3, command)
        peer.data(3, encode_request(uid, [(CT, sop_instance_uid)], IMPLICIT))
        peer.send(RELEASE_RQ_PDU)
        assert peer.status() == 0


def test_a_push_and_an_answer_that_are_owed_reach_their_peer_after_kill_9(
    short_dir: Path, start: Callable[..., Tree]
) -> None:
    tree = start(short_dir / "data", **QUICK)
    study, uid = new_uid(), new_uid()
    slices = [made(StudyInstanceUID=study) for _ in range(3)]
    for each in slices:
        assert c_store_one(tree.dimse_port, each) == 0
    with closing(Pacs(0)) as pacs:
        rights = {"may_commit": True, "may_receive": True}
        post(
            tree,
            "/api/peers",
            {"ae_title": "PACS", "host": "127.0.0.1", "port": pacs.port, **rights},
        )
        ask_for_commitment(tree.dimse_port, uid, slices[0].sop)
        queued = post(tree, "/api/pushes", {"ae_title": "PACS", "study_instance_uid": study})
        path = f"/api/pushes/{queued['id']}"
        until(lambda: request(tree.http_port, "GET", path).json()["attempt"] > 0, 30)
        tree.kill()
        tree = start(short_dir / "data", **QUICK)
        pacs.our_port = tree.dimse_port
        pacs.listen()
        until(lambda: request(tree.http_port, "GET", path).json()["state"] == "done", 60)
        assert request(tree.http_port, "GET", path).json()["committed"] == 3
        assert sorted(pacs.received) == sorted(each.sop for each in slices)
        until(lambda: (uid, {slices[0].sop: 0}) in pacs.reports, 30)
    path = f"/dicom-web/studies/{study}"
    assert request(tree.http_port, "DELETE", path).status == 409
    assert request(tree.http_port, "DELETE", f"{path}?committed=delete").status == 204
