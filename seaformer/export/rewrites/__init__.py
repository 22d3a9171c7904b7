"""Rewrites: a file per family of rules that write a network the way the runtimes like it."""
