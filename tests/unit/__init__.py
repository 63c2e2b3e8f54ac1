"""One folder per folder of the package; a file of tests is named after its subject."""
