"""A command over many models or files, on the processes of a Dask cluster.

``division`` makes tasks of one command line, ``task`` is what a worker does for one of them,
``cluster`` submits tasks and takes results as they end, ``run`` keeps them. Scheduler and workers
are trusted: what they exchange is pickled by Dask (docs/security.md).
"""
