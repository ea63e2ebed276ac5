"""Where the results of a batch go. Each target takes a shard whole or not at all, and twice as once."""
