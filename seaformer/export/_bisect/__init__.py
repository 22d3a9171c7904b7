"""Where a format departs from eager: ``probe`` looks inside, ``search`` finds the first module,
``folder`` writes the smallest model that fails, for a report to the engine's authors."""
