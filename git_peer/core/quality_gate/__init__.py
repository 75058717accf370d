"""Quality gates: what a commit must show before its work is accepted. Each is a pure function of what it is handed.

They are not the gate at a commit or push (hooks/gate.py), which refuses what others have locked.
"""
