"""Laws that hold for any problem, tried on drawn ones."""
