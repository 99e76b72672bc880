"""The AE book as the JSON API says it."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Peer(BaseModel):
    """A DICOM node: where it is, how it shows that it is who it says, and what it may do."""

    ae_title: str
    host: str
    port: int
    tls: bool
    addresses: list[str]
    certificate: str
    may_store: bool
    may_find: bool
    may_get: bool
    may_move: bool
    may_commit: bool
    may_receive: bool
    max_associations: int | None
    preferred_transfer_syntaxes: list[str]
    description: str


class PeerRequest(BaseModel):
    """A peer as it shall be. Without ``addresses`` it is bound to its host where that is an
    address; an empty list binds it to none."""

    model_config = ConfigDict(extra="forbid")

    ae_title: str = Field(max_length=64)
    host: str = Field("", max_length=255)
    port: int = 104
    tls: bool = False
    addresses: list[str] | None = Field(None, max_length=100)
    certificate: str = Field("", max_length=255)
    may_store: bool = False
    may_find: bool = False
    may_get: bool = False
    may_move: bool = False
    may_commit: bool = False
    may_receive: bool = False
    max_associations: int | None = None
    preferred_transfer_syntaxes: list[str] = Field([], max_length=50)
    description: str = Field("", max_length=1000)


class Peers(BaseModel):
    """The AE book, and what it means for callers that it does not have."""

    items: list[Peer]
    only_known: bool


class PeerFinding(BaseModel):
    """Whether a peer accepts a service from us, and what of it."""

    service: Literal["store", "find", "get", "move", "commit"]
    accepted: bool
    detail: str


class PeerProbe(BaseModel):
    """How a call to a peer went; a failure is in words, with what to do about it."""

    answered: bool
    message: str
    advice: str
    milliseconds: float
    implementation: str
    findings: list[PeerFinding]
