"""Who takes part: `record` is a session and its events, `decide` starts it, `naming` derives its name.

`lease` and `expiry` say until when its word holds and what proves that it has run out; `clock` which clocks to trust.
What begins and ends with a session for every other noun: `rules.lifetime`.
"""
