"""How much is read of what an upstream says, and what becomes of the rest."""

from stirmilter.mail import upstream
from stirmilter.mail.results import MailResults, SpfResult
from tests.mail.test_upstream import HERE, OURS, RELAY, field


def test_a_value_beyond_the_limit_is_as_if_it_were_not_there() -> None:
    """Cut off, this one would name bank.example, whom its sender does not own."""
    cut = "x" * (upstream.LENGTH - len("@bank.example")) + "@bank.example"
    whole = f"mx.example; dkim=pass header.i={cut}"
    longer = f"{whole}.evil.example"

    def domains(value: str, length: int = upstream.LENGTH) -> list[str]:
        read = upstream.read([field(value)], RELAY, [OURS], length=length)
        assert read is not None
        return [one.domain for one in read.dkim or ()]

    assert domains(whole) == ["bank.example"]
    assert domains(longer) == [""]
    assert domains(longer, 300) == ["bank.example.evil.example"]


def test_a_difference_is_told_up_to_the_limit() -> None:
    told = "spf: pass here, softfail at a"
    theirs = MailResults(spf=SpfResult(word="softfail"), source="a")

    def told_in(length: int) -> tuple[str, ...]:
        return upstream.choose("both", HERE, theirs, length).differences

    assert told_in(len(told)) == (told,)
    assert told_in(len(told) - 1) == ("spf: pass here, softfail ...",)
