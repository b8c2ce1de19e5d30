"""Replay stores: one contract, and what each does beyond it."""
