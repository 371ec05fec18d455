"""The toxicity classifier of lesson 15 as plain arrays, made once from the package alt-profanity-check.

    python -m venv scratch && scratch/bin/pip install scikit-learn==1.9.1 joblib==1.6.0 alt-profanity-check==1.9.1
    scratch/bin/python tools/toxicity_weights.py            # writes assets/features/toxicity.npz and .license.txt

The package keeps its model in two pickles, which run code when they are opened and need that very scikit-learn. So they
are opened here, in an environment of their own, and never on a learner's machine; what is shipped is numbers only.

The words are kept as fingerprints (the first eight bytes of their BLAKE2b hash), in ascending order: a text's words can
be looked up, and no list of offensive words is shipped. idf: (V,) of each; the package's page speaks of counts, but its
vectorizer is TF-IDF, each text's row of length 1. weights: (5, V) and bias: (5,), the five linear SVMs of its
cross-validation with their calibration (Platt's sigmoid) multiplied in, so that the probability is the mean of five
sigmoids. Weights are rounded to half precision; the tool prints by how much that moves probabilities
and refuses to write when it is more than 0.005.
"""

import hashlib
import sys
from pathlib import Path

import numpy as np

try:
    import joblib
    import profanity_check
    import sklearn
except ImportError as missing:
    raise SystemExit(f"{missing.name} is missing: this runs in an environment of its own, see the head of this file."
                     ) from missing

ROOT = Path(__file__).resolve().parent.parent
SHA256 = {"vectorizer.joblib": "19c5200dc6a41f026e0558e2f164f5fe8d8f58e502b46b37e4385037fcfa4831",
          "model.joblib": "aeafc04849d4d93db4721cf30a86ebf22085595294b8a07d51918e7fa98f538b"}
TRIED = ("I love this little shop.", "Nobody asked you, you pathetic idiot.", "What a stupid idea.", "Thank you!", "",
         "You are all idiots and I hate you.", "the the the", "The soup was cold and the waiter was rude.")
WORST = 0.005


def fingerprint(word: str) -> int:
    """The first eight bytes of the word's BLAKE2b hash, as a number below 2 ** 64."""
    return int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "little")


def main() -> None:
    """Open the pickles, check them, write the arrays and the licence."""
    package = Path(profanity_check.__file__).parent
    for name, known in SHA256.items():
        found = hashlib.sha256((package / "data" / name).read_bytes()).hexdigest()
        if found != known:
            sys.exit(f"{name} is not that of alt-profanity-check 1.9.1: its sha256 is {found}. Install that version.")
    vectorizer, model = (joblib.load(package / "data" / name) for name in SHA256)
    words = sorted(vectorizer.vocabulary_, key=fingerprint)
    order = np.array([vectorizer.vocabulary_[word] for word in words])
    marks = np.array([fingerprint(word) for word in words], dtype=np.uint64)
    if len(np.unique(marks)) != len(words):
        sys.exit("two words have the same fingerprint: take more bytes of the hash")
    folds = [(one.estimator, one.calibrators[0]) for one in model.calibrated_classifiers_]
    weights = np.stack([-sigmoid.a_ * svm.coef_[0][order] for svm, sigmoid in folds])                   # (5, V)
    bias = np.array([-sigmoid.a_ * svm.intercept_[0] - sigmoid.b_ for svm, sigmoid in folds])           # (5,)
    rows = vectorizer.transform(TRIED)[:, order].toarray()                                              # (texts, V)
    short = (1 / (1 + np.exp(-(rows @ weights.astype(np.float16).astype(float).T + bias)))).mean(axis=1)
    given = profanity_check.predict_prob(TRIED)
    worst = np.abs(short - given).max()
    print(f"{len(words):,} words; largest difference of a probability on {len(TRIED)} texts: {worst:.5f}")
    if worst > WORST:
        sys.exit("that is too much: nothing was written")
    for text, value in zip(TRIED, given, strict=True):
        print(f"    {text!r}: {value:.6f},")
    target = ROOT / "assets" / "features" / "toxicity.npz"
    made = f"tools/toxicity_weights.py, alt-profanity-check 1.9.1, scikit-learn {sklearn.__version__}"
    np.savez_compressed(target, fingerprints=marks, idf=vectorizer.idf_[order].astype(np.float32),
                        weights=weights.astype(np.float16), bias=bias.astype(np.float32), made=np.array(made))
    licence = next(package.parent.glob("alt_profanity_check-*.dist-info/licenses/LICENSE")).read_text(encoding="utf-8")
    target.with_suffix(".license.txt").write_text(licence, encoding="utf-8")
    print(f"{target}: {target.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
