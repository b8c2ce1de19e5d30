from typing import Any

import dns.resolver

class DMARCError(Exception): ...
class DMARCRecordNotFound(DMARCError): ...

def query_dmarc_record(
    domain: str,
    *,
    resolver: dns.resolver.Resolver | None = None,
    ignore_unrelated_records: bool = False,
) -> dict[str, Any]: ...
def parse_dmarc_record(record: str, domain: str) -> dict[str, Any]: ...
