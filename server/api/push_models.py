"""Bodies of ``/api/pushes``."""

import datetime as dt
import uuid
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from hounsfield.server.api.common import UID

State = Literal["queued", "sending", "awaiting commitment", "done", "failed", "canceled"]


class PushRequest(BaseModel):
    """A study or series that a peer is to get."""

    model_config = ConfigDict(extra="forbid")

    ae_title: str = Field(min_length=1, max_length=16)
    study_instance_uid: str = Field(pattern=UID)
    series_instance_uid: str | None = Field(None, pattern=UID)
    commit: bool | None = Field(
        None, description="ask for storage commitment afterwards; null: as the AE book has it"
    )


class PushFailure(BaseModel):
    """An instance that did not go through."""

    sop_instance_uid: str
    reason: str


class Push(BaseModel):
    """A push, and how far it is."""

    id: uuid.UUID
    ae_title: str
    study_instance_uid: str
    series_instance_uid: str | None
    trigger: Literal["person", "rule"]
    state: State
    reason: str = Field(description="why it has failed, or is not through yet")
    commit: bool
    queued: int = Field(description="instances still to be sent; 0 until the first attempt")
    sent: int
    committed: int
    failed: int
    failures: list[PushFailure] = Field(description="the first hundred; in a list none")
    attempt: int
    due_at: dt.datetime | None = Field(description="when it is looked at next")
    created_at: dt.datetime
    ended_at: dt.datetime | None


class Pushes(BaseModel):
    """A page of pushes, the newest first."""

    items: list[Push]
