"""What pictures are made of: SVG elements, labels of tokens, palette PNG, and SVG drawn as PNG."""
