"""What tests of CONTRIBUTING.md add: a score function and a normaliser, each one module."""
