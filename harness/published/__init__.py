"""What others measured: published times of forward and backward, one a line of a CSV file, each with its source.

A file is named after its family of networks or ops; `sources.csv` has the sources, `families.csv` the family of each of
our models, and of single ops. Only published figures stand here that time both passes, or one and both together.
"""
