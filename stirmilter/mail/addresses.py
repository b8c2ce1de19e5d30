"""Address lists of header fields, read so that nobody can be shown another number.

MM4 writes addresses that RFC 5322 does not know (``+15551234567/TYPE=PLMN``, without a
domain), so the general parsers mangle them. This one splits a list by the lexical rules
of RFC 5322 §3.2 (quoted strings, comments, groups), and gives up on an entry rather
than guess: an address that two programs would read differently names nobody.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from stirmilter.stir import tn, uri

ENTRIES: Final = 1_000
"""Default for the entries that are read."""

LEXEMES: Final = 20
"""Default for the lexical tokens of an entry on average; an address with a long name
has fifteen."""

_PATH: Final = 256  # octets of a path, its punctuation included
_MORE: Final = 10  # entries' worth of them, for the one name that is longer

_TOKEN: Final = re.compile(
    r"""
      (?P<space>   (?: [ \t\n] | \r\n )++ )
    | (?P<quoted>  "(?: [^"\\]++ | \\. )*+" )
    | (?P<comment> \( )
    | (?P<special> [<>,:;@] )
    | (?P<literal> \[ [^\[\]\\\x00-\x20\x7f]* \] )
    | (?P<atom>    [^\x00-\x20\x7f"()<>\[\],:;@\\]+ )
    | (?P<odd>     .+ )     # a quote never closed, a control character: takes the rest
    """,
    re.VERBOSE | re.DOTALL,
)
_WORD: Final = r"[^\x00-\x20\x7f\"()<>\[\],:;@\\]++"
_PLAIN: Final = re.compile(
    rf"[ \t\n]*+(?:<({_WORD})(?:@({_WORD}))?>|({_WORD})(?:@({_WORD}))?)[ \t\n]*+"
)
_COMMENT: Final = re.compile(r"(?:\\.)++|[()]", re.DOTALL)
_PHRASE: Final = frozenset({"atom", "quoted", "space"})
_ADDRESS: Final = frozenset("@<>")
_PLMN: Final = re.compile(r"(\+[0-9]+)(?:/TYPE=PLMN)?", re.ASCII | re.IGNORECASE)
_SERVICE: Final = re.compile(r"([0-9#*]+)/TYPE=PLMN", re.ASCII | re.IGNORECASE)
_DIALLED: Final = re.compile(r"[-+0-9#*().\s]*+(?:/.*)?", re.ASCII | re.DOTALL)
_TYPED: Final = re.compile(r"/TYPE=", re.ASCII | re.IGNORECASE)
_NO_TELEPHONE: Final = re.compile(
    r"[^/]*/TYPE=(?:IPv[46]|E-?MAIL)", re.ASCII | re.IGNORECASE
)
_FEWEST: Final = 3  # digits that somebody dials
_NATIONAL: Final = re.compile(r"([0-9]+)(?:/TYPE=PLMN)?", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Mailbox:
    """An address without its display name."""

    local: str
    """Local part, quoting undone."""

    domain: str = ""
    """Empty when the address has none, as in MM4."""

    @property
    def number(self) -> str | None:
        """The canonical number of ``+E164[/TYPE=PLMN][@domain]``, or None.

        Also that of a service code, ``*123/TYPE=PLMN``, where the type is required:
        without it, ``*`` is a mail address like any other.

        Source: TS 23.140, as its implementations write it. Every other ``/X=Y`` names
        something else (``/TYPE=IPv4``), so it is not a number.
        """
        if match := _PLMN.fullmatch(self.local):
            return tn.from_global(match[1])
        match = _SERVICE.fullmatch(self.local)
        return tn.from_service(match[1]) if match else None

    @property
    def uri(self) -> str | None:
        """The canonical ``mailto`` URI of an address that is no number, or None."""
        return uri.from_mail(self.local, self.domain)

    @property
    def dialled(self) -> str | None:
        """What an MMSC may dial for an address that names no number here, or None.

        Any ``/TYPE=`` but that of IPv4, IPv6 and e-mail says that something is dialled,
        and so do three digits or more with nothing but signs between them. Digits alone
        before a domain are a mail address, as some providers give them. What is dialled
        are the characters ``0-9 # * +`` before the slash; there may be none.
        """
        local, _, _ = self.local.partition("/")
        if _NO_TELEPHONE.fullmatch(self.local):
            return None
        keys = re.sub(r"[^0-9#*+]", "", local)
        if _TYPED.search(self.local):
            return keys
        if self.domain and self.local.isdecimal():
            return None
        digits = sum(key.isdigit() for key in keys)
        return keys if digits >= _FEWEST and _DIALLED.fullmatch(self.local) else None

    def national(self, country: str) -> str | None:
        """Read the local part as dialled within a country; see `tn.from_national`."""
        match = _NATIONAL.fullmatch(self.local)
        return tn.from_national(match[1], country) if match else None


@dataclass(frozen=True, slots=True)
class AddressList:
    """The entries of one field; None stands for each that cannot be read."""

    entries: tuple[Mailbox | None, ...] = ()
    grouped: bool = False
    """Whether the field uses group syntax (RFC 5322 §3.4)."""

    lexemes: int = field(default=0, compare=False)
    """Lexical tokens that were looked at."""

    @property
    def single(self) -> Mailbox | None:
        """The one mailbox, if the field holds one, readable, outside any group."""
        return self.entries[0] if len(self.entries) == 1 and not self.grouped else None


def parse(text: str, limit: int = ENTRIES, lexemes: int = LEXEMES) -> AddressList:
    """Read an address list; never raises.

    What follows the first `limit` entries, or `lexemes` for each of so many and ten
    more, counts as one more entry that cannot be read.
    """
    plain = _plain(text) if limit > 0 else None
    return plain or _parse(text, limit, (limit + _MORE) * lexemes)


def _plain(text: str) -> AddressList | None:
    """Read one address and nothing else, as MM4 writes them: a tenth of the time."""
    plain = _PLAIN.fullmatch(text)
    if plain is None:
        return None
    within, its_domain, alone, domain = plain.groups("")
    seen = 1 + 2 * bool(within) + 2 * bool(its_domain or domain)
    mailbox = Mailbox(within or alone, its_domain or domain)
    return AddressList((mailbox,), False, seen)


def _parse(text: str, limit: int, most: int) -> AddressList:
    """Read an address list, whatever it holds, up to so many entries and lexemes."""
    entries: list[Mailbox | None] = []
    entry: list[tuple[str, str]] = []
    grouped = within = angle = False
    if text.count("(") > most:
        return AddressList((None,))
    seen = 0
    for seen, (kind, lexeme) in enumerate(_tokens(text), 1):
        if seen > most or (len(entries) >= limit and kind != "space"):
            return AddressList((*entries, None), grouped, seen)
        if kind == "special" and lexeme in "<>":
            angle = lexeme == "<"
        if kind == "special" and not angle and lexeme in ",;":
            _finish(entry, entries)
            within = within and lexeme == ","
        elif kind == "special" and not angle and lexeme == ":":
            if within or not _is_group_name(entry):
                entries.append(None)
            grouped = within = True
            entry.clear()
        else:
            entry.append((kind, lexeme))
    _finish(entry, entries)
    return AddressList(tuple(entries), grouped, seen)


def parse_path(path: str, lexemes: int = LEXEMES) -> Mailbox | None:
    """Read the argument of MAIL FROM or RCPT TO, with its brackets or without.

    It has no name beside it. One of more lexemes, such as a source route, is nobody's,
    and so is one that is longer than SMTP has it; there may be a thousand of them.

    Source: RFC 5321 §4.1.2, §4.5.3.1.3.
    """
    if len(path) > _PATH:
        return None
    return (_plain(path) or _parse(path, 1, lexemes)).single


def _finish(entry: list[tuple[str, str]], entries: list[Mailbox | None]) -> None:
    if any(kind != "space" for kind, _ in entry):
        entries.append(_mailbox(entry))
    entry.clear()


def _is_group_name(tokens: list[tuple[str, str]]) -> bool:
    """Tell whether what stands before a colon can only be the name of a group.

    Another program might take the address before it for the author or a recipient, and
    a number of MM4 looks like a word. Source: RFC 5322 §3.4.
    """
    words = [_unquote(token) for token in tokens if token[0] != "space"]
    return (
        bool(words)
        and all(kind in _PHRASE for kind, _ in tokens)
        and not any(_is_address(word) for word in words)
    )


def _is_address(word: str) -> bool:
    return (
        not _ADDRESS.isdisjoint(word)
        or Mailbox(word).number is not None
        or _NATIONAL.fullmatch(word) is not None
    )


def _mailbox(tokens: list[tuple[str, str]]) -> Mailbox | None:
    """Read one entry: an address alone, or the address between its only brackets.

    What stands before the brackets must be a display name and nothing else: another
    program might take a second address there for the first.
    """
    marks = [i for i, (kind, t) in enumerate(tokens) if kind == "special" and t in "<>"]
    if marks:
        if len(marks) != 2 or [tokens[i][1] for i in marks] != ["<", ">"]:  # noqa: PLR2004 - one pair
            return None
        name, rest = tokens[: marks[0]], tokens[marks[1] + 1 :]
        if any(kind not in _PHRASE for kind, _ in name):
            return None
        if any(kind != "space" for kind, _ in rest):
            return None
        tokens = tokens[marks[0] + 1 : marks[1]]
    solid = [i for i, (kind, _) in enumerate(tokens) if kind != "space"]
    tokens = tokens[solid[0] : solid[-1] + 1] if solid else []
    # A source route, a second @, two words or a stray octet: not one address.
    match [kind if kind != "special" else text for kind, text in tokens]:
        case ["atom"] | ["quoted"]:
            return Mailbox(_unquote(tokens[0]))
        case ["atom" | "quoted", "@", "atom" | "literal"]:
            return Mailbox(_unquote(tokens[0]), tokens[2][1])
        case _:
            return None


def _unquote(lexeme: tuple[str, str]) -> str:
    kind, text = lexeme
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if kind == "quoted" else text


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    """Split into lexical tokens; a comment counts as space.

    From what is ``odd`` on, two programs would split the text differently: it takes
    the rest.
    """
    position = 0
    while match := _TOKEN.match(text, position):
        if match.lastgroup == "comment":
            end = end_of_comment(text, position)
            yield ("space", " ") if end else ("odd", text[position:])
            position = end or len(text)
        else:
            yield str(match.lastgroup), match[0]
            position = match.end()


def end_of_comment(text: str, start: int, deepest: int | None = None) -> int | None:
    """Return where the comment that begins at `start` ends, or None if it does not.

    Comments nest (RFC 5322 §3.2.2); nor does one end that nests more than `deepest`.
    """
    depth = 0
    for match in _COMMENT.finditer(text, start):
        if match[0] == "(":
            depth += 1
            if deepest is not None and depth > deepest:
                return None
        elif match[0] == ")":
            depth -= 1
            if depth == 0:
                return match.end()
    return None
