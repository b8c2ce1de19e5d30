"""The milter protocol spoken by ourselves, without libmilter."""
