"""The columns of `load/requests.parquet`: one row a request, whatever generator made it.

Times are UTC wall clock in nanoseconds, taken from one anchor plus the monotonic clock, so that differences within a
file are exact. `intended` is when the schedule wanted the request to leave (open loop) or when the user became free
(closed loop); latency is `done - intended`, service time `done - sent`, client lag `sent - intended`.
"""

import pyarrow as pa

_TIME = pa.timestamp("ns", tz="UTC")
_WORD = pa.dictionary(pa.int16(), pa.string())

SCHEMA = pa.schema(
    [
        pa.field("request", pa.int64(), nullable=False),  # number in the schedule, from 0, unique in the run
        pa.field("phase", _WORD, nullable=False),
        pa.field("user", pa.int32()),  # closed loop: which user; open loop: null
        pa.field("intended", _TIME, nullable=False),
        pa.field("sent", _TIME),  # null: never left (refused connection, drained away)
        pa.field("first_byte", _TIME),  # response headers or first byte of the answer
        pa.field("first_token", _TIME),  # first chunk with content, streaming generators only
        pa.field("done", _TIME, nullable=False),  # answer complete, or the failure known
        pa.field("ok", pa.bool_(), nullable=False),
        pa.field("error", _WORD),  # kind of the failure: timeout, http_500, refused, truncated, wrong_answer, ...
        pa.field("status", pa.int16()),  # protocol's own code where it has one
        pa.field("received", pa.int64()),  # bytes of the answer's body
        pa.field("tokens_in", pa.int32()),  # as the server reports them, never counted by us
        pa.field("tokens_out", pa.int32()),
        pa.field("gaps", pa.list_(pa.float32())),  # seconds between content chunks after the first
        pa.field("recall", pa.float32()),  # retrieval: recall@k against the exact answer
        pa.field("retries", pa.int8(), nullable=False),  # reused connections that the server had closed
        pa.field("operation", _WORD),  # what kind of request, where a load mixes kinds: GET, PUT, tpcb, ...
        pa.field("sent_bytes", pa.int64()),  # bytes of the request's body, where the load is about bytes
        pa.field("stages", pa.map_(pa.string(), pa.float32())),  # seconds in each stage of a pipeline, by its name
    ],
    metadata={"dashcam.records": "1"},
)
