"""Training and distillation: the official recipes as rows, on Hugging Face accelerate.

    plan = TrainPlan(model="seaformer_t.synth", data=Path("set"), out=Path("run"), iterations=500)
    train(plan)                     # loop.py; run/last.pth is a checkpoint that export loads

``recipes`` (rows, quirks), ``groups`` (parameters by name), ``schedules``, ``optimisers``,
``losses`` and ``detection`` (what is minimised), ``regularising`` (dropout), ``parallel`` (norms
over processes), ``feeding`` (data in an order that a seed fixes), ``preflight`` (checks before
the first iteration), ``checkpoints`` (a run's folder), ``distillation`` (teacher and student).
"""
