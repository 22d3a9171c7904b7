"""The parts of ``report.html``: sections, tables, runs, pictures and what escapes them all."""
