"""Translators between a protocol and the core; they decide nothing."""
