"""Every error message, whole: a case per block of the *.txt."""
