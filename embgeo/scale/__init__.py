"""Work on a corpus shard by shard: passes over the shards, engines that run them, and the store that they write."""
