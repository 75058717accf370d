"""What is done with a Peer beyond single commands: joining, pushing, syncing, examining, showing."""
