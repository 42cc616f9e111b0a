"""Each merge method once more, in float64 NumPy, from the papers and from MergeKit's documented
behaviour, as plainly as the formulas read. Slow, and never a source for the program's own code."""
