DNS_CACHE: dict[str, object]
