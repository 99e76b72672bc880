"""The same where no `hounsfield serve` runs on the database, and with a guard of the host's."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPBasic, HTTPBasicCredentials
from starlette.middleware.trustedhost import TrustedHostMiddleware

from hounsfield.archive.archive import Archive
from hounsfield.archive.events import Sequencer
from hounsfield.archive.sweep import Sweeper
from hounsfield.conf.settings import Settings
from hounsfield.dicomweb.plugin import create_plugin

archive = Archive(Settings())


def require_password(given: Annotated[HTTPBasicCredentials, Depends(HTTPBasic())]) -> None:
    """Everybody who knows the password, by whatever name."""
    expected = os.environ["PACS_PASSWORD"]
    if not secrets.compare_digest(given.password.encode(), expected.encode()):
        raise HTTPException(401, headers={"WWW-Authenticate": "Basic"})


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Number the change feed, and remove what was deleted once its grace period is over."""
    background = (Sequencer(archive), Sweeper(archive))
    for thread in background:
        thread.start()
    yield
    for thread in background:
        await asyncio.to_thread(thread.stop)


app = FastAPI(lifespan=lifespan)
app.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])
guard = [Depends(require_password)]
app.include_router(create_plugin(archive), prefix="/pacs", dependencies=guard)
