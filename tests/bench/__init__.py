"""How fast Patchbay is, as ratios measured in one run: ``make bench``. No test depends on a time."""
