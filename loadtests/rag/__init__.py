"""Retrieval-augmented generation as a load: texts and questions, embeddings, spans of each stage."""
