"""A plan as text: TOML, JSON, Markdown, dot, Mermaid. Pure functions of text; who reads files is elsewhere."""
