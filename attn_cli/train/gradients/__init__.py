"""The gradients, by hand: reverse mode through everything in `maths`.

The forward definitions are not repeated: each backward step takes the values that they gave.
`loss.loss_and_gradients` is the whole. The gradient of a score function or normaliser is its own
`backward`.
"""
