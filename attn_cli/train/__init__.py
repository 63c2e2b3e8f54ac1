"""`attn train`: reading `train:`, the gradients of a whole problem, Adam, and the trained file.

    training_reader, numbered, initial   the key; the map of numbers; their initial values
    learnt, loss                         names of arrays; forward, then back through all parts
    learning                             Adam
    rewrite, spans                       the file with the learnt numbers in it

The gradient of each part (score function, normaliser, linear, layer norm, ...) is its `backward`,
in the module of its forward pass.
"""
