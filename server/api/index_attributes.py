"""Attributes that an administrator adds to what searches may name."""

from fastapi import APIRouter, status

from hounsfield.archive import index_attributes
from hounsfield.archive.matching import name_of
from hounsfield.archive.search import Level
from hounsfield.dicomweb.queries import parse_path
from hounsfield.server.api.common import OfArchive, problems
from hounsfield.server.api.models import IndexAttribute, IndexAttributeRequest, IndexAttributes

router = APIRouter(tags=["index"], prefix="/index-attributes")


@router.get("", responses=problems(503))
def list_index_attributes(archive: OfArchive) -> IndexAttributes:
    """Every one, with its progress."""
    return IndexAttributes(items=[_view(each) for each in index_attributes.read(archive)])


@router.post("", status_code=status.HTTP_202_ACCEPTED, responses=problems(400, 403, 503))
def add_index_attribute(archive: OfArchive, wish: IndexAttributeRequest) -> IndexAttribute:
    """Index an attribute; what is stored is indexed in the background."""
    added = index_attributes.add(
        archive,
        parse_path(wish.path),
        Level(wish.level),
        vr=wish.vr,
        private_creator=wish.private_creator,
    )
    return _view(added)


@router.delete(
    "/{attribute_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=problems(400, 403, 404, 503),
)
def remove_index_attribute(archive: OfArchive, attribute_id: int) -> None:
    """Take an attribute out of the index."""
    index_attributes.remove(archive, attribute_id)


def _view(attribute: index_attributes.IndexAttribute) -> IndexAttribute:
    return IndexAttribute.model_validate(
        {
            "id": attribute.id,
            "path": attribute.path,
            "name": name_of(tuple(attribute.path.split("."))),
            "vr": attribute.vr,
            "level": attribute.level,
            "private_creator": attribute.private_creator,
            "state": attribute.state,
            "reason": attribute.reason,
            "done": attribute.done,
            "total": attribute.total,
            "required": attribute.built_in,
        }
    )
