"""The page: an analysis as one self-contained HTML file, with figures that say how to read them."""
