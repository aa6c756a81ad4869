from .document import Document, DocumentCursor, DocumentSeries

__all__ = ["Document", "DocumentCursor", "DocumentSeries"]
