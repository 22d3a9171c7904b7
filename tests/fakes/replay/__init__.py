"""A made-up engine, ``replay``, and its format, ``tape``: a file of answers, found by their input.

``tests/test_engines.py`` adds these files to a copy of the package, with a row, and nothing else.
"""
