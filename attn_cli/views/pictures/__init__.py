"""Parts of pictures: SVG elements, labels of tokens, palette PNG, and SVG drawn as PNG."""
