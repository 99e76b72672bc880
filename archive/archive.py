"""Everything that a room needs of the archive, one per process."""

from functools import cached_property

from hounsfield.archive.committer import Committer
from hounsfield.archive.objects.local import LocalObjectStore
from hounsfield.archive.objects.port import ObjectStore
from hounsfield.archive.transcoding.pool import TranscodingPool
from hounsfield.conf.settings import Settings
from hounsfield.db.engine import Database


class Archive:
    """Settings, index and objects of this process, and the thread that commits its stores."""

    def __init__(self, settings: Settings, database: Database | None = None) -> None:
        self.settings = settings
        self.database = database or Database(settings.database)
        self.objects: ObjectStore = LocalObjectStore(
            settings.data_dir / "objects", settings.archive.min_free_bytes
        )

    @cached_property
    def committer(self) -> Committer:
        """Makes concurrent stores share a commit; started by the first store."""
        return Committer(self.database, self.objects)

    @cached_property
    def transcoding(self) -> TranscodingPool:
        """Processes that write objects anew; started when one is needed."""
        return TranscodingPool()

    def close(self) -> None:
        """Finish what is being committed and let go of every connection; again is no error."""
        if "transcoding" in self.__dict__:
            self.transcoding.close()
        committer = self.__dict__.pop("committer", None)
        if committer is not None:
            committer.close()
        self.database.close()
