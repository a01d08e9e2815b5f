"""The figures of two papers on SGD: each is a few specs, a picture, and a number for its claim."""
