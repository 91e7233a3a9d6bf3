"""A small embeddings server: `python -m tests.loadtests.embeddings PORT`. Words are hashed into 64 dimensions.

It answers to the key that the tests' services have, and tells at /seen what headers came with the last request.
"""

import hashlib
import sys

import numpy as np
from aiohttp import web

DIMENSIONS = 64
SEEN: dict[str, str] = {}
KEY = "made-up-for-the-test"


def embedding(text: str) -> list[float]:
    """Add a direction for each word."""
    total = np.zeros(DIMENSIONS)
    for word in text.lower().split():
        seed = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest())
        total += np.random.default_rng(seed).standard_normal(DIMENSIONS)
    return list(total / np.linalg.norm(total))


async def embed(request: web.Request) -> web.Response:
    """Answer as OpenAI does."""
    if request.headers.get("Authorization") != f"Bearer {KEY}":
        return web.json_response({"error": {"message": "no"}}, status=401)
    texts = (await request.json())["input"]
    if len(texts) == 1:
        SEEN.clear()
        SEEN.update({name.lower(): value for name, value in request.headers.items()})
    rows = [embedding(text) for text in texts]
    return web.json_response({"data": [{"index": i, "embedding": row} for i, row in enumerate(rows)]})


async def seen(_request: web.Request) -> web.Response:
    """Give the headers of the last request for one text."""
    return web.json_response(SEEN)


if __name__ == "__main__":
    app = web.Application()
    app.add_routes([web.post("/v1/embeddings", embed), web.get("/seen", seen)])
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None)
