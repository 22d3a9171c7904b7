"""Images in, arrays out: photographs, normalisation, resizing. numpy and Pillow, no torch."""
