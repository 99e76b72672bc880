"""The AE book in the database."""

from dataclasses import replace

from hounsfield.archive.archive import Archive
from hounsfield.db.repositories.peers import (
    Peer,
    add_peer,
    find_peer,
    list_peers,
    remove_peer,
    save_peer,
)

PACS = Peer(
    "PACS",
    host="pacs.example",
    port=11112,
    tls=True,
    addresses=("10.0.0.0/8", "::1"),
    certificate="pacs.example",
    may_find=True,
    may_receive=True,
    max_associations=3,
    preferred_transfer_syntaxes=("1.2.840.10008.1.2.4.80",),
    description="the archive",
)


def test_a_peer_is_kept_changed_and_removed_as_it_is(archive: Archive) -> None:
    run = archive.database.run
    assert run(lambda connection: add_peer(connection, PACS))
    assert not run(lambda connection: add_peer(connection, Peer("PACS")))
    assert run(lambda connection: find_peer(connection, "PACS")) == PACS
    assert run(lambda connection: find_peer(connection, "pacs")) is None
    assert run(lambda connection: add_peer(connection, Peer("CT1", may_store=True)))
    changed = replace(PACS, addresses=(), max_associations=None)
    assert run(lambda connection: save_peer(connection, changed))
    assert not run(lambda connection: save_peer(connection, Peer("MR1")))
    assert run(list_peers) == [Peer("CT1", may_store=True), changed]
    assert run(lambda connection: remove_peer(connection, "PACS"))
    assert not run(lambda connection: remove_peer(connection, "PACS"))


def test_what_binds_a_peer_and_whether_it_may_call() -> None:
    assert not Peer("A").is_bound
    assert Peer("A", addresses=("::1",)).is_bound
    assert Peer("A", certificate="a").is_bound
    assert not Peer("A", may_receive=True).may_call
    assert Peer("A", may_commit=True).may_call
