"""Where the reference material and the corpus lie: beside the checkout, when they are there."""

from pathlib import Path

SHARED = Path(__file__).resolve().parents[2] / "shared"
SAMPLES = SHARED / "reference" / "samples"
CORPUS = SHARED / "corpus"
