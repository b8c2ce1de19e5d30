"""DER by hand, so that the decoders meet octets that no library of ours wrote."""


def tlv(tag: int, *contents: bytes) -> bytes:
    """Write one element; the length takes its shortest form (X.690 §8.1.3)."""
    content = b"".join(contents)
    if len(content) < 0x80:
        return bytes([tag, len(content)]) + content
    length = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def sequence(*members: bytes) -> bytes:
    return tlv(0x30, *members)


def explicit(number: int, *contents: bytes) -> bytes:
    """``[number] EXPLICIT``."""
    return tlv(0xA0 | number, *contents)


def ia5(text: str) -> bytes:
    return tlv(0x16, text.encode("latin-1"))


def utf8(text: str) -> bytes:
    return tlv(0x0C, text.encode())


def integer(value: int) -> bytes:
    return tlv(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def spc(code: str) -> bytes:
    return explicit(0, ia5(code))


def block(start: str, count: int) -> bytes:
    """``range``."""
    return explicit(1, sequence(ia5(start), integer(count)))


def one(number: str) -> bytes:
    return explicit(2, ia5(number))


def constraints(
    include: list[str] | None = None,
    permit: dict[str, list[str]] | None = None,
    exclude: list[str] | None = None,
) -> bytes:
    """``EnhancedJWTClaimConstraints``; without the last, ``JWTClaimConstraints``."""
    members = []
    if include is not None:
        members.append(explicit(0, sequence(*map(ia5, include))))
    if permit is not None:
        values = (
            sequence(ia5(claim), sequence(*map(utf8, texts)))
            for claim, texts in permit.items()
        )
        members.append(explicit(1, sequence(*values)))
    if exclude is not None:
        members.append(explicit(2, sequence(*map(ia5, exclude))))
    return sequence(*members)
