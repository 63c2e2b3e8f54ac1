"""What peers warn of when they are imported, which is none of our business."""

import warnings

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", "`torch.jit.script` is deprecated", DeprecationWarning)
    import x_transformers  # noqa: F401
