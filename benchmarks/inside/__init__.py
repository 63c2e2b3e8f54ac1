"""What runs in the workers: `ours` where this package is installed, `peers` where torch is."""
