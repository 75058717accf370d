"""What one clone keeps beside the log: `clone` its identity, kernel lock and memory, `held` what its sessions hold.

`told` is what was reported once, `who` what the post-commit hook says.
"""
