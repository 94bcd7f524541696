"""Picture search: a folder's pictures as vectors on disk, found by words, by a picture, or by both."""
