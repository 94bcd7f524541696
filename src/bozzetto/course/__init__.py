"""The course: nine lessons as static pages, built from Markdown and TOML, served from here or from any static host."""
