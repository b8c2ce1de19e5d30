"""Revocation lists are fetched once, renewed beside the messages, and bounded."""
