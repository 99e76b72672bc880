"""The client of the bench: it must not say that an answer is whole when it is not."""

import pytest

from bench.http import Answer, request, require_success

BODY = bytes(range(256)) * 3
BY_LENGTH = b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 768\r\n\r\n" + BODY
BY_CHUNKS = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"100;name=value\r\n" + BODY[:256] + b"\r\n200\r\n" + BODY[256:] + b"\r\n0\r\n\r\n"
)


@pytest.mark.parametrize("sent", [BY_LENGTH, BY_CHUNKS])
@pytest.mark.parametrize("step", [1, 2, 3, 7, 100, 10_000])
def test_an_answer_is_whole_with_its_last_byte_and_not_before(sent: bytes, step: int) -> None:
    answer = Answer()
    pieces = [sent[start : start + step] for start in range(0, len(sent), step)]
    whole = [answer.feed(memoryview(piece)) for piece in pieces]
    assert whole == [False] * (len(pieces) - 1) + [True]
    assert answer.status == 200


def test_a_search_that_finds_nothing_is_an_answer_without_a_body() -> None:
    answer = Answer()
    assert answer.feed(memoryview(b"HTTP/1.1 204 No Content\r\nServer: x\r\n\r\n"))
    require_success(answer, request("/studies", {}))


def test_a_refusal_is_said_with_what_was_asked_and_answered() -> None:
    answer = Answer()
    answer.feed(memoryview(b"HTTP/1.1 503 No\r\nContent-Length: 5\r\n\r\nlater"))
    with pytest.raises(RuntimeError, match=r"GET /studies HTTP/1.1: 503 b'later'"):
        require_success(answer, request("/studies", {}))
