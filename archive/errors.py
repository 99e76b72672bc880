"""The one error tree. No HTTP status and no DIMSE status stands here: each protocol room
has one table from these types to its own codes.

    HounsfieldError
    ├── Permanent                  the same request will fail again
    │   ├── CannotUnderstand       bytes that are not a data set that we can read
    │   ├── DataSetMismatch        data set and request (or command set) contradict one another
    │   ├── SOPClassNotSupported
    │   ├── TransferSyntaxNotSupported
    │   ├── InvalidQuery           a search that cannot be answered as asked
    │   │   └── KeyNotSupported    it names an attribute that nothing here is searched by
    │   ├── InvalidPeer            an entry of the AE book that cannot be
    │   ├── NotFound
    │   │   └── Gone               known, and deleted
    │   ├── Committed              not deleted: a sender was told that we keep it
    │   ├── TooLarge               over a limit that an administrator set
    │   ├── ObjectDamaged          the stored bytes no longer fit their digest
    │   └── CannotAnalyse          a model cannot run on this series; says why
    └── Retriable                  may go through later
        ├── OutOfResources         no space, no memory, too many at once
        ├── Unavailable            database or object store does not answer
        └── PeerFailed             another DICOM node, on an association that we open
            ├── PeerUnreachable    no connection, or no answer
            ├── PeerUntrusted      TLS: one of the two does not accept the other
            ├── PeerRejected       it rejected the association
            ├── PeerRefused        it answers that it does not do what we ask
            └── PeerAborted        it ended the association, or broke its rules
"""


class HounsfieldError(Exception):
    """Base of every error that Hounsfield raises on purpose.

    The message is written for the person who has to act on it.
    """

    def __init__(self, message: str, *, offending_tags: tuple[int, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.offending_tags = offending_tags


class Permanent(HounsfieldError):
    """The same request will fail again."""


class Retriable(HounsfieldError):
    """The same request may go through later."""


class CannotUnderstand(Permanent):
    """The bytes are not a data set that can be read and indexed."""


class DataSetMismatch(Permanent):
    """The data set contradicts the request that carried it (PS3.4 B.2.3, status A900)."""


class SOPClassNotSupported(Permanent):
    """Not a storage SOP class that this archive accepts."""


class TransferSyntaxNotSupported(Permanent):
    """The transfer syntax cannot be stored, or cannot be produced."""


class InvalidQuery(Permanent):
    """A search with a key, value or page that cannot be applied."""


class KeyNotSupported(InvalidQuery):
    """A matching key that is not indexed. C-FIND may pass over it (PS3.4 C.2.2.1.3)."""


class InvalidPeer(Permanent):
    """An entry of the AE book that cannot be."""


class NotFound(Permanent):
    """No such study, series, instance, frame or bulk data."""


class Gone(NotFound):
    """It was here and has been deleted."""


class Committed(Permanent):
    """Not deleted: a sender was told that we keep it, and may have deleted its own."""


class TooLarge(Permanent):
    """Over a limit that an administrator set."""


class ObjectDamaged(Permanent):
    """The stored bytes no longer fit the digest that was kept with them."""


class CannotAnalyse(Permanent):
    """A model cannot run on this series; the message says why, for a radiologist."""


class OutOfResources(Retriable):
    """No space, no memory or too many requests at once (PS3.4 B.2.3, status A700)."""


class Unavailable(Retriable):
    """The database or the object store does not answer."""


class PeerFailed(Retriable):
    """Another DICOM node does not do its part on an association that we open."""


class PeerUnreachable(PeerFailed):
    """No connection comes about, or an answer does not come in time."""


class PeerUntrusted(PeerFailed):
    """TLS does not come about: one of the two does not accept the other."""


class PeerRejected(PeerFailed):
    """The peer rejects the association (PS3.8 9.3.4)."""

    def __init__(self, message: str, result: int, source: int, reason: int) -> None:
        super().__init__(message)
        self.codes = (result, source, reason)


class PeerRefused(PeerFailed):
    """The peer answers that it does not do what we ask, or that it failed."""


class PeerAborted(PeerFailed):
    """The peer ends the association before all is said, or breaks the rules of PS3.7 or PS3.8."""
