"""Pictures: plots, clips and live views in one colour-blind-safe style."""
