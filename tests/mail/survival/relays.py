"""What relays do to bodies, done here as their sources say; tests undo it."""

LIMIT = 998


def wrapped(body: bytes, limit: int = LIMIT) -> bytes:
    """Postfix 3.7, ``smtp_text_out``: a limit reached within a line ends it there."""
    assert body.endswith(b"\r\n")
    out = []
    for line in body[:-2].split(b"\r\n"):
        left, data = limit, line
        while True:
            if len(data) < left:
                out.append(data + b"\r\n")
                break
            out.append(data[:left] + b"\r\n")
            data, left = data[left:], limit
            if not data:
                break
            out.append(b" ")
            left -= 1
    return b"".join(out)


def quoted(content: bytes) -> bytes:
    """Postfix 3.7, ``mime_state_downgrade``, of whole lines."""
    return b"\r\n".join(_quoted_line(line) for line in content.split(b"\r\n"))


def _quoted_line(line: bytes) -> bytes:
    done, buffer = b"", b""
    for octet in line:
        if len(buffer) > 72:
            done += buffer + b"=\r\n"
            buffer = b""
        plain = (octet >= 32 or octet == 9) and octet != 61 and octet <= 126
        buffer += bytes([octet]) if plain else b"=%02X" % octet
    if buffer.endswith((b" ", b"\t")):
        buffer = buffer[:-1] + b"=%02X" % buffer[-1]
    return done + buffer


BOUNDARY = b"b-1"
MULTIPART = ("Content-Type", b' multipart/related;\n boundary="b-1"')


def part(content: bytes, *fields: bytes) -> bytes:
    head = b"".join(field + b"\r\n" for field in fields)
    return b"--b-1\r\n" + head + b"\r\n" + content + b"\r\n"


def multipart(*parts: bytes) -> bytes:
    return b"".join([*parts, b"--b-1--\r\n"])
