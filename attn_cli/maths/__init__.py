"""The mathematics: pure NumPy. No files, no printing, no command line."""
