"""Golden numbers of how far a map can be trusted, from scikit-learn. Run by hand: python3 test/golden/map_golden.py, then
npx prettier --write test/evaluation/golden."""

import json
import pathlib

import numpy as np
import sklearn
from sklearn.manifold import trustworthiness

OUT = pathlib.Path(__file__).parent.parent / "evaluation" / "golden"
rng = np.random.default_rng(6)
cases = []
for rows, dim, k, noise in [(30, 6, 5, 0.0), (30, 6, 5, 2.0), (40, 12, 3, 0.3), (14, 4, 5, 1.0)]:
    x = np.round(rng.normal(size=(rows, dim)), 3).astype(np.float32)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    points = np.round(unit[:, :2] + noise * rng.normal(size=(rows, 2)), 4)
    cases.append(
        {
            "dim": dim,
            "k": k,
            "features": x.ravel().tolist(),
            "points": points.ravel().tolist(),
            "trustworthiness": float(trustworthiness(unit, points, n_neighbors=k, metric="cosine")),
        }
    )
    print(cases[-1]["trustworthiness"])
text = json.dumps({"versions": {"numpy": np.__version__, "scikit-learn": sklearn.__version__}, "cases": cases})
(OUT / "trustworthiness.json").write_text(text + "\n")
