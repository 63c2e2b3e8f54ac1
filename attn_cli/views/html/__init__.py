"""The page of a computation: one file of HTML that asks for nothing from anywhere."""
