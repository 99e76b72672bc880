"""The AE book: the DICOM nodes that we know, by AE title."""

from dataclasses import asdict, dataclass, fields
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from hounsfield.db.tables import Peer as Table


@dataclass(frozen=True, slots=True)
class Peer:
    """A DICOM node: where it is, how it shows that it is who it says, and what it may do."""

    ae_title: str
    host: str = ""
    """Where we open associations to it; empty where we never do."""
    port: int = 104
    tls: bool = False
    addresses: tuple[str, ...] = ()
    """Addresses or networks that it calls from; none of them binds it."""
    certificate: str = ""
    """``sha256:`` and the fingerprint of its certificate, or a name in it."""
    may_store: bool = False
    may_find: bool = False
    may_get: bool = False
    may_move: bool = False
    may_commit: bool = False
    may_receive: bool = False
    """A destination of C-MOVE and of what we send."""
    max_associations: int | None = None
    preferred_transfer_syntaxes: tuple[str, ...] = ()
    """What it likes to receive, best first; none: what we have."""
    description: str = ""

    @property
    def is_bound(self) -> bool:
        """An address or a certificate shows that a caller is this peer."""
        return bool(self.addresses or self.certificate)

    @property
    def may_call(self) -> bool:
        """It may do something here, once it has called us."""
        return self.may_store or self.may_find or self.may_get or self.may_move or self.may_commit


_COLUMNS = [getattr(Table, field.name) for field in fields(Peer)]


def find_peer(connection: Connection, ae_title: str) -> Peer | None:
    """The peer of this AE title."""
    row = connection.execute(select(*_COLUMNS).where(Table.ae_title == ae_title)).one_or_none()
    return None if row is None else _peer(row)


def list_peers(connection: Connection) -> list[Peer]:
    """All of them, by AE title."""
    return [_peer(row) for row in connection.execute(select(*_COLUMNS).order_by(Table.ae_title))]


def add_peer(connection: Connection, peer: Peer) -> bool:
    """Add one; False where its AE title is taken."""
    statement = insert(Table).values(**_values(peer)).on_conflict_do_nothing()
    return connection.execute(statement.returning(Table.ae_title)).one_or_none() is not None


def save_peer(connection: Connection, peer: Peer) -> bool:
    """Change the peer of this AE title; False where there is none."""
    values = {**_values(peer), "changed_at": func.now()}
    statement = update(Table).where(Table.ae_title == peer.ae_title).values(**values)
    return connection.execute(statement).rowcount == 1


def remove_peer(connection: Connection, ae_title: str) -> bool:
    """Remove one; False where there is none."""
    return connection.execute(delete(Table).where(Table.ae_title == ae_title)).rowcount == 1


def _peer(row: Row[Any]) -> Peer:
    values = row._asdict()
    lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
    return Peer(**(values | lists))


def _values(peer: Peer) -> dict[str, Any]:
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in asdict(peer).items()
    }
