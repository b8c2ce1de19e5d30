"""What the tests use of checkdmarc, which marks no types."""
