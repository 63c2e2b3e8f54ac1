"""All sources of matrices: nested lists, files, archives, tables, word vectors."""
