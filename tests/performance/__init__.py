"""Start-up and memory, measured in imports and bytes, never in time."""
