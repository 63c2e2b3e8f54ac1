"""The report of a computation: all that a page of HTML shows, as data."""
