"""Printers: a derivation as a document; a document as LaTeX, HTML, Markdown, text; a graph as a picture."""
