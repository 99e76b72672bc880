"""Which contexts are accepted, in which transfer syntax, and which associations are refused."""

import struct
from typing import Any

import pytest
from dimse_peer import CT, EXPLICIT, IMPLICIT, VERIFICATION, Context, associate_rq, item
from pynetdicom import ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts
from pynetdicom.pdu import A_ASSOCIATE_AC
from pynetdicom.pdu_primitives import A_ASSOCIATE

from hounsfield.conf.settings import DimseSettings
from hounsfield.dimse.associate import decode_request
from hounsfield.dimse.negotiation import Agreement, Rejected, choose_transfer_syntax, negotiate

J2K, J2K_LOSSLESS, RLE = "1.2.840.10008.1.2.4.91", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.5"
BIG_ENDIAN, JPEG = "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.4.50"
JPIP, SMPTE = "1.2.840.10008.1.2.4.94", "1.2.840.10008.1.2.7.1"
LABEL_MAP_SEG = "1.2.840.10008.5.1.4.1.1.66.7"
NOT_STORABLE = {
    *(f"1.2.840.10008.1.2.4.{n}" for n in (94, 95, 204, 205)),  # JPIP, referenced
    *(f"1.2.840.10008.1.2.7.{n}" for n in (1, 2, 3)),  # SMPTE ST 2110
}
STORAGE_COMMITMENT_PULL = "1.2.840.10008.1.20.2"
STORAGE, QUERY_RETRIEVE = "1.2.840.10008.4.2", "1.2.840.10008.5.1.4.1.2"
STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
STUDY_ROOT_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
STUDY_ROOT_GET = "1.2.840.10008.5.1.4.1.2.2.3"
PATIENT_ROOT = [f"1.2.840.10008.5.1.4.1.2.1.{n}" for n in (1, 2, 3)]
STUDY_ROOT = [STUDY_ROOT_FIND, STUDY_ROOT_MOVE, STUDY_ROOT_GET]
DEFLATED = "1.2.840.10008.1.2.1.99"
COMPOSITE_INSTANCE_ROOT_GET = "1.2.840.10008.5.1.4.1.2.4.3"


def agree(request: bytes) -> Agreement:
    return negotiate(decode_request(request), DimseSettings())


def answer_to(request: bytes) -> A_ASSOCIATE:
    """Our A-ASSOCIATE-AC as a stranger's decoder sees it."""
    accept = A_ASSOCIATE_AC()
    accept.decode(agree(request).answer)
    return accept.to_primitive()


def results(*contexts: Context, user_items: bytes = b"") -> dict[int | None, int | None]:
    answer = answer_to(associate_rq(contexts, user_items=user_items))
    return {c.context_id: c.result for c in answer.presentation_context_definition_results_list}


def user_information(kind: str, user_items: bytes, *classes: str) -> list[Any]:
    offers: list[Context] = [(2 * n + 1, uid, [EXPLICIT]) for n, uid in enumerate(classes or (CT,))]
    answer = answer_to(associate_rq(offers, user_items=user_items))
    return [item for item in answer.user_information if type(item).__name__ == kind]


def sop_class_item(kind: int, uid: str, value: bytes) -> bytes:
    return item(kind, struct.pack(">H", len(uid)) + uid.encode() + value)


@pytest.mark.parametrize(
    ("offered", "taken"),
    [
        ([EXPLICIT], EXPLICIT),
        ([IMPLICIT], IMPLICIT),
        ([IMPLICIT, EXPLICIT], EXPLICIT),
        ([EXPLICIT, IMPLICIT], EXPLICIT),
        ([IMPLICIT, BIG_ENDIAN], BIG_ENDIAN),
        ([J2K_LOSSLESS, EXPLICIT, IMPLICIT], J2K_LOSSLESS),
        ([EXPLICIT, J2K_LOSSLESS], EXPLICIT),
        ([IMPLICIT, J2K, J2K_LOSSLESS], J2K),
        ([RLE, JPEG], RLE),
        ([JPEG, RLE], JPEG),
        ([JPIP, EXPLICIT], EXPLICIT),
        ([SMPTE, IMPLICIT], IMPLICIT),
        (["1.2.3.4.5", JPEG], JPEG),
        ([JPIP], None),
        ([SMPTE], None),
        (["1.2.3.4.5"], None),
        ([], None),
    ],
)
def test_each_offer_gets_the_senders_first_choice_and_implicit_vr_last(
    offered: list[str], taken: str | None
) -> None:
    assert choose_transfer_syntax(tuple(offered)) == taken
    agreement = agree(associate_rq([(1, CT, offered)]))
    assert [c.transfer_syntax for c in agreement.contexts.values()] == ([taken] if taken else [])


def test_every_storage_class_is_accepted_in_every_storable_transfer_syntax() -> None:
    classes = [str(context.abstract_syntax) for context in AllStoragePresentationContexts]
    assert len(classes) >= 170
    assert LABEL_MAP_SEG in classes
    for sop_class in classes:
        offers = [(2 * n + 1, sop_class, [uid]) for n, uid in enumerate(ALL_TRANSFER_SYNTAXES)]
        accepted = agree(associate_rq(offers)).contexts.values()
        refused = set(ALL_TRANSFER_SYNTAXES) - {c.transfer_syntax for c in accepted}
        assert refused == NOT_STORABLE, sop_class


