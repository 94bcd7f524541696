"""How good are the models that ship? Every number with its sample size, its interval and its command.

What is measured is what a person runs: the exported graphs in the weights folder, through the functions behind
`generate` and `label`. Test pictures are (concept, style) pairs that no training saw; test scenes hold
combinations that no training scene showed. Beside the models stand what needs no training at all (a nearest
neighbour on EfficientNet-Lite0 features), what is possible at all (real art before the same judge, real against
real pictures for the Frechet distance, true renders before the same grader), and chance.

A family is a file: the names of its measures, `score` of functions that do what its models do, and `measure`, which is
`score` of the models in a weights folder. report.py measures some of them, prints tables and keeps a report.
"""
