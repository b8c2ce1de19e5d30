"""What becomes of a message that was judged: the operator's tables, as values. Pure.

facts        what the tables may ask about
actions      what may be done, and what is said with it
rules        a table of rules: the first that applies wins
reachability rules that can never apply
peers        with whom we speak
ladders      what a peer must keep, more strictly from date to date
failures     what becomes of mail when something of ours does not work
policy       all of it, in the order in which it decides
"""