def test_a_service_that_is_not_here_is_refused_beside_storage_that_is_accepted() -> None:
    contexts: list[Context] = [
        (1, VERIFICATION, [IMPLICIT]),
        (3, COMPOSITE_INSTANCE_ROOT_GET, [IMPLICIT]),
        (5, CT, [JPIP]),
        (7, CT, [EXPLICIT]),
        (9, STORAGE_COMMITMENT_PULL, [EXPLICIT]),
    ]
    assert results(*contexts) == {1: 0, 3: 3, 5: 4, 7: 0, 9: 3}


PRIVATE = "1.3.12.2.1107.5.9.1"
OF_A_LATER_EDITION = "1.2.840.10008.5.1.4.1.1.9999.1"
RETIRED_ULTRASOUND = "1.2.840.10008.5.1.4.1.1.6"
HANGING_PROTOCOL = "1.2.840.10008.5.1.4.38.1"
INVENTORY_FIND = "1.2.840.10008.5.1.4.1.1.201.2"


@pytest.mark.parametrize(
    ("sop_class", "by_default", "only_known"),
    [
        (CT, True, True),
        (RETIRED_ULTRASOUND, True, True),
        (PRIVATE, True, False),
        (OF_A_LATER_EDITION, True, False),
        (HANGING_PROTOCOL, False, False),
        (INVENTORY_FIND, False, False),
        ("1.2.840.10008.5.1.4.1.2.9.9", False, False),
        ("no UID", False, False),
    ],
)
def test_a_class_that_nobody_knows_is_stored_or_refused_as_it_is_set(
    sop_class: str, by_default: bool, only_known: bool
) -> None:
    request = decode_request(associate_rq([(1, sop_class, [EXPLICIT])]))
    strict = DimseSettings(unknown_storage_classes=False)
    assert bool(negotiate(request, DimseSettings()).contexts) is by_default
    assert bool(negotiate(request, strict).contexts) is only_known


def common_extended(uid: str, service_class: str, *general: str) -> bytes:
    related = b"".join(struct.pack(">H", len(g)) + g.encode() for g in general)
    value = struct.pack(">H", len(service_class)) + service_class.encode()
    return sop_class_item(0x57, uid, value + struct.pack(">H", len(related)) + related)


def test_a_special_case_of_a_known_class_is_stored_whatever_is_set() -> None:
    strict = DimseSettings(unknown_storage_classes=False)
    for service_class, general, accepted in (
        (STORAGE, [CT], True),
        (STORAGE, ["1.2.3", CT], True),
        (STORAGE, ["1.2.3"], False),
        (STORAGE, [], False),
        (QUERY_RETRIEVE, [CT], False),
    ):
        items = common_extended(PRIVATE, service_class, *general)
        request = decode_request(associate_rq([(1, PRIVATE, [EXPLICIT])], user_items=items))
        assert bool(negotiate(request, strict).contexts) is accepted, (service_class, general)
    assert not negotiate(request, DimseSettings()).contexts, "its own service is another one"
    assert b"\x57\0" not in agree(associate_rq(user_items=items)).answer, "it has no answer"


def test_128_contexts_of_45_syntaxes_are_answered_and_more_do_no_harm() -> None:
    legal: list[Context] = [(n, CT, ALL_TRANSFER_SYNTAXES) for n in range(1, 256, 2)]
    assert len(associate_rq(legal)) > 150_000
    assert results(*legal) == dict.fromkeys(range(1, 256, 2), 0)
    again: list[Context] = [(n, STUDY_ROOT_FIND, [IMPLICIT]) for n in range(1, 256, 2)]
    assert results(*legal, *again) == dict.fromkeys(range(1, 256, 2), 0)
    even: list[Context] = [(2, CT, [EXPLICIT])]
    assert agree(associate_rq(even)).contexts == {}


@pytest.mark.parametrize("sop_class", [*PATIENT_ROOT, *STUDY_ROOT])
def test_queries_and_retrieves_are_accepted_in_the_syntaxes_without_compression(
    sop_class: str,
) -> None:
    offers = [(2 * n + 1, sop_class, [uid]) for n, uid in enumerate(ALL_TRANSFER_SYNTAXES)]
    accepted = {c.transfer_syntax for c in agree(associate_rq(offers)).contexts.values()}
    assert accepted == {IMPLICIT, EXPLICIT, BIG_ENDIAN, DEFLATED}
    both: list[Context] = [(1, sop_class, [IMPLICIT, EXPLICIT])]
    assert agree(associate_rq(both)).contexts[1].transfer_syntax == EXPLICIT


