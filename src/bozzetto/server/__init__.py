"""Many who draw at once: the engine, and OpenAI's API over it."""
