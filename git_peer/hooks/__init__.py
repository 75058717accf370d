"""git's hooks: `gate` is what they ask (standard library only), `gate_start` starts it fast.

`install` puts the hooks beside whatever the user has; `blocks`, `chain` and `site` are its parts. `rewriting` is git's
own setting by which notes follow an amend.
"""
