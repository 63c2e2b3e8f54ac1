"""The project itself: its folders, its locked versions, its benchmarks, how its tests run."""
