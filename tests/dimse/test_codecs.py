"""Our codecs say what a stranger's say, and nothing that comes in can break them."""

import contextlib
from typing import Any

import pytest
from dimse_peer import (
    CT,
    IMPLICIT,
    VERIFICATION,
    associate_rq,
    command_set,
    echo_rq,
    elements,
    pdv,
    store_rq,
    us,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from pynetdicom.dimse_messages import C_STORE_RSP
from pynetdicom.pdu import A_ASSOCIATE_RQ, P_DATA_TF

from hounsfield.archive import errors
from hounsfield.dimse.associate import decode_request as decode_associate
from hounsfield.dimse.command import decode_request, encode_response
from hounsfield.dimse.messages import Messages
from hounsfield.dimse.negotiation import AcceptedContext
from hounsfield.dimse.pdu import ProtocolError, command_pdus
from hounsfield.dimse.status import COMMENT_LENGTH, Status, comment, status_of
from hounsfield.dimse.verification import Echo

UIDS = st.from_regex(r"1(\.(0|[1-9][0-9]{0,6})){1,6}", fullmatch=True)
CONTEXTS = st.lists(
    st.tuples(st.integers(0, 127).map(lambda n: 2 * n + 1), UIDS, st.lists(UIDS, min_size=1)),
    max_size=8,
)


@settings(max_examples=30, deadline=None)
@given(contexts=CONTEXTS, maximum=st.integers(0, 2**32 - 1))
def test_an_associate_request_is_decoded_as_a_stranger_decodes_it(
    contexts: list[tuple[int, str, list[str]]], maximum: int
) -> None:
    encoded = associate_rq(contexts, maximum_length=maximum)
    stranger = A_ASSOCIATE_RQ()
    stranger.decode(encoded)
    ours = decode_associate(encoded)
    assert [c.context_id for c in ours.contexts] == [
        c.context_id for c in stranger.presentation_context
    ]
    for mine, theirs in zip(ours.contexts, stranger.presentation_context, strict=True):
        assert mine.abstract_syntax == theirs.abstract_syntax
        assert list(mine.transfer_syntaxes) == theirs.transfer_syntax
    assert ours.application_context == stranger.application_context_name
    assert ours.maximum_length == maximum
    assert ours.calling_ae_title.strip() == b"TESTER"


@given(data=st.data())
def test_an_associate_request_with_any_byte_changed_or_cut_is_read_or_refused(
    data: st.DataObject,
) -> None:
    encoded = bytearray(associate_rq())
    for _ in range(data.draw(st.integers(1, 4))):
        encoded[data.draw(st.integers(74, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(74, len(encoded)))
    with contextlib.suppress(ProtocolError):
        decode_associate(bytes(encoded[:cut]))


@given(st.binary(max_size=300))
def test_any_bytes_as_a_command_set_are_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        decode_request(data)


@given(st.integers(0, store_rq("1.2.3").index(b"\0\0\0\x10") - 1))
def test_a_command_set_that_is_cut_is_refused(cut: int) -> None:
    with pytest.raises(ProtocolError):
        decode_request(store_rq("1.2.3")[:cut])


def test_the_parts_of_a_request_are_found() -> None:
    request = decode_request(store_rq("1.2.3", message_id=513))
    assert (request.command_field, request.message_id, request.has_data_set) == (1, 513, True)
    assert (request.sop_class_uid, request.sop_instance_uid) == (CT, "1.2.3")
    assert not decode_request(echo_rq()).has_data_set


def test_the_requested_sop_class_of_a_normalized_operation_is_answered() -> None:
    command = command_set(e0003=b"1.2.3\0", e0100=us(0x0130), e0110=us(1), e0800=us(0x0101))
    assert decode_request(command).sop_class_uid == "1.2.3"


@pytest.mark.parametrize("peer_maximum", [0, 7, 8, 100, 16384])
def test_a_response_is_read_by_a_stranger_in_pdus_no_longer_than_it_takes(
    peer_maximum: int,
) -> None:
    request = decode_request(store_rq("1.2.3.4"))
    status = Status(0xA900, "not what was said", (0x00080018, 0x00080016))
    pdus = command_pdus(5, encode_response(request, status), peer_maximum)
    message = C_STORE_RSP()
    complete: list[bool] = []
    while pdus:
        size = 6 + int.from_bytes(pdus[2:6], "big")
        assert size - 6 <= (peer_maximum or 1 << 20)
        one = P_DATA_TF()
        one.decode(pdus[:size])
        complete.append(message.decode_msg(one.to_primitive()))
        pdus = pdus[size:]
    assert complete == [False] * (len(complete) - 1) + [True]
    primitive: Any = message.message_to_primitive()
    assert primitive.Status == 0xA900
    assert primitive.MessageIDBeingRespondedTo == 7
    assert primitive.AffectedSOPInstanceUID == "1.2.3.4"
    assert primitive.ErrorComment == "not what was said"
    assert list(primitive.OffendingElement) == [0x00080018, 0x00080016]


def test_a_success_says_no_more_than_it_has_to() -> None:
    response = elements(encode_response(decode_request(echo_rq()), Status(0)))
    assert set(response) == {0, 2, 0x100, 0x120, 0x800, 0x900}


@given(st.text(max_size=200))
def test_an_error_comment_is_a_valid_value_whatever_the_message(message: str) -> None:
    value = comment(message)
    assert len(value) <= COMMENT_LENGTH
    assert value.isascii()
    assert all(c.isprintable() and c != "\\" for c in value)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.CannotUnderstand("x"), 0xC000),
        (errors.DataSetMismatch("x"), 0xA900),
        (errors.SOPClassNotSupported("x"), 0x0122),
        (errors.OutOfResources("x"), 0xA700),
        (errors.Unavailable("x"), 0xA700),
        (errors.TooLarge("x"), 0xA700),
        (errors.ObjectDamaged("x"), 0x0110),
        (MemoryError(), 0x0110),
    ],
)
def test_every_error_has_its_status(error: Exception, code: int) -> None:
    assert status_of(error).code == code


def test_the_status_of_an_unexpected_error_does_not_tell_its_text() -> None:
    assert "/secret/path" not in status_of(FileNotFoundError("/secret/path")).comment


@given(st.binary(max_size=200) | st.binary(max_size=60).map(lambda data: pdv(1, 3, data)))
def test_any_bytes_as_presentation_data_values_are_taken_or_refused(data: bytes) -> None:
    context = AcceptedContext(1, VERIFICATION, IMPLICIT)
    messages = Messages({1: context}, Echo, lambda request, context, status: None)
    with contextlib.suppress(ProtocolError):
        messages.take(memoryview(data))
        messages.take(memoryview(data))
