"""The standards, pure: no I/O, no clock, no logging, no threads.

Values in, values out; a token that fails raises `Unverified`.

=========  ================  ===================  ============================
RFC        section           file                 status
=========  ================  ===================  ============================
8225       4, 5, 6, 8.1, 9   passport, claims,    full form; the compact form
                             strictjson           (§7) is refused
9475       3.2               msgi, claims         ``msg``; docs/profile.md says
                                                  which octets ``msgi`` covers
8946       3, 4              claims, diversion    ``div``; ``div-o`` (§5), for
                                                  out of band, is set aside
7515       2, 4.1.11         jws, passport        strict subset
7518       3.4               jws                  ES256 alone, randomized
8224       4, 6.2.2, 8.3,    identity, result,    numbers; URIs by setting,
           8.5               tn, uri              ``mailto`` by our profile
8226       4, 7, 8, 9, 10.1  tnauthlist,          complete; whoever asks fetches
                             claimconstraints,    the lists by reference
                             credential,
                             delegation
9118       3, 6              claimconstraints     complete
9060       4, 7              delegation,          complete
                             credential
5280       6                 hazmat,              paths, by cryptography;
                             certificatepolicies  policies are not mapped, nor
                                                  directory names constrained:
                                                  refused
5280       5, 6.3, 7.1       revocation, names,   complete lists, direct and
                             crlreader, der       indirect; no deltas, no OCSP
=========  ================  ===================  ============================

Deviations are argued at the top of the file that makes them; docs/conformance.md lists
every requirement with the tests that hold it.
"""
