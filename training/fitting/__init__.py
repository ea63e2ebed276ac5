"""What the loop stands on: batches, checkpoints, averaged weights, several processes."""
