"""What the tests use of dmarc (pydmarc), which ships no types."""

class Error(Exception): ...

class Word:  # of several enums: mypy wants the members of one
    def __init__(self, value: str) -> None: ...
    @property
    def value(self) -> str: ...

class Disposition(Word): ...
class SPFResult(Word): ...
class DKIMResult(Word): ...

class AuthResult:
    domain: str
    result: Word

class SPF(AuthResult):
    def __init__(self, domain: str, result: Word) -> None: ...

class DKIM(AuthResult):
    def __init__(self, domain: str, result: Word) -> None: ...

class AuthResults:
    spf: SPF | None
    dkim: list[DKIM] | None

class Policy:
    domain: str
    org_domain: str | None
    p: Disposition
    sp: Disposition
    adkim: Word
    aspf: Word
    t: Word
    rua: list[str]
    def parse_record(self, record: str, strict: bool = True) -> None: ...

class Result:
    result: Word
    disposition: Disposition
    spf: Word
    dkim: Word

class DMARC:
    def get_result(
        self,
        policy: Policy,
        spf: SPF | None = None,
        dkim: DKIM | None = None,
        auth_results: AuthResults | None = None,
        allow_policy_test_mode: bool = False,
    ) -> Result: ...
    def parse_record(
        self, record: str, domain: str, org_domain: str | None = None
    ) -> Policy: ...
    def check_alignment(
        self, fd: str, ad: str, mode: Word, psl: object = None
    ) -> bool: ...
