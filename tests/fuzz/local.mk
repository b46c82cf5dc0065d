# tests/fuzz: the targets are in the files of what they test; here is what they begin with, a folder each.
EXTRA_DIST += tests/fuzz/corpus
