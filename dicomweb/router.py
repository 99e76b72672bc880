"""The service's resources and their handlers, as plain ASGI endpoints below any prefix.

::

    app.include_router(create_router(archive), prefix="/dicom-web")

The caller closes the archive. An application that is not ours takes
:mod:`hounsfield.dicomweb.plugin`, where FastAPI's dependencies hold and the archive is closed.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from starlette.routing import Route

from hounsfield.dicomweb.bulk_collections import Collections
from hounsfield.dicomweb.bulkdata import Bulkdata
from hounsfield.dicomweb.capabilities import ROOT, Capabilities
from hounsfield.dicomweb.catalog import Catalog
from hounsfield.dicomweb.deletion import Deletion
from hounsfield.dicomweb.frames import Frames
from hounsfield.dicomweb.instances import Instances
from hounsfield.dicomweb.making import Maker
from hounsfield.dicomweb.outgoing import OutgoingObjects
from hounsfield.dicomweb.qido import Search
from hounsfield.dicomweb.render_pool import RenderPool
from hounsfield.dicomweb.rendered import Rendered
from hounsfield.dicomweb.resource import Handler, Resource
from hounsfield.dicomweb.retrieve_metadata import Metadata
from hounsfield.dicomweb.stow import Store
from hounsfield.dicomweb.thumbnails import Thumbnails
from hounsfield.dicomweb.wado_uri import WadoUri

if TYPE_CHECKING:
    from hounsfield.archive.archive import Archive

STUDY = "/studies/{study}"
SERIES = STUDY + "/series/{series}"
INSTANCE = SERIES + "/instances/{instance}"
LEVELS = (STUDY, SERIES, INSTANCE)
WADO = "/wado"
PICTURES = ("/rendered", "/thumbnail")
FRAMES = INSTANCE + "/frames/{frames}"


def create_router(archive: "Archive") -> APIRouter:
    """All DICOMweb resources of an archive, for one server process.

    The routes are plain ASGI endpoints, the one that scrolling takes first.
    """
    _route = partial(_make_route, archive.settings.http.strict_accept)
    catalog, pool = Catalog(archive), RenderPool()
    frames = Frames(archive, catalog, pool)
    instances = Instances(archive, catalog, OutgoingObjects(archive, catalog, pool))
    metadata, search, store = Metadata(archive), Search(archive), Store(archive)
    collections = Collections(archive, catalog, frames)
    bulkdata, maker = Bulkdata(catalog, frames), Maker(archive, pool)
    rendered, thumbnails = Rendered(archive, maker), Thumbnails(archive, maker)
    wado_uri = WadoUri(archive, instances.retrieve, rendered.instance)
    deletion = Deletion(archive, catalog)

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        yield
        await pool.close()
        store.close()

    router = APIRouter(lifespan=lifespan)
    router.routes += [
        _route(FRAMES, GET=frames.retrieve),
        _route(INSTANCE, GET=instances.retrieve, DELETE=deletion.delete),
        *(_route(f"{level}/metadata", GET=metadata.retrieve) for level in LEVELS),
        _route("/studies", GET=search.studies, POST=store.store),
        _route("/series", GET=search.series),
        _route("/instances", GET=search.instances),
        _route(f"{STUDY}/series", GET=search.series),
        _route(f"{STUDY}/instances", GET=search.instances),
        _route(f"{SERIES}/instances", GET=search.instances),
        _route(ROOT, OPTIONS=Capabilities(lambda: router.routes).retrieve),
        _route(WADO, GET=wado_uri.retrieve),
        _route(STUDY, GET=instances.retrieve, POST=store.store, DELETE=deletion.delete),
        _route(SERIES, GET=instances.retrieve, DELETE=deletion.delete),
        *(_route(f"{level}/bulkdata", GET=collections.bulkdata) for level in LEVELS),
        *(_route(f"{level}/pixeldata", GET=collections.pixeldata) for level in LEVELS),
        _route(f"{INSTANCE}/bulkdata/{{path:path}}", GET=bulkdata.retrieve),
        *(_route(f"{level}/rendered", GET=rendered.several) for level in (STUDY, SERIES)),
        *(_route(f"{level}/rendered", GET=rendered.instance) for level in (INSTANCE, FRAMES)),
        *(_route(f"{level}/thumbnail", GET=thumbnails.retrieve) for level in (*LEVELS, FRAMES)),
    ]
    return router


def _make_route(strict: bool, path: str, **handlers: Handler) -> Route:
    """WADO-URI says what it accepts in its own words."""
    watched = path.endswith(PICTURES)
    resource = Resource(path.count("/"), strict and path != WADO, watched, **handlers)
    return Route(path, resource, include_in_schema=False)
