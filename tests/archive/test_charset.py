"""Text goes into a character set and comes back the same, or is refused."""

import pytest

from hounsfield.archive.charset import decoder, encoder

JAPANESE = "Yamada^Tarou=山田^太郎=やまだ^たろう"
KOREAN = "Hong^Gildong=洪^吉洞=홍^길동"


@pytest.mark.parametrize(
    ("character_set", "text"),
    [
        ((), "Doe^Jane"),
        (("ISO_IR 100",), "Meyer^Jörg"),
        (("ISO_IR 144",), "Люк"),
        (("ISO_IR 192",), JAPANESE),
        (("GB18030",), "Wang^XiaoDong=王^小东"),
        (("", "ISO 2022 IR 87"), JAPANESE),
        (("ISO 2022 IR 13", "ISO 2022 IR 87"), "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎"),
        (("", "ISO 2022 IR 149"), KOREAN),
        (("", "ISO 2022 IR 100"), "Meyer^Jörg"),
        (("", "ISO 2022 IR 58"), "Zhang^XiaoDong=张^小东"),
    ],
)
def test_what_fits_comes_back_the_same(character_set: tuple[str, ...], text: str) -> None:
    assert decoder(character_set)(encoder(character_set)(text)) == text


@pytest.mark.parametrize(
    ("character_set", "text"),
    [
        ((), "Jörg"),
        (("ISO_IR 6",), "Jörg"),
        (("ISO_IR 100",), JAPANESE),
        (("ISO_IR 13",), "山田"),
        (("", "ISO 2022 IR 87"), "Jörg"),
        (("SOMETHING",), "山田"),
    ],
)
def test_what_does_not_fit_is_refused(character_set: tuple[str, ...], text: str) -> None:
    with pytest.raises(ValueError):
        encoder(character_set)(text)
