"""Photos with labels, as lists, augmented."""
