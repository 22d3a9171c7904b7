"""Checkpoints as people have them, read strictly, no code run. Nothing is imported here.

source (which files) -> kinds (what is not a checkpoint) -> unpickling (tensors, no code) ->
state (where the weights are) -> fit (prefix, layout, names) -> loading; ``advice`` names
the model that a file fits.
"""