def test_the_requestor_is_scp_of_what_it_gets_where_it_proposes_c_get() -> None:
    kind = "SCP_SCU_RoleSelectionNegotiation"
    both = sop_class_item(0x54, CT, b"\x01\x01")
    only_scp = sop_class_item(0x54, CT, b"\x00\x01")
    for roles, expected in ((both, (True, True)), (only_scp, (False, True))):
        (answer,) = user_information(kind, roles, CT, STUDY_ROOT_GET)
        assert (answer.scu_role, answer.scp_role) == expected
        offers: list[Context] = [(1, CT, [EXPLICIT]), (3, STUDY_ROOT_GET, [IMPLICIT])]
        context = agree(associate_rq(offers, user_items=roles)).contexts[1]
        assert (context.peer_is_scu, context.peer_is_scp) == expected
    get_itself = sop_class_item(0x54, STUDY_ROOT_GET, b"\x01\x01")
    (answer,) = user_information(kind, get_itself, STUDY_ROOT_GET)
    assert (answer.scu_role, answer.scp_role) == (True, False)


@pytest.mark.parametrize(
    ("sop_class", "asked", "answered"),
    [
        (STUDY_ROOT_FIND, b"\x01\x01\x01\x01\x01\x01\x01", b"\x01\x01\x01\x01\x00\x01\x01"),
        (STUDY_ROOT_FIND, b"\x01", b"\x01"),
        (STUDY_ROOT_FIND, b"\x00\x00\x01", b"\x00\x00\x01"),
        (STUDY_ROOT_FIND, b"\x02\xff", b"\x00\x00"),
        (STUDY_ROOT_MOVE, b"\x01\x01", b"\x01\x00"),
        (PATIENT_ROOT[2], b"\x01\x01", b"\x01\x00"),
    ],
)
def test_extended_negotiation_of_queries_says_what_is_supported_of_what_was_asked(
    sop_class: str, asked: bytes, answered: bytes
) -> None:
    kind = "SOPClassExtendedNegotiation"
    (answer,) = user_information(kind, sop_class_item(0x56, sop_class, asked), sop_class)
    assert answer.service_class_application_information == answered
    # Of a class that was not proposed nothing is said.
    assert user_information(kind, sop_class_item(0x56, sop_class, asked)) == []


def test_the_requestor_may_be_scu_and_not_scp_where_nothing_is_retrieved() -> None:
    both = user_information(
        "SCP_SCU_RoleSelectionNegotiation", sop_class_item(0x54, CT, b"\x01\x01")
    )
    assert [(i.sop_class_uid, i.scu_role, i.scp_role) for i in both] == [(CT, True, False)]
    only_scp = sop_class_item(0x54, CT, b"\x00\x01")
    assert results((1, CT, [EXPLICIT]), user_items=only_scp) == {1: 1}


def test_an_asynchronous_window_is_answered_with_one_operation_at_a_time() -> None:
    kind = "AsynchronousOperationsWindowNegotiation"
    (window,) = user_information(kind, item(0x53, struct.pack(">HH", 0, 8)))
    assert (
        window.maximum_number_operations_invoked,
        window.maximum_number_operations_performed,
    ) == (1, 1)
    assert user_information(kind, b"") == []


def test_extended_negotiation_of_storage_says_that_every_bit_is_kept() -> None:
    (answer,) = user_information(
        "SOPClassExtendedNegotiation", sop_class_item(0x56, CT, b"\x02\x00\x00\x00\x01\x00")
    )
    assert answer.service_class_application_information == b"\x02\x00\x03\x00\x00\x00"


@pytest.mark.parametrize("kind_of_identity", [1, 2, 3, 4, 5])
def test_user_identity_and_common_extended_negotiation_are_read_over(kind_of_identity: int) -> None:
    identity = bytes((kind_of_identity, 1)) + struct.pack(">H4sH6s", 4, b"user", 6, b"secret")
    common = sop_class_item(0x57, CT, struct.pack(">H", 0) + struct.pack(">H", 0))
    items = item(0x58, identity) + common + item(0x7F, b"nobody knows")
    assert results((1, CT, [EXPLICIT]), user_items=items) == {1: 0}
    assert user_information("UserIdentityNegotiation", items) == []


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({"called": b"SOMEBODY"}, (1, 1, 7)),
        ({"called": b"hounsfield"}, (1, 1, 7)),
        ({"calling": b""}, (1, 1, 3)),
        ({"calling": b"back\\slash"}, (1, 1, 3)),
        ({"calling": b"a\0b\x07"}, (1, 1, 3)),
        ({"application_context": "1.2.840.10008.3.1.1.2"}, (1, 1, 2)),
        ({"version": 2}, (2, 2, 2)),
        ({"maximum_length": 6}, (1, 1, 1)),
    ],
)
def test_an_association_is_refused_with_the_reason_of_the_standard(
    changes: dict[str, object], codes: tuple[int, int, int]
) -> None:
    with pytest.raises(Rejected) as refusal:
        agree(associate_rq(**changes))  # type: ignore[arg-type]
    assert refusal.value.codes == codes


def test_padding_of_ae_titles_is_not_significant_and_they_go_back_as_they_came() -> None:
    request = associate_rq(called=b"HOUNSFIELD\0\0", calling=b"  MODALITY \0")
    agreement = agree(request)
    assert (agreement.called_ae_title, agreement.calling_ae_title) == ("HOUNSFIELD", "MODALITY")
    assert agreement.answer[10:42] == request[10:42]
