"""SPF, DKIM, ARC and DMARC, judged in process beside STIR."""
