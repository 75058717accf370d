"""Who takes part: `record` has a session and its events, `naming` derives its name from the environment.

`lease` and `expiry` say until when its word holds and what proves that it has run out; `clock` which clocks to trust.
"""
