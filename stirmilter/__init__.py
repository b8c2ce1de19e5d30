"""STIR PASSporTs (RFC 8225, RFC 9475) for messages; read `services` first."""
