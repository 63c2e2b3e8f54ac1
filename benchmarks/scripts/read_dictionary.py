"""The part of row 14 that is reading: pairs.csv vectors [words.txt], with the package's readers."""

import sys
from dataclasses import replace

from attn_cli.cli.override import put_embeddings
from attn_cli.language.dictionary import read_dictionary
from attn_cli.sources.matrices.files import Inputs
from attn_cli.sources.matrices.lookup import read_word_table

pairs, vectors, *words = sys.argv[1:]
dictionary = read_dictionary(pairs, Inputs())
document = dictionary.document
put_embeddings(document, vectors, words[0] if words else None, strict=False)
wanted = replace(document, words=frozenset(dictionary.sources))
node = document.tree["embeddings"]
table = read_word_table(wanted, node, ("embeddings",), (), dictionary.dtype, finite=True)
assert table is not None
assert len(table.vectors) == len(dictionary.sources)
