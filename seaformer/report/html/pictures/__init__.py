"""The pictures of ``report.html``, one file each, drawn as SVG."""
