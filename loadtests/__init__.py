"""The load: schedules, the engine, one generator a protocol, a record of every request."""
